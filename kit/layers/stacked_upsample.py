"""What enlarges features in ELU-Net."""

from __future__ import annotations

import math

import keras


class StackedUpsample(keras.layers.Layer):
    """Transposed convolutions that double the size each, then a 3×3 convolution (ELU-Net).

    Deng et al., IEEE Access 2022, as J-Net (arXiv 2403.05340) has it: 2×2 kernels of stride 2 that
    keep the channels, one for each doubling; biases, but no normalisation and no activation.

    A container that wires stock layers.

    Args:
        scale: 1, 2, 4 or 8; 1 is the 3×3 convolution alone.
        in_channels: Input channels.
        filters: Output channels.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, in_channels)`; output:
    `(batch, scale * height, scale * width, filters)`.
    """

    def __init__(self, scale: int, in_channels: int, filters: int, *, name: str) -> None:
        super().__init__(name=f"{name}_unit")
        self.steps: list[keras.layers.Layer] = [
            keras.layers.Conv2DTranspose(
                in_channels,
                2,
                strides=2,
                kernel_initializer="he_normal",
                name=f"{name}_up{number}",
            )
            for number in range(1, int(math.log2(scale)) + 1)
        ]
        self.steps.append(
            keras.layers.Conv2D(
                filters, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_conv"
            )
        )

    def connect(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Wire it behind `x`."""
        for step in self.steps:
            x = step(x)
        return x
