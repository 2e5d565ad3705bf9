"""Two masks against each other, by hand."""

import numpy as np
import pytest

from demo_app.agreement import agreement, class_table, disagreement_map
from mobile_export.runtime import Label

FIRST = np.array([[0, 0, 1, 1]], np.uint8)
SECOND = np.array([[0, 1, 1, 2]], np.uint8)
LABELS = [Label(0, "sky", (1, 2, 3)), Label(1, "road", (4, 5, 6))]


def test_agreement_is_the_share_of_equal_pixels() -> None:
    assert agreement(FIRST, SECOND) == 0.5
    assert agreement(FIRST, FIRST) == 1.0


def test_each_class_has_shares_and_intersection_over_union() -> None:
    rows = class_table(FIRST, SECOND, LABELS)
    assert [row["class"] for row in rows] == ["road", "sky", "class 2"]
    road, sky, other = rows
    assert (road["first"], road["second"]) == (0.5, 0.5)
    assert road["iou"] == pytest.approx(1 / 3)
    assert (sky["first"], sky["second"], sky["iou"]) == (0.5, 0.25, 0.5)
    assert (other["first"], other["iou"]) == (0, 0)


def test_pixels_that_differ_are_pink_and_the_others_grey() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 3)).astype(np.uint8)
    drawn = disagreement_map(image, FIRST, SECOND)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    grey = (drawn == drawn[..., :1]).all(axis=-1)
    assert grey.tolist() == [[True, False, True, False]]
    red, green, _ = drawn[0, 1].astype(int)
    assert red > green + 80
