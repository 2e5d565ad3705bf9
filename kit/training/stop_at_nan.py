"""Stops training at the step whose loss is no number, and says where it went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kit.data.batches import Batches
from kit.errors import InputError
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.quantization.groups import inner_model
from kit.tiers import Tier
from kit.training.checkpoint import Checkpoint


class StopAtNaN(keras.callbacks.Callback):
    """Looks at the loss of every step; where it is infinite or no number, names a layer.

    If the last layer has kept its weights and others have not, a gradient has failed on its way
    back: the layer named is the deepest whose weights are lost. If the last has lost them too,
    outputs had failed before: the step is run again with the weights of the last checkpoint. The
    layer named is then, as where no weights are lost, the first whose output is not finite, or the
    one with the largest output.

    Args:
        batches: Of the training.
        checkpoint: Of the run.
    """

    def __init__(self, batches: Batches, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._batches, self._checkpoint = batches, checkpoint
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop if the loss is not finite.

        Raises:
            InputError: naming the step, the layer and the folder of the last good checkpoint.
        """
        loss = float((logs or {})["loss"])
        if np.isfinite(loss):
            return
        network = self.model
        if keras.backend.backend() == "jax":
            # Within an epoch the trainer holds the weights, not the network.
            network.jax_state_sync()
        tiers = network.schedule.draw(self._epoch * len(self._batches) + batch)
        layers = [layer for layer in network.joint_model(tiers).layers if layer.trainable_variables]
        lost = [layer.name for layer in layers if not _is_finite(layer)]
        is_output = layers[-1].name in lost
        if lost and not is_output:
            where = f"the gradient of layer {lost[-1]!r}"
        elif lost and not self._checkpoint.exists():
            where = "a layer that weights, now lost, no longer tell: there is no checkpoint yet"
        else:
            if lost:
                self._checkpoint.restore(network)
            where = _worst_output(network, tiers, self._batches[batch][0])
        raise InputError(
            f"`learning_rate` must let training converge: the loss is {loss} at step {batch + 1} "
            f"of epoch {self._epoch + 1}, tier {', '.join(map(str, tiers))}; it failed in {where}; "
            f"the last good checkpoint is in {self._checkpoint.folder}"
        )


def _is_finite(layer: keras.layers.Layer) -> bool:
    values = (ops.convert_to_numpy(variable) for variable in layer.trainable_variables)
    return all(np.isfinite(value).all() for value in values)


def _worst_output(network: AdaptiveNetwork, tiers: Sequence[Tier], images: Any) -> str:
    """The first layer whose output is not finite, or that with the largest."""
    model = network.joint_model(tiers)
    names = [layer.name for layer in model.layers[1:]]
    outputs = inner_model(model, names)(ops.convert_to_tensor(images, "float32"), training=True)
    largest = [float(np.abs(ops.convert_to_numpy(output)).max()) for output in outputs]
    for name, value in zip(names, largest, strict=True):
        if not np.isfinite(value):
            return f"the output of layer {name!r}"
    index = int(np.argmax(largest))
    return f"layer {names[index]!r}, whose output reached {largest[index]:.3g} before"
