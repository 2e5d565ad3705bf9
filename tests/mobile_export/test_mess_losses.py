"""The study of the heads' losses trains every mode on one trunk and compares them with the base."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import mess_losses as study
from mobile_export.experiments.runs import trained

MIOU = {
    "ce": {"plain_exit1": 0.40, "plain_exit2": 0.50, "plain": 0.60},
    "pfd_ce": {"plain_exit1": 0.42, "plain_exit2": 0.51, "plain": 0.60},
}
"""Made up: name of a run -> mIoU of its tiers."""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Two modes, one seed."""
    trunk = tmp_path / study.TRUNK / "network.keras"

    def made_up(work: object, todo: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Stands for trainings, each of the heads alone on the trunk that came before."""
        if work is trained:
            ((recipe, folder, _),) = todo
            assert (recipe.phase, folder) == ("network", trunk.parent)
            return [None]
        for recipe, _, _ in todo:
            assert (recipe.phase, recipe.initial) == ("heads", str(trunk))
            assert recipe.head_loss == {"mode": recipe.name}
        return [
            {"variant": recipe.name, "seed": seed, "miou": MIOU[recipe.name]}
            for recipe, _, seed in todo
        ]

    monkeypatch.setitem(study.SCALES, "quick", study.Scale({}, {}, seeds=1))
    monkeypatch.setattr(study, "MODES", dict.fromkeys(MIOU))
    monkeypatch.setattr(study, "side_by_side", made_up)
    return find("mess_losses")(Settings(out=tmp_path, scale="quick", seed=2, data="blocks"))


def test_each_mode_is_a_row_of_its_runs(found: Results) -> None:
    assert [row["mode"] for row in found.rows] == list(MIOU)
    runs = {run["variant"]: run for run in found.details["runs"]}
    for row in found.rows:
        miou = runs[row["mode"]]["miou"]
        exits = [tier for tier in miou if "_exit" in tier]
        assert exits == ["plain_exit1", "plain_exit2"]
        assert [row[tier] for tier in exits] == [miou[tier] for tier in exits]
        assert row["mean"] == pytest.approx(mean(miou[tier] for tier in exits), abs=1e-5)
    base, other = found.rows
    assert base["to_base"] == 0
    assert other["to_base"] == pytest.approx(other["mean"] - base["mean"], abs=2e-5)
    assert found.targets[0].got == pytest.approx(100 * other["to_base"], abs=1e-3)


def test_the_final_exit_is_the_same_in_all(found: Results, tmp_path: Path) -> None:
    finals = {run["miou"]["plain"] for run in found.details["runs"]}
    assert finals == {found.about["final_exit_miou"]}
    assert found.about["command"].startswith("tierseg reproduce mess_losses --scale quick --seed 2")
    assert {path.suffix for path in found.save(tmp_path)} == {".json", ".md", ".png"}
