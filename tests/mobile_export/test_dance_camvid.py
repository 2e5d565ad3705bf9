"""DANCE on CamVid: what is trained, and that rows and targets follow from what runs give."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.data import Slimming
from kit.slimming import NetworkSlimming
from kit.training import Recipe
from mobile_export.benchmark import Benchmark, BenchmarkRow
from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import dance_camvid as experiment
from mobile_export.experiments.dance_runs import (
    BOTH,
    BOTH_LONG,
    DATA,
    DEEPLAB,
    INFOBATCH,
    LONG,
    NEITHER,
    NEITHER_LONG,
    NETWORK,
    RIVALS,
    SCALES,
    SHORTER,
    SLIMMINGS,
    UNET,
    jobs,
    recipe_of,
    slimmings,
)

MIOU = {
    NEITHER: 0.50,
    DATA: 0.51,
    NETWORK: 0.48,
    BOTH: 0.505,
    SHORTER: 0.47,
    INFOBATCH: 0.49,
    NEITHER_LONG: 0.55,
    BOTH_LONG: 0.56,
}
COST = {NEITHER: 8.0, DATA: 5.0, NETWORK: 6.0, BOTH: 3.6, SHORTER: 4.0, INFOBATCH: 5.0}
COST |= {NEITHER_LONG: 40.0, BOTH_LONG: 10.0}
MACS = {NEITHER: 1000, DATA: 1000, NETWORK: 500, BOTH: 450, NEITHER_LONG: 1000, BOTH_LONG: 400}
SECONDS = {name: 100 * cost + 40 for name, cost in COST.items()}
MS = {NEITHER: 20.0, DATA: 20.0, NETWORK: 12.0, BOTH: 11.0, NEITHER_LONG: 20.0, BOTH_LONG: 10.0}


def test_variants_differ_in_what_they_slim_alone(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "full")
    for network in (DEEPLAB, UNET):
        plain = recipe_of(network, NEITHER, settings).to_dict()
        assert not {"slimming", "network_slimming"} & set(plain)
        for slimming in slimmings(network):
            own = recipe_of(network, slimming, settings).to_dict()
            differ = {key for key in own if own[key] != plain.get(key)}
            allowed = set() if slimming == SHORTER else {"slimming", "network_slimming"}
            if slimming in (SHORTER, *LONG):
                allowed.add("epochs")
            assert differ <= {"name"} | allowed
            Slimming(**own.get("slimming", {}))
            NetworkSlimming.parse(own.get("network_slimming", {}))


@pytest.mark.parametrize("scale", SCALES)
def test_every_variant_has_the_seeds_of_the_scale_and_a_long_unet_one(
    scale: str, tmp_path: Path
) -> None:
    todo = jobs(Settings(tmp_path, scale, seed=3, data="folder"))
    count = SCALES[scale].seeds
    assert len(todo) == count * (2 * len(SLIMMINGS) + len(RIVALS) + len(LONG)) + len(LONG)
    assert {seed for _, _, seed, _ in todo} == set(range(3, 3 + count))
    assert {(recipe.data, split) for recipe, _, _, split in todo} == {("folder", "test")}
    assert len({(recipe.name, seed) for recipe, _, seed, _ in todo}) == len(todo)


def _slimming(name: str) -> str:
    return name.partition("_")[2].replace("_", ", ")


def _made_up(work: object, todo: Sequence[tuple[Recipe, Path, int, str]]) -> list[dict[str, Any]]:
    """Stands for trainings; each seed is a point better and none costs the same."""
    return [
        {
            "variant": recipe.name,
            "seed": seed,
            "miou": {"plain": MIOU[_slimming(recipe.name)] + 0.01 * seed},
            "dice": {"plain": 0.6},
            "cost": COST[_slimming(recipe.name)] * (1 + seed),
            "made_on": "numpy, cpu:0",
        }
        for recipe, _, seed, _ in todo
    ]


def _made_up_file(recipe: Recipe, scale: object, settings: Settings) -> dict[str, Any]:
    macs = MACS[_slimming(recipe.name)]
    return {
        "bundle": f"{recipe.name}.tflite",
        "native": "plain",
        "miou": MIOU[_slimming(recipe.name)] - 0.001,
        "detail_miou": MIOU[_slimming(recipe.name)] - 0.01,
        "shares": {"plain": 0.25, "plain_128x160": 0.75},
        "macs": {"plain": macs, "plain_128x160": macs / 4},
        "parameters": 1000 * macs,
    }


def _made_up_times(paths: Sequence[str], threads: int, rounds: int) -> Benchmark:
    rows = [
        BenchmarkRow(path, tier, MS[_slimming(path.removesuffix(".tflite"))] / part, 0, 0, 0)
        for path in paths
        for tier, part in (("plain", 1), ("plain_128x160", 4))
    ]
    return Benchmark(tuple(rows), {})


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(experiment, "side_by_side", _made_up)
    monkeypatch.setattr(experiment, "_int8", _made_up_file)
    monkeypatch.setattr(experiment, "benchmark", _made_up_times)
    monkeypatch.setattr(experiment, "_seconds", lambda *arguments: SECONDS)
    return find("dance_camvid")(Settings(tmp_path, "full"))


def test_rows_follow_from_the_runs(results: Results) -> None:
    rows = {(row["network"], row["slimmed"]): row for row in results.rows}
    assert len(rows) == len(results.rows) == 2 * len(SLIMMINGS) + len(RIVALS) + 2 * len(LONG)
    both = rows[UNET, BOTH]
    assert both["seeds"] == SCALES["full"].seeds
    assert both["training"] == pytest.approx(3.6 / 8)
    assert both["training_time"] == pytest.approx(400 / 840, abs=1e-5)
    assert both["to_neither"] == both["least_to_neither"] == pytest.approx(0.005)
    assert both["inference"] == 0.45
    assert both["latency"] == 0.55
    assert both["detail_inference"] == pytest.approx(0.45 * (0.25 + 0.75 / 4), abs=1e-5)
    assert both["detail_ms"] == pytest.approx(11 * (0.25 + 0.75 / 4), abs=1e-4)
    assert both["detail_shares"] == {"native": 0.25, "128x160": 0.75}
    long = rows[UNET, BOTH_LONG]
    assert long["training"] == 0.25
    assert long["to_neither"] == pytest.approx(0.01)
    assert (long["inference"], long["latency"]) == (0.4, 0.5)
    assert long["seeds"] == 1
    assert "inference" not in rows[DEEPLAB, SHORTER]
    assert rows[DEEPLAB, SHORTER]["seeds"] == SCALES["full"].seeds


def test_targets_follow_from_the_rows(results: Results) -> None:
    found = {target.name: (target.got, target.met) for target in results.targets}
    assert found["U-Net, both: training cost saved"] == (0.55, True)
    assert found["U-Net, both: MACs of inference saved"] == (0.55, True)
    assert found["DeepLabV3, both: mIoU to neither, points"] == (0.5, True)
    assert found["DeepLabV3, both, long: mIoU to neither, points"] == (1.0, True)
    assert found["DeepLabV3, network: latency saved / MACs saved"] == (0.8, True)
    assert found["DeepLabV3, data slimming to shorter, mIoU, points"][1] is True


def test_results_are_written(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path)
    text = (tmp_path / "dance_camvid.md").read_text()
    assert "| DeepLabV3 | both | 2 | -55 % |" in text
    assert (tmp_path / "dance_camvid.png").stat().st_size > 5000


def test_cost_is_pixels_times_multiply_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(DEEPLAB, BOTH, Settings(tmp_path, "full"))
    height, width = recipe.crop_size
    epochs = [
        {"pixels": 10 * height * width, "macs": 100},
        {"pixels": 5 * height * width, "macs": 60},
    ]
    folder = tmp_path / f"{recipe.name}_1"
    folder.mkdir()
    (folder / "history.json").write_text(json.dumps({"epochs": epochs}))
    monkeypatch.setattr(experiment, "scored", lambda *arguments: {"seed": 1})
    found = experiment.counted(recipe, tmp_path, 1, "test")
    assert found == {"seed": 1, "cost": 1300, "history": epochs}


def test_time_is_that_of_the_steps_of_each_size_and_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, "full")
    sizes = {(64, 96): 1.0, (96, 128): 2.0, (128, 160): 4.0}
    asked = []

    def step_times(recipes: Sequence[Recipe], rounds: int, steps: int) -> list[list[float]]:
        asked.append([recipe.initial for recipe in recipes])
        whole = sizes[recipes[0].crop_size]
        return [[whole / part] * 3 for part in (1, 2, 4, 8)]

    class Batches:
        def __init__(self, recipe: Recipe, seed: int) -> None:
            self.is_slimmed = bool(recipe.slimming)

        def sizes(self, epoch: int) -> list[tuple[int, int]]:
            return list(sizes) if self.is_slimmed else [(128, 160)] * 3

    runs = [
        {
            "variant": recipe.name,
            "seed": seed,
            "history": [
                {"macs": 9},
                {"macs": 5 if recipe.network_slimming else 9},
            ],
        }
        for recipe, _, seed, _ in jobs(settings)
    ]
    monkeypatch.setattr(experiment, "step_times", step_times)
    monkeypatch.setattr(experiment, "training_batches", Batches)
    assert experiment._seconds(DEEPLAB, runs, SCALES["full"], settings) == {
        NEITHER: 24,
        DATA: 14,
        NETWORK: 12 + 6,
        BOTH: 7 + 7 / 4,
        NEITHER_LONG: 24,
        BOTH_LONG: 7 + 7 / 8,
        SHORTER: 24,
        INFOBATCH: 14,
    }
    slim = [
        str(tmp_path / f"deeplab_{name}_0" / "network.keras")
        for name in (NETWORK, BOTH, "both_long")
    ]
    assert asked == [[None, *slim]] * 3
