"""Two logits as the one that matters."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="tierseg")
class LogitDifference(keras.layers.Layer):
    """The logit of the second of two classes less that of the first.

    Its sigmoid is what softmax gives the second class. `LogitPair` goes back.

    Input shape: logits `(batch, height, width, 2)`; output: `(batch, height, width, 1)`.
    """

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return the difference."""
        return logits[..., 1:] - logits[..., :1]
