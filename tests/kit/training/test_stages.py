"""Families by name, networks that begin with a saved one, and training of early exits alone."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.search import ExitPolicy
from kit.training import ExitHeads, preparation, trainer
from tests.kit.small import small_unet
from tests.kit.training.tiny import RECIPE, killed, train_split

EXITS = ({"after": 13, "head": "fcn-r2"}, {"after": 17, "policy": {"pixel_threshold": 0.4}})
STAGE_1 = replace(
    RECIPE,
    name="stage 1",
    epochs=1,
    batch_size=8,  # one step, which traces one graph
    configurations={"light": RECIPE.configurations["light"]},
    draw_weights={},
    exits=EXITS,
)
STAGE_2 = replace(
    STAGE_1,
    name="stage 2",
    epochs=2,
    batch_size=4,
    exits=(),
    phase="heads",
    head_loss={"mode": "kd"},
)


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> trainer.TrainingResult:
    """A run of one step with two early exits."""
    return trainer.train(STAGE_1, tmp_path_factory.mktemp("run") / "stage_1")


@pytest.fixture(scope="module")
def second_stage(
    first_stage: trainer.TrainingResult, tmp_path_factory: pytest.TempPathFactory
) -> trainer.TrainingResult:
    """A run of two epochs that goes on from the first, heads alone."""
    recipe = replace(STAGE_2, initial=str(first_stage.path))
    return trainer.train(recipe, tmp_path_factory.mktemp("run") / "stage_2")


def weights(network: AdaptiveNetwork, *, heads: bool) -> dict[str, np.ndarray]:
    """Weights by path: of the early exits' heads, or of all else."""
    of_heads = {
        id(variable)
        for tier in network.tiers
        if tier.exit is not None
        for variable in network.exit_model(tier).variables
    }
    chosen = [v for v in network.variables if (id(v) in of_heads) == heads]
    return {variable.path: keras.ops.convert_to_numpy(variable) for variable in chosen}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for path, value in one.items():
        np.testing.assert_array_equal(other[path], value, err_msg=path)


@pytest.mark.parametrize(("family", "kind"), [("deeplab_v3", kit.DeepLabV3), ("fcn", kit.FCN)])
def test_a_recipe_names_another_family(family: str, kind: type) -> None:
    own = {"lean": "hl" + "h" * 14, "plain": "h" * 16}
    recipe = replace(
        STAGE_1,
        family=family,
        output_stride=16,
        head_channels=8,
        configurations=own,
        exits=({"after": 13, "head": "fcn-r2"},),
    )
    network = preparation._network(recipe, train_split(recipe), 0)
    assert isinstance(network, kind)
    assert [exit_.to_dict() for exit_ in network.exits] == [
        {"after": 13, "head": "fcn-r2", "policy": ExitPolicy().to_dict()}
    ]
    assert (network.output_stride, network.width) == (16, 0.35)
    assert network.configurations == own
    plain = replace(recipe, configurations={}, exits=())
    assert list(preparation._network(plain, train_split(plain), 0).configurations) == ["plain"]


def test_exits_are_trained_and_saved(first_stage: trainer.TrainingResult) -> None:
    assert [epoch["draws"] for epoch in first_stage.history] == [{"light": 1, "light_exit1": 1}]
    loaded = keras.saving.load_model(first_stage.path)
    assert loaded.exits == tuple(Exit.parse(exit_) for exit_ in EXITS)
    assert loaded.exits[1].policy.pixel_threshold == 0.4
    assert_equal(weights(loaded, heads=True), weights(first_stage.network, heads=True))


def test_a_run_starts_from_the_weights_of_a_saved_network(
    first_stage: trainer.TrainingResult,
) -> None:
    """Exits of its own or others, at another size; the origin is remembered."""
    for exits in ((), (EXITS[0], {"after": 18})):
        recipe = replace(STAGE_2, initial=str(first_stage.path), exits=exits, name="next")
        network = preparation._network(recipe, train_split(recipe), seed=5)
        assert network.image_size == recipe.crop_size
        assert_equal(weights(network, heads=False), weights(first_stage.network, heads=False))
        before, now = weights(first_stage.network, heads=True), weights(network, heads=True)
        common = before.keys() & now.keys()
        assert (common == before.keys()) == (not exits)
        assert common
        assert_equal({k: before[k] for k in common}, {k: now[k] for k in common})
        assert network.exits == tuple(Exit.parse(exit_) for exit_ in exits or EXITS)
        record = network.training_record
        assert (record["recipe"], record["seed"]) == ("next", 5)
        assert record["initial"]["recipe"] == "stage 1"
        assert len(record["labels"]) == network.num_classes


def test_a_recipe_puts_several_heads_at_the_points_of_a_saved_network(
    first_stage: trainer.TrainingResult,
) -> None:
    recipe = replace(STAGE_2, initial=str(first_stage.path), heads=("fcn-r2", "fcn"))
    network = preparation._network(recipe, train_split(recipe), 0)
    assert [(exit_.after, exit_.head.name) for exit_ in network.exits] == [
        (13, "fcn-r2"),
        (13, "fcn"),
        (17, "fcn-r2"),
        (17, "fcn"),
    ]
    assert_equal(weights(network, heads=False), weights(first_stage.network, heads=False))


def test_the_second_stage_trains_heads_alone(
    first_stage: trainer.TrainingResult, second_stage: trainer.TrainingResult
) -> None:
    draws = {"light": 2, "light_exit1": 2, "light_exit2": 2}
    assert [epoch["draws"] for epoch in second_stage.history] == [draws] * 2
    loaded = keras.saving.load_model(second_stage.path)
    assert loaded.exits == first_stage.network.exits
    assert_equal(weights(loaded, heads=False), weights(first_stage.network, heads=False))
    before, after = (weights(n, heads=True) for n in (first_stage.network, loaded))
    assert before.keys() == after.keys()
    assert not [path for path, value in before.items() if np.array_equal(after[path], value)]


def test_the_losses_of_the_heads_are_the_recipe_s(first_stage: trainer.TrainingResult) -> None:
    recipe = replace(STAGE_2, head_loss={"mode": "pfd_both", "temperature": 2.0})
    network = first_stage.network
    schedule = preparation._schedule(network, recipe, [1.0] * network.num_classes, 10, 0)
    assert isinstance(schedule, ExitHeads)
    loss = schedule.exit_loss
    assert (loss.mode, loss.temperature) == ("pfd_both", 2.0)
    assert loss.class_weights == [1.0] * network.num_classes


def test_a_resumed_second_stage_equals_an_uninterrupted_one(
    first_stage: trainer.TrainingResult,
    second_stage: trainer.TrainingResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(STAGE_2, initial=str(first_stage.path))
    killed(recipe, tmp_path, monkeypatch, in_epoch=2)
    with pytest.raises(InputError, match="differs in head_loss"):
        trainer.train(replace(recipe, head_loss={}), tmp_path, resume=True)
    resumed = trainer.train(recipe, tmp_path, resume=True)
    assert [epoch["epoch"] for epoch in resumed.history] == [1, 2]
    expected = weights(second_stage.network, heads=True)
    for path, value in weights(resumed.network, heads=True).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-3, atol=1e-4, err_msg=path)
    assert_equal(weights(resumed.network, heads=False), weights(second_stage.network, heads=False))
    assert [epoch["loss"] for epoch in resumed.history] == pytest.approx(
        [epoch["loss"] for epoch in second_stage.history], rel=1e-4
    )


@pytest.mark.parametrize("name", ["absent.keras", "weights.h5", "folder.keras"])
def test_an_initial_network_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "weights.h5").touch()
    (tmp_path / "folder.keras").mkdir()
    recipe = replace(STAGE_2, initial=str(tmp_path / name))
    with pytest.raises(InputError, match=f"`initial` must be a network .* found none at .*{name}"):
        trainer.train(recipe, tmp_path / "out")


def test_an_initial_network_of_other_classes_is_refused(tmp_path: Path) -> None:
    small_unet(adaptive=False).save(tmp_path / "other.keras")
    recipe = replace(STAGE_2, initial=str(tmp_path / "other.keras"))
    with pytest.raises(
        InputError, match=r"must have the \d+ classes of street_scenes; received: 5"
    ):
        trainer.train(recipe, tmp_path / "out")
