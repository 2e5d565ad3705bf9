"""ResNet's bottleneck (arXiv 1512.03385), shortcut included."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm

EPSILON = 1.001e-5
"""What Keras Applications' ResNet adds to the variance."""


class Bottleneck(keras.layers.Layer):
    """1×1 reduction, 3×3 convolution and 1×1 expansion, added to the input.

    As Keras Applications has it: the stride is that of the first 1×1 convolution and of the
    shortcut's, so the 3×3 stands behind it. Convolutions have no bias, which a batch normalisation
    behind them takes away again.

    Args:
        filters: Channels of the 3×3 convolution, a quarter of the output's.
        in_channels: Input channels.
        strides: 1 or 2.
        dilation: Of the 3×3 convolution.
        name: Prefix of the layers' names, those of Keras Applications: `conv3_block1`.

    Input shape: `(batch, height, width, in_channels)`; output, 0 and above:
    `(batch, height / strides, width / strides, 4 filters)`.
    """

    def __init__(
        self,
        filters: int,
        *,
        in_channels: int,
        strides: int = 1,
        dilation: int = 1,
        name: str,
    ) -> None:
        super().__init__(name=f"{name}_bottleneck")

        def unit(
            part: int,
            filters: int,
            size: int = 1,
            strides: int = 1,
            dilation: int = 1,
            activation: str | None = "relu",
        ) -> ConvNorm:
            return ConvNorm(
                filters,
                size,
                strides=strides,
                dilation=dilation,
                activation=activation,
                conv_name=f"{name}_{part}_conv",
                norm_name=f"{name}_{part}_bn",
                epsilon=EPSILON,
            )

        out = 4 * filters
        self.shortcut = (
            unit(0, out, strides=strides, activation=None)
            if strides > 1 or in_channels != out
            else None
        )
        self.units = [
            unit(1, filters, strides=strides),
            unit(2, filters, 3, dilation=dilation),
            unit(3, out, activation=None),
        ]
        self.add = keras.layers.Add(name=f"{name}_add")
        self.relu = keras.layers.ReLU(name=f"{name}_out")

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the block behind `x`, which was reached by `path`."""
        shortcut = x if self.shortcut is None else self.shortcut.connect(x, path)
        for unit in self.units:
            x = unit.connect(x, path)
        return self.relu(self.add([shortcut, x]))
