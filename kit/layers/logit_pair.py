"""One logit as two."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class LogitPair(keras.layers.Layer):
    """The logits (0, x) of two classes, whose softmax is the sigmoid of x.

    In integers it is exact: a zero is put in front, and nothing is rounded anew.

    Input shape: `(batch, height, width, 1)`; output: `(batch, height, width, 2)`.
    """

    def call(self, logit: keras.KerasTensor) -> keras.KerasTensor:
        """Return both logits."""
        return ops.pad(logit, ((0, 0), (0, 0), (0, 0), (1, 0)))
