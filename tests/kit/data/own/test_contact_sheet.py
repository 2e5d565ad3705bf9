"""The contact sheet shows every class, in its colour."""

from pathlib import Path

import numpy as np

from kit.data.own.class_table import class_table
from kit.data.own.contact_sheet import IMAGES, choose_images, contact_sheet
from kit.data.own.survey import survey_folder
from tests.kit.own_folders import rectangles, write_own


def test_a_class_of_one_image_is_shown(tmp_path: Path) -> None:
    labels = rectangles(40)
    labels[33][5:30, 5:30] = 3
    survey = survey_folder(write_own(tmp_path, labels))
    chosen = choose_images(survey)
    assert "033" in chosen
    assert len(set(chosen)) == len(chosen) == IMAGES


def test_painted_pixels_move_to_the_colour_of_their_class(tmp_path: Path) -> None:
    survey = survey_folder(write_own(tmp_path, rectangles(3)))
    table = class_table(survey)
    sheet = np.asarray(contact_sheet(survey, table)).astype(int)
    colors = [item.color for item in table.classes]
    for color in colors:  # the legend
        assert (sheet == color).all(-1).sum() > 100
    image = np.array([40, 240, 40])  # of class 0, before noise of up to 8
    painted = 0.4 * image + 0.6 * np.array(colors[0])
    assert (abs(sheet - painted) <= 6).all(-1).sum() > 500
