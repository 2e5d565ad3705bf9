"""CSC-Unet on CamVid: what is trained, and that rows and targets follow from the scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.training import Recipe
from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import csc_camvid as experiment
from mobile_export.experiments.csc_runs import (
    BOTH,
    DIAL,
    SCALES,
    UNET,
    VARIANTS,
    jobs,
    recipe_of,
)

MIOU = {UNET: [0.40, 0.42, 0.41], BOTH: [0.46, 0.45, 0.455], DIAL: [0.44]}
"""Made up: name of a run -> mIoU of each seed."""

TIERS = {UNET: ("plain",), DIAL: ("t0", "t1", "t2")}


def tiers(name: str) -> tuple[str, ...]:
    return TIERS.get(name, ("t2",))


@pytest.mark.parametrize("scale", SCALES)
def test_networks_differ_in_their_blocks_and_rates_alone(scale: str, tmp_path: Path) -> None:
    settings = Settings(tmp_path, scale, data="folder")
    plain = recipe_of(UNET, settings).to_dict()
    assert plain["csc"] == {"unfoldings": 0}
    for name in VARIANTS:
        own = recipe_of(name, settings).to_dict()
        differ = {key for key in plain if own[key] != plain[key]}
        assert differ <= {"name", "csc", "configurations", "learning_rate"}
        assert set(own["configurations"] or ("t2",)) == set(tiers(name)) or name == UNET
        assert own["data"] == "folder"


@pytest.mark.parametrize("scale", SCALES)
def test_every_variant_has_the_seeds_of_the_scale_or_fewer(scale: str, tmp_path: Path) -> None:
    todo = jobs(Settings(tmp_path, scale, seed=4))
    for name, variant in VARIANTS.items():
        seeds = [seed for recipe, _, seed, _ in todo if recipe.name == name]
        assert seeds == list(range(4, 4 + min(SCALES[scale].seeds, variant.most_seeds)))
        assert variant.most_seeds == len(MIOU[name])
    assert {split for _, _, _, split in todo} == {"test"}


def _made_up(work: object, todo: Sequence[tuple[Recipe, Path, int, str]]) -> list[dict[str, Any]]:
    """Stands for trainings."""
    return [
        {
            "variant": recipe.name,
            "seed": seed,
            "miou": {
                tier: MIOU[recipe.name][seed] - 0.01 * place
                for place, tier in enumerate(tiers(recipe.name))
            },
            "dice": dict.fromkeys(tiers(recipe.name), MIOU[recipe.name][seed] + 0.1),
            "made_on": "tensorflow, cpu:0",
        }
        for recipe, _, seed, _ in todo
    ]


def _made_up_int8(name: str, *_: object) -> dict[str, dict[str, Any]]:
    figures = {"parameters": 1000 + (name != UNET), "int8_miou": MIOU[name][0] - 0.02}
    return {tier: {**figures, "macs": 100_000_000} for tier in tiers(name)}


def _made_up_times(int8: dict[str, dict[str, dict[str, Any]]], *_: object) -> dict[str, Any]:
    for place, of_network in enumerate(int8.values()):
        for tier in of_network.values():
            tier["int8_ms"] = 1.0 + place
    return {"cpu": "made up"}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(experiment, "side_by_side", _made_up)
    monkeypatch.setattr(experiment, "_int8", _made_up_int8)
    monkeypatch.setattr(experiment, "_time", _made_up_times)
    return find("csc_camvid")(Settings(tmp_path))


def test_rows_are_means_and_differences_are_taken_seed_by_seed(found: Results) -> None:
    rows = {(row["variant"], row["tier"]): row for row in found.rows}
    assert list(rows) == [(name, tier) for name in VARIANTS for tier in tiers(name)]
    plain, both = rows[UNET, "plain"], rows[BOTH, "t2"]
    assert "to_unet" not in plain
    assert (plain["miou"], both["miou"]) == (pytest.approx(0.41), pytest.approx(0.455))
    assert both["to_unet"] == pytest.approx(0.045)
    assert (both["least_to_unet"], both["most_to_unet"]) == (
        pytest.approx(0.03),
        pytest.approx(0.06),
    )
    assert both["miou_of_seeds"] == MIOU[BOTH]
    assert both["dice"] == pytest.approx(0.555)
    # That of the first seed, which is the one that was exported.
    assert both["int8_to_float"] == pytest.approx(-0.02)
    assert rows[DIAL, "t2"]["to_unet"] == pytest.approx(0.02)
    assert rows[DIAL, "t2"]["int8_to_float"] == pytest.approx(0, abs=1e-9)


def test_targets_are_gains_and_losses(found: Results) -> None:
    got = {target.name: (target.wanted, target.got, target.met) for target in found.targets}
    assert got == {
        "CSC-Unet to U-Net, mIoU, points": (">= 4.86", pytest.approx(4.5), False),
        "CSC-Unet to U-Net, seed by seed, least, points": (">= 0", pytest.approx(3), True),
        "CSC-Unet to U-Net, int8 files of the first seed, points": (">= 0", pytest.approx(6), True),
        "int8 to float32, worst tier, points": (">= -0.6", pytest.approx(-2), False),
        "parameters, CSC-Unet / U-Net": ("<= 1.01", pytest.approx(1.001), True),
    }


def test_table_and_picture_are_written(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    text = paths[".md"].read_text()
    assert "tierseg reproduce csc_camvid --scale full --seed 0" in text
    assert "8 to 128 channels (the paper's networks have 64 to 1024)" in text
    for variant in VARIANTS.values():
        assert f"| {variant.title} |" in text
    assert paths[".png"].stat().st_size > 10_000
