"""The study of the heads' losses trains every mode on one trunk and compares them with the base."""

from pathlib import Path
from statistics import mean

import pytest

from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import mess_losses as study
from tests.mobile_export.block_folder import TINY, one_by_one, write_blocks

pytestmark = pytest.mark.timeout(900)

MODES = ("ce", "pfd_ce")
EXITS = ({"after": 6}, {"after": 9})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two modes, one seed, a tiny trunk."""
    data = write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=8)
    tiny = {**TINY, "configurations": {}, "exits": EXITS}
    scale = study.Scale(tiny, {**tiny, "heads": ("fcn-r2",)}, seeds=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(study.SCALES, "quick", scale)
        patch.setattr(study, "MODES", dict.fromkeys(MODES))
        patch.setattr(study, "side_by_side", one_by_one)
        out = tmp_path_factory.mktemp("runs") / "losses"
        return find("mess_losses")(Settings(out=out, scale="quick", seed=2, data=str(data)))


def test_each_mode_is_a_row_of_its_runs(found: Results) -> None:
    assert [row["mode"] for row in found.rows] == list(MODES)
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
