"""Runs with labels larger than the images: J-Net's, its controls, and beside data slimming."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.layers import TailConfig
from kit.losses import MultiLevelLoss
from kit.training import Recipe, preparation, trainer

RECIPE = Recipe(
    name="large",
    data="street_scenes",
    image_size=(64, 96),
    crop_size=(64, 64),
    epochs=1,
    batch_size=2,
    optimizer="adam",
    family="fcn_vgg16",  # of all families the soonest traced
    width=0.05,
    loss="multi_level",
    class_balance=0,
    dice_weight=0,
    tail={"scale": 2},
    augmentation={"scale": (1.0, 1.5), "flip_vertical": True},
    recalibration_batches=1,
    data_options={"count": 4, "image_size": (96, 96)},
)
LOW = replace(RECIPE, name="low", tail={"scale": 2, "kind": "bilinear"}, label_size=(64, 64))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> trainer.TrainingResult:
    return trainer.train(RECIPE, tmp_path_factory.mktemp("run") / "large")


def test_a_recipe_trains_a_tail(large: trainer.TrainingResult) -> None:
    network = large.network
    assert network.tail == TailConfig(2)
    assert network.image_size == (64, 96)
    assert network.output_size == (128, 192)
    fresh = network.without_tail().with_tail((128, 192))
    for trained, new in zip(network.tails, fresh.tails, strict=True):
        for variable, before in zip(
            trained.trainable_variables, new.trainable_variables, strict=True
        ):
            assert not np.array_equal(variable, before), variable.path


def test_labels_have_their_size_and_the_loss_its_levels() -> None:
    batches = preparation.training_batches(RECIPE, 0)
    images, labels = batches[0]
    assert (images.shape, labels.shape) == ((2, 64, 64, 3), (2, 128, 128))
    network = preparation.prepared(RECIPE, batches)
    assert isinstance(network.loss, MultiLevelLoss)
    assert type(network.optimizer) is keras.optimizers.Adam
    assert float(network.optimizer.learning_rate) == pytest.approx(RECIPE.learning_rate)


def test_on_small_labels_the_tail_is_put_on_afterwards(tmp_path: Path) -> None:
    batches = preparation.training_batches(LOW, 0)
    assert batches[0][1].shape == (2, 64, 64)
    assert preparation.prepared(LOW, batches).tail is None
    result = trainer.train(LOW, tmp_path / "low")
    assert result.network.tail == TailConfig(2, kind="bilinear")
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    logits = result.network.tier("plain")(image)
    small = result.network.without_tail().tier("plain")(image)
    enlarge = keras.layers.UpSampling2D(2, interpolation="bilinear")
    np.testing.assert_allclose(logits, enlarge(small), atol=1e-5)
    assert trainer.train(LOW, tmp_path / "low", resume=True).network.tail == result.network.tail


def test_all_controls_begin_with_the_same_network_on_the_same_images() -> None:
    shuffled = replace(RECIPE, tail={"scale": 2, "kind": "pixel_shuffle"})
    made = []
    for recipe in (RECIPE, LOW, shuffled):
        batches = preparation.training_batches(recipe, 3)
        network = preparation.prepared(recipe, batches, seed=3)
        plain = network.without_tail() if network.tail else network
        made.append([*plain.get_weights(), batches[1][0]])
    for other in made[1:]:
        for expected, found in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_labels_shrink_with_slimmed_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path / "cache"))
    slimming = {"projection": "empirical", "sizes": 2, "drop": "none"}
    recipe = replace(RECIPE, slimming=slimming, augmentation={"scale": (1, 1)})
    batches = preparation.training_batches(recipe, 0)
    sizes = {batches[k][0].shape[1:3]: batches[k][1].shape[1:3] for k in range(len(batches))}
    assert sizes == {(32, 32): (64, 64), (64, 64): (128, 128)}
    result = trainer.train(recipe, tmp_path / "slim")
    assert np.isfinite(result.history[0]["loss"])


def test_a_saved_network_goes_on_with_its_own_tail_alone(
    large: trainer.TrainingResult, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, name="next", initial=str(large.path))
    batches = preparation.training_batches(recipe, 0)
    network = preparation.prepared(recipe, batches)
    np.testing.assert_array_equal(
        network.tails[0].get_weights()[0], large.network.tails[0].get_weights()[0]
    )
    for tail in ({}, {"scale": 4}, {"scale": 2, "kind": "bilinear"}):
        with pytest.raises(InputError, match="recipe 'next': `tail` must be that of `initial`"):
            preparation.prepared(replace(recipe, tail=tail), batches)
    plain = tmp_path / "plain.keras"
    large.network.without_tail().save(plain)
    assert preparation.prepared(replace(recipe, initial=str(plain)), batches).tail == TailConfig(2)


def test_a_tail_trains_in_8_bits(tmp_path: Path) -> None:
    network = trainer.train(replace(RECIPE, precision="qat"), tmp_path / "qat").network
    assert network.arithmetic.policy == "qat"
    assert network.output_size == (128, 192)
