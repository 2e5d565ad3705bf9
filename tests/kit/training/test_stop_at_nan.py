"""A loss that is no number stops training and names the layer at fault."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.training.checkpoint import Checkpoint
from kit.training.stop_at_nan import StopAtNaN
from tests.kit.small import small_unet


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
    network = small_unet(configurations={"light": "light", "heavy": "heavy"})
    network.compile("sgd", loss=kit.losses.SegmentationCrossEntropy())
    return network


def test_the_first_layer_whose_output_fails_is_named(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    (norm,) = [x for x in network._flatten_layers() if x.name == "block_3_expand_BN"]
    norm.beta.assign(np.full(norm.beta.shape, np.nan))
    found = stopped(network, Pairs(images, labels), tmp_path, save=True)
    assert "step 1 of epoch 1, tier heavy" in found
    assert "failed in the output of layer 'block_3_expand_BN'" in found
    assert f"checkpoint is in {tmp_path}" in found


def test_the_layer_whose_gradient_fails_is_named(
    network: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    """Weights are lost up to it, and the loss with them one step later."""
    layers = list(network.joint_model((network.default_tier,)).layers)
    names = [layer.name for layer in layers]
    for layer in layers[: names.index("block_4_expand") + 1]:
        for variable in layer.trainable_variables:
            variable.assign(np.full(variable.shape, np.nan))
    checkpoint = Checkpoint(tmp_path, {})
    callback = StopAtNaN(Pairs(images, labels), checkpoint)  # type: ignore[arg-type]
    callback.set_model(network)
    with pytest.raises(InputError, match="failed in the gradient of layer 'block_4_expand';"):
        callback.on_train_batch_end(0, {"loss": float("nan")})


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
