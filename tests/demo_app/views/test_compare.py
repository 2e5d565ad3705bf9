"""The page *Compare*, without a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from demo_app.agreement import agreement
from mobile_export.runtime import Segmenter
from tests.demo_app.conftest import Shown, street
from tests.tiny_bundle import PLAIN_TIERS

VIEW = "views/compare.py"


def test_the_lightest_and_the_heaviest_stand_side_by_side(
    page: Callable[[], AppTest], shown: list[Shown], tiny_bundle: Path
) -> None:
    test = page().switch_page(VIEW).run()
    assert not test.exception
    view, segmenter = shown[-1], Segmenter(tiny_bundle, warm_up="none")
    assert list(view.masks) == [PLAIN_TIERS[0], PLAIN_TIERS[-1]]
    masks = [segmenter(street(), tier).mask for tier in view.masks]
    for own, mask in zip(view.masks.values(), masks, strict=True):
        assert (own == mask).all()
    assert test.metric[0].value == f"{100 * agreement(*masks):.1f} %"
    assert set(test.dataframe[0].value["class"]) <= {"brick", "grass", "water", "snow"}
    assert (test.dataframe[0].value["iou"] <= 1).all()


@pytest.mark.parametrize("tier", PLAIN_TIERS)
def test_a_tier_agrees_with_itself(
    page: Callable[[], AppTest], shown: list[Shown], tier: str
) -> None:
    test = page().switch_page(VIEW).run()
    for title in ("Left", "Right"):
        (side,) = [box for box in test.selectbox if box.label == title]
        side.set_value(tier).run()
    assert test.metric[0].value == "100.0 %"
    assert (test.dataframe[0].value["iou"] == 1).all()
    assert list(shown[-1].masks) == [tier]  # both of one name
