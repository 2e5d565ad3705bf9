"""The study varies one factor at a time, and its table comes from the runs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from kit.data import open_dataset
from kit.training import Recipe
from mobile_export.evaluation import evaluate_network
from mobile_export.experiments import Settings, find
from mobile_export.experiments import pta_study as study
from mobile_export.experiments.results import Results
from tests.mobile_export.block_folder import TINY, one_by_one, write_blocks

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and the folder of the runs."""
    return (
        write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=8),
        tmp_path_factory.mktemp("runs") / "study",
    )


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path]) -> Results:
    """Plain and base, of two configurations and two seeds."""
    data, out = folders
    scale = study.Scale(TINY, seeds=2)
    some = (study.PLAIN, study.BASE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(study.SCALES, "quick", scale)
        patch.setattr(study, "side_by_side", one_by_one)
        patch.setattr(study, "VARIANTS", {name: study.VARIANTS[name] for name in some})
        return find("pta_study")(Settings(out=out, scale="quick", seed=3, data=str(data)))


@pytest.mark.parametrize(("name", "variant"), study.VARIANTS.items())
def test_each_variant_differs_from_the_base_in_what_it_says(
    name: str, variant: study.Variant
) -> None:
    base = replace(Recipe.load("camvid"), **study.SCALES["full"].recipe)
    recipe = replace(base, **variant.changes)
    factors = {
        "": {"adaptive"} if name == study.PLAIN else set(),
        "warm start": {"warm_up"},
        "distillation": {"distillation"},
        "draws": {"draw_weights"},
        "light branch": {"light_expansion", "configurations"},
        "warm start and distillation": {"warm_up", "distillation"},
    }
    ours, theirs = base.to_dict(), recipe.to_dict()
    assert {key for key in ours if ours[key] != theirs[key]} == factors[variant.factor]


def scores(folders: tuple[Path, Path], variant: str, seed: int) -> Mapping[str, Any]:
    return json.loads((folders[1] / f"{variant}_{seed}" / "scores.json").read_text())


def test_rows_are_means_over_the_seeds(found: Results, folders: tuple[Path, Path]) -> None:
    assert [row["variant"] for row in found.rows] == ["plain", "base"]
    assert found.about["seeds"] == [3, 4]
    runs, plain = (
        [scores(folders, variant, seed)["dice"] for seed in (3, 4)] for variant in ("base", "plain")
    )
    row = found.rows[1]
    for tier in ("light", "heavy"):
        assert row[tier] == pytest.approx(sum(run[tier] for run in runs) / 2, abs=1e-5)
    means = [(run["light"] + run["heavy"]) / 2 for run in runs]
    assert row["spread"] == pytest.approx(abs(means[0] - means[1]), abs=2e-5)
    worst = [min(run.values()) - other["plain"] for run, other in zip(runs, plain, strict=True)]
    assert row["worst_to_plain"] == pytest.approx(sum(worst) / 2, abs=2e-5)
    (target,) = found.targets
    assert target.got == pytest.approx(
        100 * max(row["worst_to_plain"] for row in found.rows[1:]), abs=1e-3
    )


def test_scored_on_validation(found: Results, folders: tuple[Path, Path]) -> None:
    data, out = folders
    network = keras.saving.load_model(out / "base_3" / "network.keras")
    told = scores(folders, "base", 3)
    evaluation = evaluate_network(network, open_dataset(str(data), "val"))
    assert told["dice"] == {
        score.tier: pytest.approx(score.dice, abs=1e-4) for score in evaluation.scores
    }
    assert "val" in found.about["data"]


def test_the_table_has_a_line_for_each_variant(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    lines = paths[".md"].read_text().splitlines()
    for row in found.rows:
        assert any(line.startswith(f"| {row['variant']} ") for line in lines)
