"""MobileNetV2's inverted residual (arXiv 1801.04381), without its shortcut."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm


class InvertedResidual(keras.layers.Layer):
    """1×1 expansion, 3×3 depthwise convolution, 1×1 linear projection.

    The shortcut is added by `PTAInvertedResidual`, once for all its branches.

    Args:
        filters: Output channels.
        expanded: Channels of the depthwise convolution; equal to the input's: no expansion layer.
        in_channels: Input channels.
        strides: 1 or 2, of the depthwise convolution.
        dilation: Of the depthwise convolution.
        name: Prefix of the layers' names, those of Keras Applications: `block_3`.

    Input shape: `(batch, height, width, in_channels)`; output:
    `(batch, height / strides, width / strides, filters)`.
    """

    def __init__(
        self,
        filters: int,
        *,
        expanded: int,
        in_channels: int,
        strides: int,
        dilation: int = 1,
        name: str,
    ) -> None:
        super().__init__(name=f"{name}_inverted_residual")
        self.expand = (
            None
            if expanded == in_channels
            else ConvNorm(
                expanded,
                1,
                activation="relu6",
                conv_name=f"{name}_expand",
                norm_name=f"{name}_expand_BN",
            )
        )
        self.depthwise = ConvNorm(
            None,
            3,
            strides=strides,
            dilation=dilation,
            activation="relu6",
            conv_name=f"{name}_depthwise",
            norm_name=f"{name}_depthwise_BN",
        )
        self.project = ConvNorm(
            filters,
            1,
            activation=None,
            conv_name=f"{name}_project",
            norm_name=f"{name}_project_BN",
        )

    @property
    def units(self) -> list[ConvNorm]:
        """The convolutions in their order."""
        return [unit for unit in (self.expand, self.depthwise, self.project) if unit is not None]

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the block behind `x`, which was reached by `path`."""
        for unit in self.units:
            x = unit.connect(x, path)
        return x
