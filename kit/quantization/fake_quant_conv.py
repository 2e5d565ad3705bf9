"""A convolution whose kernel is rounded to int8 in training as it will be in the file."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kit.quantization.low_bits import kernel_codes
from kit.quantization.rounded_conv import RoundedConv
from kit.quantization.rounded_error import straight_through

BITS = 8

_LEAST = 1e-8
"""Below this range, a channel counts as one of all zeros."""

_OF_ZEROS = 0.1
"""The range of a channel of all zeros, which are zeros in any.

The file counts a bias in steps of the kernel times steps of what it is applied to, in 32 bits: from
a range near zero, there are too few of them to reach any bias but zero, and from a large one they
are too coarse.
"""


class FakeQuantConv(RoundedConv):
    """Runs a convolution with the kernel that its int8 form stands for.

    One symmetric range an output channel, the largest magnitude of the kernel as it is ("last
    value"), integers from -127 to 127. There is no state to go stale: the range is a function of
    the kernel.

    A batch normalisation behind it needs no folding in training. Folding multiplies each output
    channel by a number, and with it the channel's range: what rounding a kernel per channel gives,
    times the gain, is what rounding the folded kernel gives. So the file's int8 kernel does not
    depend on the statistics, and tiers that differ in those share it.

    Args:
        conv: `Conv2D`, `DepthwiseConv2D` or `Conv2DTranspose`; its variables stay its own.
        name: Of the layer.

    Input and output: as of `conv`.
    """

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """Axes of the kernel that one output channel runs along."""
        if isinstance(self.conv, keras.layers.Conv2DTranspose):
            # (height, width, channels out, channels in).
            return (0, 1, 3)
        if isinstance(self.conv, keras.layers.DepthwiseConv2D):
            return (0, 1)
        return (0, 1, 2)

    def codes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """What a file of few bits holds of the kernel.

        Returns:
            Whole numbers, float32 of the kernel's shape; the step of each channel, float32, which
            broadcasts to it; and the width of the numbers.
        """
        kernel = ops.cast(ops.convert_to_tensor(self.conv.kernel), "float32")
        codes, step = kernel_codes(kernel, self._bits(), self.channel_axes)
        return ops.convert_to_numpy(codes), ops.convert_to_numpy(step), BITS

    def take_codes(self, codes: np.ndarray, step: np.ndarray) -> None:
        """Run with the kernel that these stand for.

        Args:
            codes: Whole numbers, float32 of the kernel's shape.
            step: Of each channel, as `codes` gives it.
        """
        self.conv.kernel.assign(codes * step)

    def _bits(self) -> Any:
        return BITS

    def kernel(self) -> Any:
        """The kernel that the int8 one stands for, in the shape of the convolution's."""
        kernel = ops.convert_to_tensor(self.conv.kernel)
        shape = kernel.shape
        if isinstance(self.conv, keras.layers.Conv2DTranspose):
            # Not by the operator, whose axis is the last one: the converter refuses to transpose
            # what has a scale a channel.
            return _rounded(kernel, axes=self.channel_axes)
        if isinstance(self.conv, keras.layers.DepthwiseConv2D):
            kernel = ops.reshape(kernel, (*shape[:2], 1, shape[2] * shape[3]))
        return ops.reshape(fake_quant_per_channel(kernel, BITS), shape)


def fake_quant_per_channel(kernel: Any, bits: int) -> Any:
    """Round a kernel to symmetric integers of one range for each index of the last axis.

    Args:
        kernel: Tensor, float32, of two axes or more.
        bits: Of the integers, 2–8; the most negative one is left out.
    """
    most = _magnitude(kernel, axes=tuple(range(len(kernel.shape) - 1)))
    return keras.quantizers.fake_quant_with_min_max_vars(
        kernel, -most, most, num_bits=bits, narrow_range=True, axis=-1
    )


def _rounded(kernel: Any, axes: tuple[int, ...]) -> Any:
    """As `fake_quant_per_channel`, one range for each index of the axes that are not in `axes`."""
    size = _magnitude(kernel, axes, keepdims=True) / (2 ** (BITS - 1) - 1)
    return straight_through(kernel, ops.round(kernel / size) * size)


def _magnitude(kernel: Any, axes: tuple[int, ...], *, keepdims: bool = False) -> Any:
    """The largest magnitude over some axes, which no gradient follows."""
    most = ops.stop_gradient(ops.max(ops.abs(kernel), axis=axes, keepdims=keepdims))
    return ops.where(most > _LEAST, most, ops.full_like(most, _OF_ZEROS))
