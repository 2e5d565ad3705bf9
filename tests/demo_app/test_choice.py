"""Configuration, exit and threshold on the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from demo_app.choice import Choice, chained_exits, exit_title, has_exits
from mobile_export.runtime import Bundle, Segmenter
from tests.demo_app.conftest import Shown
from tests.tiny_bundle import EXITS, THRESHOLDS, clear_from, packed, plain_metadata, tiny_metadata

Page = Callable[[], AppTest]


def _control(test: AppTest, label: str) -> Any:
    (found,) = [control for control in test.segmented_control if control.label == label]
    return found


def _threshold(test: AppTest) -> Any:
    (found,) = [slider for slider in test.slider if slider.label.startswith("Leave at")]
    return found


def _text(test: AppTest) -> str:
    return " ".join(element.value for element in test.markdown)


def _adaptive(page: Page) -> AppTest:
    test = page()
    _control(test, "Exit").set_value("adaptive").run()
    assert not test.exception
    return test


def test_a_bundle_with_exits_offers_configurations_and_exits(exit_page: Page) -> None:
    test = exit_page()
    _, configuration, exits = test.segmented_control
    assert configuration.label == "Configuration"
    assert configuration.options == ["light", "light_24x32", "medium", "heavy"]
    assert configuration.value == "heavy"
    assert exits.label == "Exit"
    assert exits.options == ["exit 1", "exit 2", "final", "adaptive"]
    assert exits.value == "final"
    assert not test.slider
    assert not test.expander


def test_a_configuration_of_one_exit_offers_no_choice_of_it(
    exit_page: Page, shown: list[Shown], tiny_bundle: Path
) -> None:
    test, image = exit_page(), clear_from("heavy_exit1")
    _control(test, "Configuration").set_value("medium").run()
    assert [control.label for control in test.segmented_control] == ["Input", "Configuration"]
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    assert (shown[-1].masks["medium"] == segmenter(image, "medium", native=True).mask).all()
    assert "<b>3 k</b>" in _text(test)


@pytest.mark.parametrize(
    ("title", "tier"), [("exit 1", EXITS[0]), ("exit 2", EXITS[1]), ("final", EXITS[2])]
)
def test_an_exit_runs_its_tier(
    exit_page: Page, shown: list[Shown], tiny_bundle: Path, title: str, tier: str
) -> None:
    test, image = exit_page(), clear_from("heavy")
    test.selectbox[1].set_value(2).run()
    _control(test, "Exit").set_value(title).run()
    assert not test.exception
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    assert (shown[-1].masks[tier] == segmenter(image, tier, native=True).mask).all()
    assert f"<b>{4 + EXITS.index(tier)} k</b>" in _text(test)


def test_the_exit_stays_when_the_configuration_changes(
    exit_page: Page, tiny_model_bytes: bytes, assets: Path
) -> None:
    metadata = tiny_metadata(tiny_model_bytes)
    metadata["tiers"] = [
        {"name": name, "configuration": configuration, "exit": depth}
        for configuration, early, final in (("a", "light", "medium"), ("b", "heavy_exit1", "heavy"))
        for name, depth in ((early, 1), (final, None))
    ]
    (assets / "models" / "tiny.tflite").write_bytes(packed(tiny_model_bytes, metadata))
    test = exit_page()
    assert _control(test, "Configuration").value == "b"
    _control(test, "Exit").set_value("exit 1").run()
    _control(test, "Configuration").set_value("a").run()
    assert _control(test, "Exit").value == "exit 1"
    assert not test.exception


@pytest.mark.parametrize(
    ("place", "left"),
    [(0, "left at exit 1"), (1, "left at exit 2"), (2, "went to the end")],
)
def test_adaptive_as_fitted_leaves_where_the_bundle_says(
    exit_page: Page, shown: list[Shown], tiny_bundle: Path, place: int, left: str
) -> None:
    test = _adaptive(exit_page)
    test.selectbox[1].set_value(place).run()
    assert test.toggle[0].value is True
    assert _threshold(test).disabled
    assert test.metric[0].delta == left
    text = _text(test)
    assert "exit 1 (leaves at 70.0 %)" in text
    assert "exit 2 (leaves at 80.0 %)" in text
    assert text.count("sure of") == place + 1
    assert text.count("not run") == 2 - place
    segmenter, image = Segmenter(tiny_bundle, warm_up="none"), clear_from(EXITS[place])
    for tier in EXITS[: place + 1]:
        confidence = segmenter(image, tier).confidence
        assert f"sure of {100 * confidence:.1f} %" in text
    mask = segmenter(image, EXITS[place], native=True).mask
    assert (shown[-1].masks[EXITS[place]] == mask).all()


@pytest.mark.parametrize(
    ("percent", "left", "told"),
    [
        (0, "left at exit 1", "always leaves"),
        (100, "went to the end", "leaves at 100.0 %"),
    ],
)
def test_the_threshold_moves_the_exit(exit_page: Page, percent: int, left: str, told: str) -> None:
    test = _adaptive(exit_page)
    test.selectbox[1].set_value(2).run()  # fine stripes, which the first two exits are not sure of
    test.toggle[0].set_value(False).run()
    assert not _threshold(test).disabled
    assert _threshold(test).value == 80
    _threshold(test).set_value(percent).run()
    assert test.metric[0].delta == left
    assert f"exit 2 ({told})" in _text(test)
    assert not test.exception


def test_without_fitted_thresholds_the_slider_starts_at_80(
    exit_page: Page, tiny_model_bytes: bytes, assets: Path
) -> None:
    metadata = tiny_metadata(tiny_model_bytes)
    metadata["tiers"][3]["thresholds"] = {"pixel": 0.6}  # of heavy_exit1
    (assets / "models" / "tiny.tflite").write_bytes(packed(tiny_model_bytes, metadata))
    test = _adaptive(exit_page)
    assert not test.toggle
    assert _threshold(test).value == 80
    assert not _threshold(test).disabled
    assert test.metric[0].delta == "left at exit 1"


def test_exits_without_stages_are_not_adaptive(
    exit_page: Page, tiny_model_bytes: bytes, assets: Path
) -> None:
    metadata = tiny_metadata(tiny_model_bytes)
    for tier in metadata["tiers"]:
        tier["stages"] = []
    (assets / "models" / "tiny.tflite").write_bytes(packed(tiny_model_bytes, metadata))
    assert _control(exit_page(), "Exit").options == ["exit 1", "exit 2", "final"]


def test_what_a_bundle_offers(tiny_bundle: Path, tiny_model_bytes: bytes) -> None:
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    assert has_exits(segmenter)
    assert chained_exits(segmenter, "heavy") == EXITS
    assert chained_exits(segmenter, "light") == ()
    assert [exit_title(segmenter, tier) for tier in EXITS] == ["exit 1", "exit 2", "final"]
    plain = Bundle.from_bytes(packed(tiny_model_bytes, plain_metadata(tiny_model_bytes)))
    assert not has_exits(Segmenter(plain, warm_up="none"))


def test_thresholds_are_the_given_one_or_the_fitted(tiny_bundle: Path) -> None:
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    assert Choice("heavy", None).thresholds(segmenter) == {**THRESHOLDS, "heavy": 0}
    assert Choice("heavy", None, 0.0).thresholds(segmenter) == dict.fromkeys(EXITS, 0)
    assert list(Choice("heavy", None, 0.5).thresholds(segmenter).values()) == [0.5, 0.5, 0]
