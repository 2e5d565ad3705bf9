"""Bit-width decay on CamVid: what is trained, and that rows and targets follow from the scores."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.errors import InputError
from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import bits_camvid as experiment
from mobile_export.experiments.bits_camvid import BASE, FLOAT, ROWS, SCALES, recipe_of, run_row

FIGURES = {
    BASE: (0.50, 4_000_000),
    FLOAT: (0.52, 4_000_000),
    "8-8": (0.521, 1_000_000),
    "4-4": (0.515, 500_000),
    "3-3": (0.51, 400_000),
    "2-2": (0.50, 320_000),
    "1-2": (0.44, 160_000),
    "2-2_direct": (0.49, 320_000),
    "1-2_direct": (0.45, 160_000),
}
"""Made up: name of a run -> its mIoU and packed bytes."""


@pytest.mark.parametrize("scale", SCALES)
def test_rows_differ_in_their_widths_alone(scale: str, tmp_path: Path) -> None:
    settings = Settings(tmp_path, scale, seed=4, data="folder")
    base, plain = (recipe_of(name, settings).to_dict() for name in (BASE, FLOAT))
    for name, widths in ROWS.items():
        recipe = recipe_of(name, settings)
        own = {key: value for key, value in recipe.to_dict().items() if key != "bit_widths"}
        differ = {key for key in own if own[key] != plain[key]}
        assert differ == ({"name", "precision"} if widths else set())
        assert {key for key in own if own[key] != base[key]} <= differ | {
            "name",
            "initial",
            "epochs",
            "learning_rate",
        }
        assert recipe.data == "folder"
        assert recipe.initial == str(tmp_path / "base_4" / "network.keras")
        assert recipe.bit_widths == widths
        assert recipe.precision == ("qat" if widths else "float32")
    assert (base["initial"], base["precision"]) == (None, "float32")


def test_decays_pass_through_the_wider_widths_and_the_controls_do_not() -> None:
    for name, widths in ROWS.items():
        ends = name.removesuffix("_direct").replace("-", "/")
        assert "/".join(map(str, widths[-1] if widths else ())) == ends.replace(FLOAT, "")
    assert ROWS["2-2"] == ((8, 8), (4, 4), (3, 3), (2, 2))
    assert ROWS["1-2"] == (*ROWS["2-2"], (1, 2))
    assert len(ROWS["1-2_direct"]) == len(ROWS["2-2_direct"]) == 1


Jobs = Sequence[tuple[str, Settings]]


@pytest.fixture
def asked() -> list[list[str]]:
    """The names that were handed to each call of `side_by_side`."""
    return []


@pytest.fixture
def found(asked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    def made_up(work: Callable[..., Any], jobs: Jobs) -> list[dict[str, Any]]:
        assert work is run_row
        asked.append([name for name, _ in jobs])
        scores = []
        for name, _ in jobs:
            miou, size = FIGURES[name]
            tier = {"miou": {"plain": miou}, "dice": {"plain": miou + 0.1}}
            scores.append({**tier, "packed_bytes": size})
        return scores

    monkeypatch.setattr(experiment, "side_by_side", made_up)
    return find("bits_camvid")(Settings(tmp_path, "quick", seed=2))


def test_the_network_that_all_go_on_from_is_trained_first(
    found: Results, asked: list[list[str]]
) -> None:
    assert asked == [[BASE], list(ROWS)]
    assert found.details["runs"][-1]["packed_bytes"] == 160_000


def test_rows_are_compared_with_the_one_in_float(found: Results) -> None:
    rows = {row["row"]: row for row in found.rows}
    assert list(rows) == list(ROWS)
    assert rows[FLOAT] == {
        "row": FLOAT,
        "widths": "32/32",
        "miou": 0.52,
        "to_float": 0,
        "dice": pytest.approx(0.62),
        "packed_bytes": 4_000_000,
        "ratio": 1,
    }
    assert rows["1-2_direct"]["widths"] == rows["1-2"]["widths"] == "1/2"
    assert rows["1-2"]["to_float"] == pytest.approx(-0.08)
    assert rows["8-8"]["to_float"] == pytest.approx(0.001)
    assert [rows[name]["ratio"] for name in ("8-8", "3-3", "2-2")] == [4, 10, 12.5]


def test_targets_are_losses_to_float_and_gains_over_the_controls(found: Results) -> None:
    got = {target.name: (target.wanted, target.got, target.met) for target in found.targets}
    assert got == {
        "2/2 bits by decay to float32, mIoU, points": (">= -2.8", -2.0, True),
        "1/2 bits by decay to float32, mIoU, points": (">= -7", -8.0, False),
        "2/2 bits, decay to direct, mIoU, points": (">= 0", 1.0, True),
        "1/2 bits, decay to direct, mIoU, points": (">= 0", -1.0, False),
    }


def test_table_and_picture_are_written(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    lines = paths[".md"].read_text().splitlines()
    assert "| 1-2 | 1/2 | 44.0 | -8.0 | 54.0 | 160 | 25.0x |" in lines
    assert "| float | 32/32 | 52.0 | +0.0 | 62.0 | 4000 | 1.0x |" in lines
    assert "tierseg reproduce bits_camvid --scale quick --seed 2" in "\n".join(lines)
    assert paths[".png"].stat().st_size > 10_000


def test_scores_and_size_of_a_run_made_elsewhere_suffice(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "quick", data="nowhere")
    folder = tmp_path / "2-2_0"
    folder.mkdir()
    of = {"recipe": recipe_of("2-2", settings).to_dict(), "split": "test"}
    scores = {"miou": {"plain": 0.5}, "dice": {"plain": 0.6}, "of": of}
    (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "packed.json").write_text('{"packed_bytes": 320000}')
    assert run_row("2-2", settings) == {**json.loads(json.dumps(scores)), "packed_bytes": 320_000}
    other = Settings(tmp_path, "full", data="nowhere")
    with pytest.raises(InputError, match="with other settings"):
        run_row("2-2", other)
    assert {path.name for path in folder.iterdir()} == {"scores.json", "packed.json"}
