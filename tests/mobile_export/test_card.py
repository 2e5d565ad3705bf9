"""The card tells what the bundle has, and guesses nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mobile_export.card import card
from mobile_export.card_command import card as command
from mobile_export.runtime import TiersegError
from tests.tiny_bundle import NAMES, TIERS, packed, tiny_metadata


@pytest.fixture
def written(tiny_model_bytes: bytes, tmp_path: Path) -> Any:
    """Writes a bundle with changed metadata, and gives its card."""

    def write(**changes: Any) -> str:
        path = tmp_path / "tiny.tflite"
        metadata = {**tiny_metadata(tiny_model_bytes), **changes}
        path.write_bytes(packed(tiny_model_bytes, metadata))
        return card(path)

    return write


def _section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0].strip()


def test_it_has_every_tier_and_class_and_both_checksums(tiny_bundle: Path) -> None:
    text = card(tiny_bundle)
    rows = [line for line in _section(text, "Tiers").splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(TIERS)
    assert rows[0].split(" | ")[1:4] == ["48×64", "0.00", "5.00"]
    assert " 24×32 " in rows[1]
    assert all(name in _section(text, "Classes") for name in NAMES)
    content = tiny_bundle.read_bytes()
    assert f"`{hashlib.sha256(content).hexdigest()}`" in _section(text, "File")


def test_what_was_not_measured_is_a_dash_and_no_guess(written: Any) -> None:
    text = written()
    assert "not measured" in _section(text, "Tiers")
    assert _section(text, "Tiers").count(" | - |") >= len(TIERS)
    assert _section(text, "Calibration") == "Not recorded."
    assert _section(text, "Training").startswith("Not recorded.")


def test_the_licence_is_the_one_of_the_file(written: Any) -> None:
    assert "- licence: not stated" in _section(written(), "File")
    assert "- licence: Apache-2.0" in _section(written(license="Apache-2.0"), "File")


def test_runs_are_told_first_to_last(written: Any) -> None:
    first = {"recipe": "camvid", "seed": 3, "epochs": 60, "dataset": "camvid"}
    last = {"recipe": "heads", "seed": 4, "epochs": 5, "dataset": "camvid", "initial": first}
    text = written(training=last)
    assert _section(text, "Training").splitlines()[:2] == [
        "1. recipe `camvid`, seed 3, 60 epochs on camvid",
        "2. recipe `heads`, seed 4, 5 epochs on camvid",
    ]
    assert "CC BY-NC 4.0" in _section(text, "Data")
    assert "nothing that steers" in _section(text, "Intended use")


def test_an_unknown_data_set_has_no_licence_made_up(written: Any) -> None:
    text = written(training={"dataset": "my_streets"})
    assert _section(text, "Data") == "my_streets; ask who made it under what licence."


def test_early_exits_bring_the_notice_and_entropy_its_need(
    written: Any, tiny_model_bytes: bytes
) -> None:
    tiers = tiny_metadata(tiny_model_bytes)["tiers"]
    assert "patents" in _section(written(), "Limits")
    assert "entropy" not in _section(written(), "Limits")
    for tier in tiers:
        tier["exit"] = None
    assert "patents" not in _section(written(tiers=tiers), "Limits")
    tiers[0]["policy"] = {"measure": "entropy", "edge_aware": False}
    assert "TensorFlow Lite 2.15" in _section(written(tiers=tiers), "Limits")


def test_a_bundle_without_metadata_is_refused(tiny_model_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(tiny_model_bytes)
    with pytest.raises(TiersegError, match=r"bare\.tflite must be a bundle with metadata"):
        card(path)


def test_the_verb_writes_the_same_with_the_classes_of_an_evaluation(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main([str(tiny_bundle)], standalone_mode=False)
    assert capsys.readouterr().out == card(tiny_bundle)
    classes = {name: {"iou": 0.25 * place} for place, name in enumerate(NAMES)}
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(json.dumps({"tiers": [{"tier": "heavy", "classes": classes}]}))
    out = tmp_path / "cards" / "tiny.md"
    words = [str(tiny_bundle), "--evaluation", str(evaluation), "--out", str(out)]
    command.main(words, standalone_mode=False)
    assert out.read_text(encoding="utf-8") == card(tiny_bundle, classes)
    assert "| 3 snow | 75.0 |" in out.read_text(encoding="utf-8")
    assert [path.name for path in out.parent.iterdir()] == ["tiny.md"]


@pytest.mark.parametrize("content", ["{", "[]", '{"tiers": []}', '{"tiers": [{"tier": "heavy"}]}'])
def test_another_file_than_an_evaluation_is_refused(
    content: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(content)
    words = [str(tiny_bundle), "--evaluation", str(evaluation)]
    with pytest.raises(TiersegError, match=r"evaluation\.json must be what `tierseg evaluate"):
        command.main(words, standalone_mode=False)
