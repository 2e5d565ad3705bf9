"""A convolution in 8-bit integer training."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from kit.errors import InputError
from kit.quantization.rounded_conv import Convolution, RoundedConv
from kit.quantization.rounded_error import straight_through, with_rounded_error
from kit.quantization.uniform import power_above, step, uniform


class IntegerConv(RoundedConv):
    """Runs a convolution with its kernel rounded by UQ: integers over `2^(bits - 1)`.

    They are multiplied by a power of two that is 1 in the paper (arXiv 2011.14504).

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
        conv: Convolution,
        *,
        weight_bits: int | None,
        error_bits: int | None,
        name: str,
    ) -> None:
        super().__init__(conv, name=name)
        self.weight_bits = weight_bits
        self.error_bits = error_bits

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.kernel_span = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="kernel_span"
        )

    def kernel(self) -> Any:
        """The rounded kernel, whose gradient reaches the kernel that is kept."""
        kernel = ops.convert_to_tensor(self.conv.kernel)
        if self.weight_bits is None:
            return kernel
        span = ops.convert_to_tensor(self.kernel_span)
        return straight_through(kernel, uniform(kernel, self.weight_bits, span))

    def integers(self) -> np.ndarray | None:
        """The rounded kernel as int8, in steps of `kernel_span / 2^(weight_bits - 1)`."""
        if self.weight_bits is None:
            return None
        steps = ops.convert_to_numpy(self.kernel() / self.kernel_span) / step(self.weight_bits)
        return np.round(steps).astype(np.int8)

    def fit(self, *, is_span_free: bool) -> None:
        """Begin with a kernel that was trained in float32.

        Args:
            is_span_free: Whether its range may be another power of two than 1.

        Raises:
            InputError: if it does not lie in its range.
        """
        largest = float(ops.convert_to_numpy(ops.max(ops.abs(self.conv.kernel))))
        if is_span_free:
            self.kernel_span.assign(power_above(largest))
        elif largest > 1 and self.weight_bits is not None:
            raise InputError(
                f"the kernel of {self.conv.path or self.conv.name!r}, which no normalisation "
                "follows, must lie in [-1, 1] for the policy `integer` unless `fitted_spans` is "
                f"True; its largest magnitude is {largest:.3g}"
            )

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the convolution's output, its bias and activation included."""
        x = super().call(x)
        if training and self.error_bits is not None:
            x = with_rounded_error(x, self.error_bits)
        return x
