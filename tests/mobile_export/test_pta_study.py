"""The study varies one factor at a time, and its table comes from the runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.training import Recipe
from mobile_export.experiments import Settings, find
from mobile_export.experiments import pta_study as study
from mobile_export.experiments.results import Results
from tests.mobile_export.block_folder import TINY

DICE = {
    ("plain", 3): {"plain": 0.60},
    ("plain", 4): {"plain": 0.64},
    ("base", 3): {"light": 0.55, "heavy": 0.63},
    ("base", 4): {"light": 0.61, "heavy": 0.65},
}
"""Made up: variant and seed of a run -> Dice of its tiers."""


def _made_up(work: object, todo: Sequence[tuple[Recipe, Path, int]]) -> list[dict[str, Any]]:
    """Stands for trainings."""
    return [
        {
            "variant": recipe.name,
            "seed": seed,
            "dice": DICE[recipe.name, seed],
            "miou": {tier: dice - 0.1 for tier, dice in DICE[recipe.name, seed].items()},
            "wall_s": 1.0,
        }
        for recipe, _, seed in todo
    ]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Plain and base, of two configurations and two seeds."""
    monkeypatch.setitem(study.SCALES, "quick", study.Scale(TINY, seeds=2))
    monkeypatch.setattr(study, "side_by_side", _made_up)
    some = (study.PLAIN, study.BASE)
    monkeypatch.setattr(study, "VARIANTS", {name: study.VARIANTS[name] for name in some})
    return find("pta_study")(Settings(out=tmp_path, scale="quick", seed=3, data="blocks"))


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


def test_rows_are_means_over_the_seeds(found: Results) -> None:
    assert [row["variant"] for row in found.rows] == ["plain", "base"]
    assert found.about["seeds"] == [3, 4]
    assert "val" in found.about["data"]
    row = found.rows[1]
    assert (row["light"], row["heavy"]) == (pytest.approx(0.58), pytest.approx(0.64))
    assert row["spread"] == pytest.approx(0.63 - 0.59)
    assert row["worst_to_plain"] == pytest.approx((-0.05 - 0.03) / 2)
    (target,) = found.targets
    assert target.got == pytest.approx(-4, abs=1e-3)


def test_the_table_has_a_line_for_each_variant(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    lines = paths[".md"].read_text().splitlines()
    for row in found.rows:
        assert any(line.startswith(f"| {row['variant']} ") for line in lines)
