"""Channels laid out as pixels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class DepthToSpace(keras.layers.Layer):
    """Lays the channels of each pixel out as a square of pixels (pixel shuffle).

    Channel `(row * scale + column) * channels + k` becomes channel k of the square's pixel at that
    row and column.

    Args:
        scale: Side of the square, pixels.

    Input shape: `(batch, height, width, scale * scale * channels)`; output:
    `(batch, scale * height, scale * width, channels)`.
    """

    def __init__(self, scale: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the pixels."""
        return ops.depth_to_space(x, self.scale, data_format="channels_last")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}
