"""The page *Bundle*, without a browser."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.tiny_bundle import STAGES, TIERS, packed, tiny_metadata

VIEW = "views/bundle.py"


def _text(test: AppTest) -> str:
    return " ".join(element.value for element in test.markdown)


def test_every_signature_is_listed_with_its_shapes(exit_page: Callable[[], AppTest]) -> None:
    test = exit_page().switch_page(VIEW).run()
    assert not test.exception
    table = test.dataframe[0].value.set_index("signature")
    assert set(table.index) >= {*TIERS, *STAGES}
    assert table.loc["heavy", "inputs"] == "image: uint8 (1, 48, 64, 3)"
    assert "mask: uint8 (1, 48, 64)" in table.loc["heavy", "outputs"]
    assert "state_" in table.loc[STAGES[0], "outputs"]
    assert "state_" in table.loc[STAGES[1], "inputs"]


def test_what_the_bundle_says_of_itself_is_told_and_nothing_else(
    page: Callable[[], AppTest], assets: Path, tiny_model_bytes: bytes
) -> None:
    path = assets / "models" / "tiny.tflite"
    said = {
        "training": {"recipe": "street_scenes", "seed": 7, "dataset": "own"},
        "calibration": {"count": 33},
        "versions": {"keras": "3.15.1"},
        "license": "CC BY 4.0",
    }
    path.write_bytes(packed(tiny_model_bytes, {**tiny_metadata(tiny_model_bytes), **said}))
    text = _text(page().switch_page(VIEW).run())
    for told in ("street_scenes", "33 images", "3.15.1", "CC BY 4.0", "own"):
        assert told in text
    bare = {k: v for k, v in tiny_metadata(tiny_model_bytes).items() if k not in said}
    path.write_bytes(packed(tiny_model_bytes, bare))
    text = _text(page().switch_page(VIEW).run())
    assert "not stated" in text
    assert "images" not in text


def test_a_bundle_that_was_replaced_is_opened_anew(
    page: Callable[[], AppTest], assets: Path, tiny_model_bytes: bytes
) -> None:
    """While the app runs, as an export beside it does."""
    test = page().switch_page(VIEW).run()
    assert "second edition" not in _text(test)
    path = assets / "models" / "tiny.tflite"
    metadata = tiny_metadata(tiny_model_bytes) | {"name": "second edition"}
    path.write_bytes(packed(tiny_model_bytes, metadata))
    assert "second edition" in _text(test.run())
    path.write_bytes(b"broken")
    test.run()
    assert "tiny.tflite is not a bundle" in test.error[0].value
    assert not test.exception


def test_a_bundle_without_metadata_is_told_of(
    page: Callable[[], AppTest], assets: Path, tiny_model_bytes: bytes
) -> None:
    (assets / "models" / "tiny.tflite").write_bytes(tiny_model_bytes)
    test = page().switch_page(VIEW).run()
    assert "without metadata" in _text(test)
    assert not test.get("json")
    assert not test.exception
