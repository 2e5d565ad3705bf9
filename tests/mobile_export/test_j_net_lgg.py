"""J-Net on LGG MRI: what is trained, how it is scored, and what rows and targets follow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.data import Dataset
from kit.data.lgg_mri import CLASSES
from kit.training import Recipe
from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import j_net_lgg as experiment
from mobile_export.experiments.j_net_lgg import BASE, FULL
from mobile_export.experiments.j_net_runs import (
    BILINEAR,
    CONTROLS,
    J_NET,
    LAST,
    LOW,
    OUTPUT,
    SCALES,
    SHUFFLE,
    Scale,
    jobs,
    name_of,
    recipe_of,
    scores_of,
)

DICE = {
    LOW: (0.60, 0.62, 0.61),
    J_NET: (0.66, 0.70, 0.66),
    BILINEAR: (0.65, 0.67, 0.66),
    SHUFFLE: (0.66, 0.66, 0.66),
    LAST: (0.64, 0.64, 0.64),
}
"""Made up: control -> Dice of each seed."""

FPS = {BASE: 5000.0, LOW: 1000.0, BILINEAR: 990.0, J_NET: 850.0, SHUFFLE: 1100.0, FULL: 20.0}


def test_controls_differ_in_tail_labels_and_loss_alone(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "full")
    for side, of_side in SCALES["full"].seeds.items():
        j_net = recipe_of(side, J_NET, settings).to_dict()
        assert j_net["tail"] == {"scale": OUTPUT // side, "kind": "learned"}
        for control in of_side:
            own = recipe_of(side, control, settings).to_dict()
            differ = {key for key in own | j_net if own.get(key) != j_net.get(key)}
            assert differ <= {"name", "tail", "label_size", "loss"}
            assert (own.get("label_size") == (side, side)) == (control == LOW)


@pytest.mark.parametrize("scale", SCALES)
def test_every_control_has_the_seeds_of_the_scale(scale: str, tmp_path: Path) -> None:
    todo = jobs(Settings(tmp_path, scale, seed=4, data="folder"))
    for side, of_side in SCALES[scale].seeds.items():
        assert {LOW, J_NET} <= set(of_side)
        for control, count in of_side.items():
            name = name_of(side, control)
            seeds = [seed for recipe, _, seed, *_ in todo if recipe.name == name]
            assert seeds == list(range(4, 4 + count))
    assert {(recipe.data, split) for recipe, _, _, split, _ in todo} == {("folder", "test")}


class Slices(Dataset):
    """Two slices of one patient and one of another, 2x2 pixels."""

    stems = ("TCGA_A_1_2000/1", "TCGA_A_1_2001/2", "TCGA_B_2_2000/1")
    labels = np.uint8([[[1, 0], [0, 0]], [[1, 1], [0, 0]], [[0, 0], [0, 0]]])

    def __init__(self) -> None:
        super().__init__("slices", "test", CLASSES)

    def __len__(self) -> int:
        return len(self.stems)

    def stem(self, index: int) -> str:
        return self.stems[index]

    def image(self, index: int) -> np.ndarray:
        raise NotImplementedError

    def label(self, index: int) -> np.ndarray:
        return self.labels[index]


def test_the_tumour_is_scored_over_all_and_by_patient() -> None:
    one = np.uint8([[[1, 0], [0, 0]], [[1, 0], [0, 0]], [[1, 0], [0, 0]]])
    found = scores_of(one, Slices())
    # 2 hits, 1 missed, 1 false; of the first patient 2 hits and 1 missed, of the second none.
    assert found == {
        "patients": 2,
        "dice": round(4 / 6, 5),
        "iou": 0.5,
        "patient_dice": round(0.8 / 2, 5),
        "patient_iou": round((2 / 3) / 2, 5),
    }
    # A patient without tumour, to whom none is given, counts nowhere.
    none = scores_of(np.zeros((3, 1, 1), np.uint8), Slices())
    assert (none["dice"], none["patient_dice"], none["patients"]) == (0, 0, 2)
    perfect = scores_of(Slices.labels, Slices())
    assert (perfect["dice"], perfect["patient_dice"]) == (1, 1)


def _scores(dice: float) -> dict[str, Any]:
    return {
        "patients": 14,
        "dice": dice,
        "iou": dice - 0.1,
        "patient_dice": dice - 0.05,
        "patient_iou": dice - 0.15,
    }


def _made_up(
    work: object, todo: Sequence[tuple[Recipe, Path, int, str, Callable[..., Any]]]
) -> list[dict[str, Any]]:
    """Stands for trainings."""
    names = {name_of(side, control): control for side in (16, 32, 64) for control in CONTROLS}
    made = []
    for recipe, _, seed, *_ in todo:
        control = names[recipe.name]
        dice = DICE[control][seed]
        run = {"variant": recipe.name, "seed": seed, "made_on": "tensorflow, cpu:0"}
        run |= _scores(dice)
        if control == LOW:
            run["repeated"] = _scores(dice - 0.04)
        made.append(run)
    return made


def _made_up_int8(scale: Any, settings: Settings) -> dict[tuple[int, str], dict[str, Any]]:
    found = {
        (side, control): {
            "path": Path(f"{side}_{control}"),
            "parameters": 800_000,
            "tail_parameters": {J_NET: 112, SHUFFLE: 2560}.get(control, 0),
            "scores": _scores(0.5),
        }
        for side, of_side in scale.seeds.items()
        for control in (BASE, LOW, J_NET, BILINEAR, SHUFFLE)
        if control in of_side or control == BASE
    }
    return {**found, (OUTPUT, FULL): {"path": Path("full"), "parameters": 800_000}}


def _made_up_times(
    files: Mapping[tuple[int, str], Path], rounds: int
) -> dict[tuple[int, str], dict[str, float]]:
    return {
        key: {"fps": FPS[key[1]], "low_fps": FPS[key[1]] - 5, "high_fps": FPS[key[1]] + 5}
        for key in files
    }


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(experiment, "side_by_side", _made_up)
    monkeypatch.setattr(experiment, "_int8", _made_up_int8)
    monkeypatch.setattr(experiment, "_timed", _made_up_times)
    small = {LOW: 1, J_NET: 1}
    seeds = {
        side: {LOW: count, J_NET: count, BILINEAR: count, SHUFFLE: 1, LAST: 1}
        for side, count in ((16, 3), (32, 2))
    }
    monkeypatch.setitem(SCALES, "full", Scale({**seeds, 64: small}))
    return find("j_net_lgg")(Settings(tmp_path))


def test_rows_are_means_and_differences_are_taken_seed_by_seed(found: Results) -> None:
    rows = {(row["side"], row["control"]): row for row in found.rows}
    assert len(rows) == len(found.rows) == 2 * 6 + 3 + 1
    own = rows[16, J_NET]
    assert own["dice"] == pytest.approx(2.02 / 3, abs=1e-5)
    assert own["iou"] == pytest.approx(2.02 / 3 - 0.1, abs=1e-5)
    assert own["to_low"] == pytest.approx(0.19 / 3, abs=1e-5)
    assert (own["least_to_low"], own["most_to_low"]) == (0.05, 0.08)
    assert (own["tail_parameters"], own["int8_dice"], own["fps"]) == (112, 0.5, 850.0)
    assert rows[16, SHUFFLE]["seeds"] == 1
    assert rows[16, SHUFFLE]["to_low"] == pytest.approx(0.06)  # to the same seed
    assert rows[16, BASE]["dice"] == pytest.approx(0.57)
    assert rows[16, BASE]["to_low"] == pytest.approx(-0.04)
    assert "to_low" not in rows[16, LOW]
    assert "fps" not in rows[16, LAST]
    assert rows[64, J_NET]["dice"] == 0.66
    assert "dice" not in rows[OUTPUT, FULL]


def test_targets_are_points_parameters_and_frames(found: Results) -> None:
    got = {target.name: (target.got, target.met) for target in found.targets}
    for side, gain in ((16, 19 / 3), (32, 7.0), (64, 6.0)):
        assert got[f"{side}: J-Net to low-resolution labels, Dice, points"] == (
            pytest.approx(gain, abs=1e-3),
            True,
        )
        assert got[f"{side}: parameters of J-Net's tail"] == (112, True)
        cost = got[f"{side}: frames that its tail costs in int8, percent"]
        assert cost == (pytest.approx(15), True)
    assert len(got) == 9


def test_table_and_picture_are_written(found: Results, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in found.save(tmp_path)}
    text = paths[".md"].read_text()
    assert "tierseg reproduce j_net_lgg --scale full --seed 0" in text
    assert "relative gain of J-Net's Dice, percent: 16 10.38" in text
    for row in found.rows:
        assert f"| {row['side']} | {row['control']} |" in text
    assert paths[".png"].stat().st_size > 10_000
