"""The page, without a browser."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.runtime.interpreter import Interpreter
from tests.demo_app.conftest import PAGE, Shown, street
from tests.tiny_bundle import PLAIN_TIERS, packed, scene, tiny_metadata


def _text(test: AppTest) -> str:
    return " ".join(element.value for element in test.markdown)


def test_the_page_opens_with_the_first_bundle_and_picture(
    page: Callable[[], AppTest], shown: list[Shown]
) -> None:
    test = page()
    assert not test.error
    assert test.segmented_control[1].value == "heavy"
    assert test.metric[0].label == "Latency of this frame"
    assert test.metric[0].value.endswith(" ms")
    assert len(shown) == 1
    assert shown[0].picture.shape == (96, 128, 3)
    assert list(shown[0].masks) == ["heavy"]
    assert "tiny" in test.sidebar.caption[0].value
    assert "4 tiers in 0.0" in test.sidebar.caption[0].value


def test_a_bundle_without_exits_has_one_control_and_no_threshold(
    page: Callable[[], AppTest],
) -> None:
    test = page()
    assert [control.label for control in test.segmented_control] == ["Input", "Tier"]
    assert not test.slider
    assert not test.expander
    assert not test.toggle


def test_a_switch_of_the_tier_changes_mask_and_figures(
    page: Callable[[], AppTest], shown: list[Shown], tiny_bundle: Path
) -> None:
    test, picture = page(), street()
    segmenter = Segmenter(tiny_bundle)
    for place, tier in enumerate(PLAIN_TIERS):
        test.segmented_control[1].set_value(tier).run()
        assert not test.exception
        assert test.segmented_control[1].value == tier
        assert f"<b>{place + 1} k</b>" in _text(test)
        assert (shown[-1].masks[tier] == segmenter(picture, tier, native=True).mask).all()
    assert len({next(iter(view.masks.values())).tobytes() for view in shown}) > 2


def test_figures_come_from_the_metadata(page: Callable[[], AppTest]) -> None:
    test = page()
    test.segmented_control[1].set_value("light_24x32").run()
    text = _text(test)
    for figure in ("48.0 %", "10 M", "2 k", "24 × 32"):
        assert f"<b>{figure}</b>" in text


def test_the_legend_names_the_classes_and_their_shares(page: Callable[[], AppTest]) -> None:
    text = _text(page())
    for name in ("brick", "grass", "water", "snow"):
        assert name in text
    assert "rgb(230, 60, 60)" in text
    assert "25%" in text


def test_another_picture_is_segmented(page: Callable[[], AppTest], shown: list[Shown]) -> None:
    test = page()
    test.selectbox[1].set_value(1).run()
    assert shown[-1].picture.shape == (48, 64, 3)


def test_an_uploaded_picture_goes_before_the_sample(
    page: Callable[[], AppTest], shown: list[Shown], tmp_path: Path
) -> None:
    path = tmp_path / "own.png"
    Image.fromarray(scene(30, 40)).save(path)
    test = page()
    test.file_uploader[1].set_value(("own.png", path.read_bytes(), "image/png")).run()
    assert not test.error
    assert shown[-1].picture.shape == (30, 40, 3)


def test_a_large_picture_is_shown_smaller(
    page: Callable[[], AppTest], shown: list[Shown], assets: Path
) -> None:
    Image.fromarray(scene(1000, 2560)).save(assets / "samples" / "a_large.png")
    page()
    assert shown[-1].picture.shape == (500, 1280, 3)


def test_an_uploaded_bundle_goes_before_the_shipped(
    page: Callable[[], AppTest], tiny_model_bytes: bytes
) -> None:
    metadata = tiny_metadata(tiny_model_bytes)
    metadata |= {"name": "mine", "tiers": metadata["tiers"][:2], "default_tier": "light"}
    content = packed(tiny_model_bytes, metadata)
    test = page()
    test.file_uploader[0].set_value(("mine.tflite", content, "")).run()
    assert not test.error
    assert "mine" in test.sidebar.caption[0].value
    assert test.segmented_control[1].options == ["light", "light_24x32"]
    assert test.segmented_control[1].value == "light"


def test_a_bundle_without_metadata_works(
    page: Callable[[], AppTest], shown: list[Shown], tiny_model_bytes: bytes
) -> None:
    test = page()
    test.file_uploader[0].set_value(("bare.tflite", tiny_model_bytes, "")).run()
    assert not test.exception
    assert not test.error
    assert "without metadata" in test.sidebar.caption[0].value
    assert "class 1" in _text(test)
    assert shown[-1].labels[1]["name"] == "class 1"


@pytest.mark.parametrize(
    ("place", "name", "message"),
    [
        (0, "cut.tflite", "cut.tflite is corrupt; expected metadata.json in a zip at its end"),
        (0, "text.tflite", "text.tflite is not a bundle; expected a `.tflite` model"),
        (1, "text.png", "text.png must be a whole image"),
    ],
)
def test_a_bad_upload_is_one_error_and_no_traceback(
    page: Callable[[], AppTest], tiny_bundle: Path, place: int, name: str, message: str
) -> None:
    content = tiny_bundle.read_bytes()[:-30] if name.startswith("cut") else b"just a text"
    test = page()
    test.file_uploader[place].set_value((name, content, "")).run()
    assert not test.exception
    assert [error.value.startswith(message) for error in test.error] == [True]
    assert "\n" not in test.error[0].value
    assert not test.segmented_control


def test_a_damaged_shipped_bundle_is_one_error(page: Callable[[], AppTest], assets: Path) -> None:
    (assets / "models" / "tiny.tflite").write_bytes(b"\x1c\0\0\0TFL3 and no more")
    assert "is corrupt" in page().error[0].value


def test_a_tier_that_fails_at_a_switch_is_one_error(
    page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    test = page()
    run = Interpreter.run

    def failing(self: Interpreter, signature: str, inputs: Any) -> Any:
        if signature == "medium":
            raise TiersegError("the model cannot run")
        return run(self, signature, inputs)

    monkeypatch.setattr(Interpreter, "run", failing)
    test.segmented_control[1].set_value("medium").run()
    assert not test.exception
    assert [error.value for error in test.error] == ["the model cannot run"]
    test.segmented_control[1].set_value("light").run()
    assert not test.error


def test_no_bundle_says_what_to_do(page: Callable[[], AppTest], assets: Path) -> None:
    (assets / "models" / "tiny.tflite").unlink()
    test = page()
    assert "make quickstart" in test.info[0].value
    assert "upload one on the left" in test.info[0].value
    assert len(test.file_uploader) == 2


def test_no_sample_asks_for_a_picture(page: Callable[[], AppTest], assets: Path) -> None:
    for path in (assets / "samples").iterdir():
        path.unlink()
    assert "Upload a picture on the left" in page().info[0].value


def test_the_bundle_of_the_command_line_comes_first(
    page: Callable[[], AppTest],
    tmp_path: Path,
    tiny_model_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "given.tflite"
    path.write_bytes(tiny_model_bytes)
    monkeypatch.setattr(sys, "argv", [str(PAGE), str(path)])
    test = page()
    assert test.selectbox[0].options == ["given.tflite", "tiny.tflite"]
    assert "without metadata" in test.sidebar.caption[0].value


def test_a_segmenter_is_opened_once_for_all_visitors(
    page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Bundle] = []
    create = Segmenter.__init__

    def counted(self: Segmenter, bundle: Bundle, **options: Any) -> None:
        opened.append(bundle)
        create(self, bundle, **options)

    monkeypatch.setattr(Segmenter, "__init__", counted)
    page()
    page()
    assert len(opened) == 1
