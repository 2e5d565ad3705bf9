"""A convolution that runs with another kernel than the one it has."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

Convolution: TypeAlias = (
    "keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Conv2DTranspose"
)
"""What may be run with a rounded kernel."""


class RoundedConv(keras.layers.Layer):
    """Base of convolutions that run with a rounded kernel, and train the one they have.

    Args:
        conv: `Conv2D`, `DepthwiseConv2D` or `Conv2DTranspose`; its variables stay its own.
        name: Of the layer.

    Input and output: as of `conv`.
    """

    def __init__(self, conv: Convolution, *, name: str) -> None:
        super().__init__(name=name, dtype=conv.dtype_policy)
        self.conv = conv

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if not self.conv.built:
            self.conv.build(input_shape)

    @abstractmethod
    def kernel(self) -> Any:
        """The rounded kernel, in the shape of the convolution's."""

    def integers(self) -> np.ndarray | None:
        """The integers that the kernel was trained as, int8; `None` where it was not."""
        return None

    def call(self, x: Any) -> Any:
        """Return the convolution's output, its bias and activation included."""
        conv, kernel = self.conv, self.kernel()
        if isinstance(conv, keras.layers.DepthwiseConv2D):
            x = ops.depthwise_conv(
                x,
                kernel,
                strides=conv.strides,
                padding=conv.padding,
                dilation_rate=conv.dilation_rate,
                data_format=conv.data_format,
            )
        elif isinstance(conv, keras.layers.Conv2DTranspose):
            x = ops.conv_transpose(
                x,
                kernel,
                strides=list(conv.strides),
                padding=conv.padding,
                output_padding=conv.output_padding,
                dilation_rate=conv.dilation_rate,
                data_format=conv.data_format,
            )
        else:
            x = conv.convolution_op(x, kernel)
        if conv.use_bias:
            x = x + ops.convert_to_tensor(conv.bias)
        return x if conv.activation is None else conv.activation(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the convolution."""
        return self.conv.compute_output_shape(input_shape)
