"""What VGG (arXiv 1409.1556) is made of."""

from __future__ import annotations

import keras


class VGGBlock(keras.layers.Layer):
    """3×3 convolutions, each with a ReLU, then a 2×2 maximum of stride 2.

    A container that wires stock layers, named as in Keras Applications.

    Args:
        filters: Output channels.
        convolutions: How many.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, channels)`, height and width even; output:
    `(batch, height / 2, width / 2, filters)`.
    """

    def __init__(self, filters: int, convolutions: int, *, name: str) -> None:
        super().__init__(name=f"{name}_unit")
        self.steps: list[keras.layers.Layer] = []
        for number in range(1, convolutions + 1):
            conv = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                kernel_initializer="he_normal",
                name=f"{name}_conv{number}",
            )
            self.steps += [conv, keras.layers.ReLU(name=f"{name}_relu{number}")]
        self.steps.append(keras.layers.MaxPooling2D(2, name=f"{name}_pool"))

    def connect(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Wire the block behind `x`."""
        for step in self.steps:
            x = step(x)
        return x
