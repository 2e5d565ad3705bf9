"""A convolution whose kernel has fewer than 8 bits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from kit.quantization.fake_quant_conv import FakeQuantConv
from kit.quantization.low_bits import kernel_codes, through
from kit.quantization.rounded_conv import Convolution


class LowBitConv(FakeQuantConv):
    """Runs a convolution with a kernel of few levels in each output channel (`kernel_codes`).

    As in 8 bits, folding a normalisation into the kernel would change no integer: the step of a
    channel is proportional to the channel.

    Args:
        conv: `Conv2D`, `DepthwiseConv2D` or `Conv2DTranspose`; its variables stay its own.
        width: Variable, scalar: bits, 1–8. It may change between steps.
        least: Bits that the kernel has where the width is less.
        name: Of the layer.

    Input and output: as of `conv`.
    """

    def __init__(
        self, conv: Convolution, width: keras.Variable, *, least: int = 1, name: str
    ) -> None:
        super().__init__(conv, name=name)
        self.width = width
        self.least = least
        self._given = SimpleNamespace(codes=None, step=None)

    def kernel(self) -> Any:
        """The kernel of few levels, in the shape of the convolution's."""
        kernel = ops.convert_to_tensor(self.conv.kernel)
        if self._given.codes is not None:
            return ops.cast(self._given.codes * self._given.step, kernel.dtype)
        codes, step = kernel_codes(ops.cast(kernel, "float32"), self._bits(), self.channel_axes)
        return through(kernel, ops.cast(codes * step, kernel.dtype))

    def codes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """As of `FakeQuantConv`."""
        if self._given.codes is not None:
            codes, step = self._given.codes, self._given.step
        else:
            codes, step = super().codes()[:2]
        return codes, step, int(ops.convert_to_numpy(self._bits()))

    def take_codes(self, codes: np.ndarray, step: np.ndarray) -> None:
        """As of `FakeQuantConv`; they are not fitted anew, which might find others."""
        super().take_codes(codes, step)
        self._given.codes, self._given.step = codes, step

    def integers(self) -> np.ndarray:
        """The integers of the kernel, int8."""
        return self.codes()[0].astype(np.int8)

    def _bits(self) -> Any:
        return ops.maximum(ops.cast(ops.convert_to_tensor(self.width), "float32"), self.least)
