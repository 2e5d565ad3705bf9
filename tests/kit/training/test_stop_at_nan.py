"""A loss that is no number stops training and names the layer at fault."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.training.checkpoint import Checkpoint
from kit.training.stop_at_nan import StopAtNaN
from tests.kit.small import CLASSES, IMAGE_SIZE


class Pairs(keras.utils.PyDataset):
    """One batch, as often as asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.pair = images, labels

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.pair


def stopped(network: kit.AdaptiveNetwork, batches: Pairs, folder: Path, *, save: bool) -> str:
    """What training says when it stops."""
    checkpoint = Checkpoint(folder, {"name": "x"})
    checkpoint.set_model(network)
    if save:
        checkpoint.history.append({})
        checkpoint.on_epoch_end(0)
    with pytest.raises(InputError) as caught:
        network.fit(batches, epochs=1, verbose=0, callbacks=[StopAtNaN(batches, checkpoint)])
    return str(caught.value)


@pytest.fixture
def network() -> kit.AdaptiveNetwork:
    keras.utils.set_random_seed(1)
    network = kit.FCNVGG16(CLASSES, IMAGE_SIZE, width=0.05)
    network.compile("sgd", loss=kit.losses.SegmentationCrossEntropy())
    return network


def layers_of(network: kit.AdaptiveNetwork) -> dict[str, keras.layers.Layer]:
    return {layer.name: layer for layer in network.joint_model((network.default_tier,)).layers}


def test_the_first_layer_whose_output_fails_is_named(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    # A ReLU behind it would make zeros of it.
    bias = layers_of(network)["fcn8s_score_fc7"].bias
    bias.assign(np.full(bias.shape, np.nan))
    found = stopped(network, Pairs(images, labels), tmp_path, save=True)
    assert "step 1 of epoch 1, tier plain" in found
    assert "failed in the output of layer 'fcn8s_score_fc7'" in found
    assert f"checkpoint is in {tmp_path}" in found


def test_the_layer_whose_gradient_fails_is_named(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    """Weights are lost up to it, and the loss with them one step later."""
    for name in ("block1_conv1", "block1_conv2", "block2_conv1"):
        for variable in layers_of(network)[name].trainable_variables:
            variable.assign(np.full(variable.shape, np.nan))
    callback = StopAtNaN(Pairs(images, labels), Checkpoint(tmp_path, {}))  # type: ignore[arg-type]
    callback.set_model(network)
    with pytest.raises(InputError, match="failed in the gradient of layer 'block2_conv1';"):
        callback.on_train_batch_end(0, {"loss": float("nan")})


def test_where_all_is_finite_the_largest_output_is_named(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    bias = layers_of(network)["block2_conv2"].bias
    bias.assign(np.full(bias.shape, -1e9))
    callback = StopAtNaN(Pairs(images, labels), Checkpoint(tmp_path, {}))  # type: ignore[arg-type]
    callback.set_model(network)
    with pytest.raises(InputError, match=r"in layer 'block2_conv2', whose output reached 1e\+09"):
        callback.on_train_batch_end(0, {"loss": float("inf")})


def test_without_a_checkpoint_it_is_said_that_none_is_there(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    for variable in network.trainable_variables:
        variable.assign(np.full(variable.shape, np.inf))
    assert "there is no checkpoint yet" in stopped(
        network, Pairs(images, labels), tmp_path, save=False
    )


def test_a_finite_loss_goes_on(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    batches = Pairs(images, labels)
    callback = StopAtNaN(batches, Checkpoint(tmp_path, {}))  # type: ignore[arg-type]
    network.fit(batches, epochs=1, verbose=0, callbacks=[callback])
