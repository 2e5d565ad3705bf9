"""The quickstart goes the whole way, and tells figures that it has measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from kit.training import Recipe
from mobile_export import quickstart as module
from mobile_export.quickstart import BUNDLE, quickstart, run_quickstart
from mobile_export.runtime import Bundle
from mobile_export.runtime.command_line import main
from mobile_export.tables import milliseconds, percent
from mobile_export.verifier import verify
from tests.mobile_export.block_folder import tiny_recipe, write_blocks

pytestmark = pytest.mark.long

CONTENT: dict[str, Any] = {
    "bundle": "runs/a.tflite",
    "network": "runs/network.keras",
    "size_bytes": 1_230_000,
    "data": {"name": "street_scenes", "split": "test", "images": 7},
    "tiers": [
        {
            "tier": "light",
            "parameters": 1_500_000,
            "macs": 250_000_000,
            "float_miou": 0.5,
            "float_dice": 0.6,
            "int8_miou": 0.49,
            "int8_dice": 0.59,
            "latency_ms": 3.456,
        }
    ],
    "verification": {},
    "machine": {"cpu": "a board", "threads": 1},
    "seconds": {"train": 200.4, "export": 59.6},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the quickstart told of the blocks."""
    data = write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=8)
    out = tmp_path_factory.mktemp("runs") / "quickstart"
    return run_quickstart(tiny_recipe(data), out, min_agreement=0.0, rounds=2)


def test_the_bundle_fulfils_the_contract(done: dict[str, Any]) -> None:
    assert Path(done["bundle"]).name == BUNDLE
    assert Path(done["network"]).is_file()
    assert done["size_bytes"] == Path(done["bundle"]).stat().st_size
    assert verify(done["bundle"]).passed


def test_the_figures_are_those_of_the_bundle(done: dict[str, Any]) -> None:
    tiers = Bundle.open(done["bundle"]).metadata["tiers"]
    assert [row["tier"] for row in done["tiers"]] == [entry["name"] for entry in tiers]
    for row, entry in zip(done["tiers"], tiers, strict=True):
        for key in ("parameters", "macs", "latency_ms"):
            assert row[key] == entry[key] > 0
        assert (row["int8_miou"], row["int8_dice"]) == (entry["miou"], entry["dice"])
        assert 0 <= row["float_miou"] <= row["float_dice"] <= 1
        assert entry["measured_on"] == {"data": "blocks", "split": "test", "images": 3}


def test_each_step_is_timed(done: dict[str, Any]) -> None:
    steps = ["train", "export", "verify", "evaluate", "benchmark", "record"]
    assert list(done["seconds"]) == steps


def test_the_table_tells_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "run_quickstart", lambda *_, **__: CONTENT)
    assert quickstart.main([], standalone_mode=False) == 0
    told = capsys.readouterr()
    head, row, *rest = told.out.splitlines()
    (tier,) = CONTENT["tiers"]
    assert row.split() == [
        "light",
        "1.50",
        "250.0",
        *(percent(tier[key]) for key in ("float_miou", "int8_miou", "float_dice", "int8_dice")),
        milliseconds(tier["latency_ms"]),
    ]
    assert head.endswith("int8 ms")
    assert rest[0].startswith("mIoU and Dice in percent on 7 images of street_scenes test")
    assert rest[1] == "260 s: train 200, export 60"
    assert told.err.rstrip().endswith("runs/a.tflite. Next: tierseg demo runs/a.tflite")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {}

    def run(recipe: Recipe, out: Path, **options: Any) -> dict[str, Any]:
        given.update(recipe=recipe, out=out, **options)
        return CONTENT

    monkeypatch.setattr(module, "run_quickstart", run)
    assert quickstart.main(["--json", "--epochs", "2"], standalone_mode=False) == 0
    assert json.loads(capsys.readouterr().out) == CONTENT
    assert given["recipe"] == Recipe.load("street_scenes")
    assert given["out"] == Path("runs/quickstart")
    assert given["epochs"] == 2


def test_a_bundle_that_is_refused_is_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mobile_export.report import Check, VerificationReport
    from mobile_export.verifier import VerificationError

    def run(*_: Any, **__: Any) -> None:
        raise VerificationError(VerificationReport("a.tflite", (Check("size", False, "big"),)))

    monkeypatch.setattr(module, "run_quickstart", run)
    assert quickstart.main(["--out", str(tmp_path)], standalone_mode=False) == 1
    assert "FAIL  size  big" in capsys.readouterr().out


def test_missing_data_are_one_line_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tmp_path / "nowhere")
    monkeypatch.setattr(Recipe, "load", lambda name: recipe)
    assert main(["quickstart", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere" in line
    assert not (tmp_path / "out").exists()
