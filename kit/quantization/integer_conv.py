"""A convolution in 8-bit integer training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kit.quantization.rounded_conv import RoundedConv
from kit.quantization.rounded_error import straight_through, with_rounded_error
from kit.quantization.uniform import uniform


class IntegerConv(RoundedConv):
    """Runs a convolution with its kernel rounded by UQ: integers over 2^(bits - 1), no scale.

    Args:
        conv: `Conv2D`, `DepthwiseConv2D` or `Conv2DTranspose`; its variables stay its own.
        weight_bits: 2–8; `None` leaves the kernel as it is.
        error_bits: Of the gradient that a normalisation behind it hands back (E2); `None` where
            there is none.
        name: Of the layer.

    Input and output: as of `conv`.
    """

    def __init__(
        self,
        conv: keras.layers.Conv2D | keras.layers.DepthwiseConv2D,
        *,
        weight_bits: int | None,
        error_bits: int | None,
        name: str,
    ) -> None:
        super().__init__(conv, name=name)
        self.weight_bits = weight_bits
        self.error_bits = error_bits

    def kernel(self) -> Any:
        """The rounded kernel, whose gradient reaches the kernel that is kept."""
        kernel = ops.convert_to_tensor(self.conv.kernel)
        if self.weight_bits is None:
            return kernel
        return straight_through(kernel, uniform(kernel, self.weight_bits))

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the convolution's output, its bias and activation included."""
        x = super().call(x)
        if training and self.error_bits is not None:
            x = with_rounded_error(x, self.error_bits)
        return x
