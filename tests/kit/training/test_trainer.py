"""A whole run: what it writes, and that a kill costs nothing."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.networks import CSCUNet, ELUNet
from kit.training import Checkpoint, preparation, trainer
from tests.kit.training.tiny import RECIPE, SOONEST, killed, train_split


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[trainer.TrainingResult, Path]:
    out = tmp_path_factory.mktemp("run") / "whole"
    return trainer.train(RECIPE, out), out


def test_writes_network_and_history_and_nothing_else(
    finished: tuple[trainer.TrainingResult, Path],
) -> None:
    result, out = finished
    assert sorted(path.name for path in out.iterdir()) == ["history.json", "network.keras"]
    history = json.loads((out / "history.json").read_text())["epochs"]
    assert [epoch["draws"] for epoch in history] == [{"light": 2}] * 3
    assert result.wall_s == pytest.approx(sum(epoch["seconds"] for epoch in history), abs=0.02)


def test_saved_network_is_the_trained_one_at_the_device_size(
    finished: tuple[trainer.TrainingResult, Path],
) -> None:
    result, _ = finished
    loaded = keras.saving.load_model(result.path)
    assert loaded.image_size == RECIPE.image_size
    assert loaded.training_record["dataset"] == "street_scenes"
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype("float32")
    np.testing.assert_array_equal(
        loaded.tier("light").predict(image, verbose=0),
        result.network.tier("light").predict(image, verbose=0),
    )


def test_mixed_precision_computes_in_bfloat16_and_saves_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = preparation._compile

    def spy(network: keras.Model, *args: object) -> None:
        convolution = network.blocks[0].steps[0]
        made.extend([convolution.compute_dtype, convolution.kernel.dtype])
        original(network, *args)

    exact = trainer.train(SOONEST, tmp_path / "exact").history[0]["loss"]
    monkeypatch.setattr(preparation, "_compile", spy)
    result = trainer.train(SOONEST, tmp_path / "mixed", mixed_precision=True)
    assert made == ["bfloat16", "float32"]
    loaded = keras.saving.load_model(result.path)
    assert {layer.compute_dtype for layer in loaded.tier("plain").layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    loss = result.history[0]["loss"]
    assert loss == pytest.approx(exact, rel=0.05)
    assert loss != exact


@pytest.mark.long
def test_resumed_after_a_kill_equals_uninterrupted(
    finished: tuple[trainer.TrainingResult, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result, _ = finished
    out = tmp_path / "killed"
    killed(RECIPE, out, monkeypatch, in_epoch=3)
    assert not (out / "network.keras").exists()
    with pytest.raises(InputError, match="unfinished run"):
        trainer.train(RECIPE, out)
    with pytest.raises(InputError, match="differs in learning_rate"):
        trainer.train(replace(RECIPE, learning_rate=0.5), out, resume=True)
    resumed = trainer.train(RECIPE, out, resume=True)
    for a, b in zip(result.network.get_weights(), resumed.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert [epoch["loss"] for epoch in resumed.history] == pytest.approx(
        [epoch["loss"] for epoch in result.history], rel=1e-4
    )


@pytest.mark.parametrize("name", ["checkpoint_1.npz", "checkpoint.json", "network.keras"])
def test_disk_full_leaves_nothing_half_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace

    def fill(self: Path, target: Path) -> Path:
        if target.name == name:
            assert self.exists()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(OSError, match=f"No space left on device: .*{name}"):
        trainer.train(SOONEST, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert name not in left
    assert not [path for path in left if path.startswith("partial")]
    if name == "network.keras":  # what was trained is not lost
        monkeypatch.undo()
        assert trainer.train(SOONEST, tmp_path, resume=True).path.is_file()


def test_damaged_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    (tmp_path / "checkpoint.json").write_text(
        '{"identity": {}, "weights": "checkpoint_1.npz", "history": []}'
    )
    network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    network.compile("adamw", "mse")
    for content in (None, b"PK\x03\x04 cut"):
        if content is not None:
            (tmp_path / "checkpoint_1.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint_1\.npz must be the weights of"):
            checkpoint.restore(network)


def test_finished_run_is_used_again_but_not_for_another_recipe(
    finished: tuple[trainer.TrainingResult, Path],
) -> None:
    result, out = finished
    assert trainer.train(RECIPE, out, resume=True).history == result.history
    with pytest.raises(InputError, match="same recipe and seed"):
        trainer.train(RECIPE, out, seed=1, resume=True)


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERSEG_WEIGHTS", str(tmp_path))
    recipe = replace(RECIPE, encoder_weights="${TIERSEG_WEIGHTS}/none.h5")
    with pytest.raises(InputError, match=r"`encoder_weights` must be .*none\.h5"):
        trainer.train(recipe, tmp_path / "out")


def test_a_recipe_trains_in_integers(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE,
        family="fcn_vgg16",
        width=0.05,
        configurations={},
        draw_weights={},
        epochs=1,
        precision="integer",
        precision_options={"magnitude": "keep"},
        optimizer="sgd",
        learning_rate=2.0**-4,
    )
    found = trainer.train(recipe, tmp_path / "out").network
    assert found.arithmetic.to_policy() == {"policy": "integer", "magnitude": "keep"}
    assert not found.arithmetic.uncalibrated(found.tier(found.default_tier))


def test_a_recipe_trains_elu_net(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE, family="elu_net", width=0.125, configurations={}, draw_weights={}, epochs=1
    )
    found = trainer.train(recipe, tmp_path / "out").network
    assert isinstance(found, ELUNet)
    assert [str(tier) for tier in found.tiers] == ["plain"]


def test_a_recipe_trains_csc_unet_at_the_unfoldings_that_are_drawn(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE,
        family="csc_unet",
        width=1 / 32,
        csc={"unfoldings": 1, "where": "decoder"},
        configurations={"t0": "hhhhh" + "llll", "t1": "h" * 9},
        draw_weights={"t0": 1.0},
        epochs=1,
    )
    result = trainer.train(recipe, tmp_path / "out")
    network = result.network
    assert isinstance(network, CSCUNet)
    assert (network.unfoldings, network.where) == (1, "decoder")
    assert [epoch["draws"] for epoch in result.history] == [{"t0": 2}]
    assert network.training_record["recipe"] == "tiny"


def test_elu_net_has_no_weights_to_begin_with() -> None:
    with pytest.raises(InputError, match="`encoder_weights` must be left out for elu_net"):
        replace(RECIPE, family="elu_net", encoder_weights="imagenet")


def test_diverging_training_stops_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`learning_rate` must let training converge"):
        trainer.train(replace(RECIPE, learning_rate=1e30, epochs=2), tmp_path / "out")


def test_recipe_names_its_own_configurations_and_light_branches() -> None:
    own = {"thin": "l" * 19 + "s", "full": "h" * 20}
    recipe = replace(RECIPE, configurations=own, draw_weights={"thin": 1.0}, light_expansion=3)
    network = preparation._network(recipe, train_split(recipe), 0)
    assert dict(network.configurations) == own
    # Expansion 3 instead of 6 leaves less to compute; without it no strided block may be light.
    assert network.profile("thin").macs < network.profile("full").macs
    plain = replace(recipe, adaptive=False, draw_weights={})
    assert list(preparation._network(plain, train_split(plain), 0).configurations) == ["plain"]


def test_moving_averages_stay_without_recalibration(
    finished: tuple[trainer.TrainingResult, Path], tmp_path: Path
) -> None:
    recipe = replace(RECIPE, recalibration_batches=0)
    moving = trainer.train(recipe, tmp_path / "moving").network
    exact = finished[0].network
    differ = {
        a.path.rpartition("/")[2].split("_path")[0]
        for a, b in zip(moving.weights, exact.weights, strict=True)
        if not np.allclose(a, b, rtol=1e-3, atol=1e-4)
    }
    assert differ
    assert all("mean" in name or "variance" in name for name in differ)
