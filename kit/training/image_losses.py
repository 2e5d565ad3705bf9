"""What each image loses in training, for data slimming by it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kit.data.labels import VOID
from kit.data.slimmed_batches import SlimmedBatches
from kit.training.checkpoint import Checkpoint


class ImageLosses(keras.callbacks.Callback):
    """Tells `SlimmedBatches` the loss of every image that an epoch has handed out.

    The loss is the mean cross-entropy over the image's pixels that are not void, of the last tier
    of the step, as the step's own forward pass gives it: nothing is run for it (InfoBatch, arXiv
    2303.04947).

    Args:
        batches: Of the training, whose measure is the loss.
        checkpoint: Of the run, with which the losses are kept; a callback that stands behind this
            one. What it was restored with is handed to `batches` at once.

    Attributes:
        metric: To be compiled into the network.
    """

    def __init__(self, batches: SlimmedBatches, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._batches, self._checkpoint = batches, checkpoint
        self.metric = _LossOfEachImage(len(batches), batches.batch_size)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Go on from the losses of a restored checkpoint."""
        if (kept := self._checkpoint.kept.get("losses")) is not None:
            self._batches.losses[:] = kept

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Hand the losses on."""
        self._batches.take_losses(epoch, ops.convert_to_numpy(self.metric.losses))
        self._checkpoint.kept["losses"] = self._batches.losses.tolist()


@keras.saving.register_keras_serializable(package="tierseg")
class _LossOfEachImage(keras.metrics.Metric):
    """Cross-entropy of each image of an epoch, `(steps, batch_size)`; its result is their mean."""

    def __init__(
        self, steps: int, batch_size: int, name: str = "image_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.steps, self.batch_size = steps, batch_size
        self.losses = self.add_variable((steps, batch_size), "zeros", name="losses")
        self.step = self.add_variable((), "zeros", name="step", dtype="int32")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Note one batch, whatever its weights."""
        pixels = keras.losses.sparse_categorical_crossentropy(
            y_true, ops.cast(y_pred, "float32"), from_logits=True, ignore_class=VOID
        )
        valid = ops.sum(ops.cast(ops.not_equal(y_true, VOID), "float32"), axis=(1, 2))
        own = ops.sum(pixels, axis=(1, 2)) / ops.maximum(valid, 1.0)
        step = ops.convert_to_tensor(self.step)
        is_now = ops.equal(ops.arange(self.steps), step)[:, None]
        self.losses.assign(ops.where(is_now, own[None], ops.convert_to_tensor(self.losses)))
        self.step.assign(step + 1)

    def result(self) -> Any:
        count = ops.cast(ops.maximum(self.step * self.batch_size, 1), "float32")
        return ops.sum(self.losses) / count

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps, "batch_size": self.batch_size}
