"""Eight bits on CamVid: what is trained, and that rows and targets follow from the scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.quantization import IntegerOptions
from kit.training import Recipe
from mobile_export.evaluation import TierScore
from mobile_export.experiments import Results, Settings, find, integer_runs
from mobile_export.experiments import integer_camvid as experiment
from mobile_export.experiments.integer_runs import (
    DEEPLAB,
    DISCARDED,
    FCN,
    FLOAT,
    KEPT,
    SCALES,
    UNET,
    VARIANTS,
    jobs,
    recipe_of,
)
from mobile_export.experiments.step_times import step_times
from tests.mobile_export.block_folder import TINY, write_blocks

TIERS = ("light", "heavy")
MIOU = {
    "unet_float": [0.60],
    "unet_qat": [0.601],
    "unet_keep": [0.58],
    "fcn_float": [0.30, 0.32, 0.31],
    "fcn_discard": [0.29, 0.33, 0.31],
    "fcn_keep": [0.20, 0.22, 0.27],
    "deeplab_float": [0.31, 0.29],
    "deeplab_keep": [0.30, 0.29],
}
"""Made up: name of a run -> mIoU of each seed."""


def test_arithmetics_differ_in_precision_and_rate_alone(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "full")
    floats = {
        variant.network: recipe_of(name, settings).to_dict()
        for name, variant in VARIANTS.items()
        if variant.arithmetic == FLOAT
    }
    for name, variant in VARIANTS.items():
        own = recipe_of(name, settings).to_dict()
        differ = {key for key in own if own[key] != floats[variant.network][key]}
        assert differ <= {"name", "precision", "precision_options", "optimizer", "learning_rate"}
        if variant.network != UNET:
            assert own["optimizer"] == "sgd"
        if own["precision"] == "integer":
            IntegerOptions.parse(own["precision_options"])


@pytest.mark.parametrize("scale", SCALES)
def test_every_variant_has_the_seeds_of_the_scale_or_fewer(scale: str, tmp_path: Path) -> None:
    todo = jobs(Settings(tmp_path, scale, seed=4, data="folder"))
    seeds = {
        name: [seed for recipe, _, seed, _ in todo if recipe.name == name] for name in VARIANTS
    }
    count = SCALES[scale].seeds
    for name, variant in VARIANTS.items():
        assert seeds[name] == list(range(4, 4 + min(count, variant.most_seeds)))
        assert variant.most_seeds == (1 if variant.network == UNET else len(MIOU[name]))
    assert {(recipe.data, split) for recipe, _, _, split in todo} == {("folder", "test")}


def _made_up(work: object, todo: Sequence[tuple[Recipe, Path, int, str]]) -> list[dict[str, Any]]:
    """Stands for trainings."""
    scores = []
    for recipe, _, seed, _ in todo:
        tiers = TIERS if VARIANTS[recipe.name].network == UNET else ("plain",)
        miou = MIOU[recipe.name][seed]
        scores.append(
            {
                "variant": recipe.name,
                "seed": seed,
                "miou": dict.fromkeys(tiers, miou),
                "dice": dict.fromkeys(tiers, miou + 0.1),
                "made_on": "tensorflow, cpu:0",
            }
        )
    return scores


def _made_up_int8(recipe: Recipe, *_: object) -> tuple[TierScore, ...]:
    miou = MIOU[recipe.name][0] - 0.001
    return tuple(TierScore(tier, miou, miou + 0.1, 0.9, {}) for tier in TIERS)


def _made_up_times(network: str, *_: object) -> dict[str, dict[str, float]]:
    names = [variant.arithmetic for variant in VARIANTS.values() if variant.network == network]
    return {name: {"ratio": 1.0 + place} for place, name in enumerate(names)}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(experiment, "side_by_side", _made_up)
    monkeypatch.setattr(experiment, "_int8_scores", _made_up_int8)
    monkeypatch.setattr(experiment, "_timed", _made_up_times)
    return find("integer_camvid")(Settings(tmp_path))


def test_rows_are_means_and_differences_are_taken_seed_by_seed(found: Results) -> None:
    by_key = {(row["network"], row["tier"], row["arithmetic"]): row for row in found.rows}
    assert len(by_key) == len(found.rows) == 2 * 3 + 3 + 2
    row = by_key[FCN, "plain", DISCARDED]
    assert row["miou"] == pytest.approx(0.31)
    assert row["dice"] == pytest.approx(0.41)
    assert row["to_float"] == pytest.approx(0, abs=1e-6)
    assert (row["least_to_float"], row["most_to_float"]) == (-0.01, 0.01)
    assert row["seeds"] == 3
    assert "int8_miou" not in row
    for tier in TIERS:
        assert "to_float" not in by_key[UNET, tier, FLOAT]
        assert by_key[UNET, tier, FLOAT]["int8_to_float"] == pytest.approx(-0.001)
        assert by_key[UNET, tier, "qat"]["to_float"] == pytest.approx(0.001)
        assert by_key[UNET, tier, "qat"]["int8_to_float"] == pytest.approx(0, abs=1e-6)
        assert by_key[UNET, tier, KEPT]["int8_to_float"] == pytest.approx(-0.021)
    assert by_key[DEEPLAB, "plain", KEPT]["to_float"] == pytest.approx(-0.005, abs=1e-5)


def test_targets_are_drops_margins_and_ratios_of_time(found: Results) -> None:
    got = {target.name: (target.got, target.met) for target in found.targets}
    assert got == {
        "PTQ, largest drop of a tier, points": (pytest.approx(0.1), True),
        "QAT, largest drop of a tier, points": (pytest.approx(0, abs=1e-4), True),
        "integer DeepLabV3-ResNet50, drop, points": (pytest.approx(0.5, abs=1e-3), False),
        "integer FCN-VGG16, drop, points": (pytest.approx(0, abs=1e-4), True),
        "FCN-VGG16, magnitude discarded to kept, points": (pytest.approx(8), True),
        "step of QAT / float32": (2.0, False),
        "slowest integer step / float32": (3.0, True),
    }


def test_table_and_picture_are_written(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    text = paths[".md"].read_text()
    assert "tierseg reproduce integer_camvid --scale full --seed 0" in text
    assert f"trained with: {UNET} tensorflow, cpu:0" in text
    for row in found.rows:
        assert f"| {row['network']} " in text
    assert paths[".png"].stat().st_size > 10_000


def test_steps_are_timed_in_turns(tmp_path: Path) -> None:
    data = write_blocks(tmp_path / "blocks", train=4, val=1, test=1)
    sizes = {key: TINY[key] for key in ("image_size", "crop_size", "epochs", "batch_size")}
    recipe = Recipe(
        name="float",
        data=str(data),
        family="fcn_vgg16",
        width=0.05,
        optimizer="sgd",
        learning_rate=2.0**-7,
        **sizes,
    )
    recipes = [recipe, replace(recipe, name="integer", precision="integer")]
    seconds = step_times(recipes, rounds=2, steps=2)
    assert [len(of_one) for of_one in seconds] == [2, 2]
    assert all(0 < of_step < 60 for of_one in seconds for of_step in of_one)


def test_timing_takes_the_heaviest_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[Recipe] = []

    def spy(recipes: Sequence[Recipe], **_: object) -> list[list[float]]:
        timed.extend(recipes)
        return [[1.0, 2.0, 4.0], [3.0, 3.0, 9.0], [4.0, 4.0, 4.0]]

    monkeypatch.setattr(experiment, "step_times", spy)
    figures = experiment._timed(UNET, integer_runs.SCALES["full"], Settings(tmp_path))
    assert {tuple(recipe.configurations) for recipe in timed} == {("heavy",)}
    assert {recipe.initial for recipe in timed} == {None}
    assert [figures[name]["ratio"] for name in (FLOAT, "qat", KEPT)] == [1.0, 1.5, 2.0]
    assert figures["qat"] == {"median_s": 3.0, "least_s": 3.0, "most_s": 9.0, "ratio": 1.5}
