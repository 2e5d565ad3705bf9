"""Activations in 8-bit integer training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kit.quantization.fake_quant_activation import BITS, FakeQuantActivation
from kit.quantization.rounded_error import straight_through, with_rounded_error
from kit.quantization.uniform import magnitude, scaled, step

_DECAY = 0.95
"""Of the moving average of scales, that of the authors' normalisation."""


class IntegerActivation(FakeQuantActivation):
    """Rounds activations by SQ, in units of the batch's largest magnitude, and their gradient too.

    At inference the unit is frozen: a moving average of those in training. There what lies beyond
    is clipped, as in an int8 tensor, from -1 to 127/128 of it.

    Args:
        bits: Of the activations, 2–8; `None` leaves them as they are in training.
        error_bits: Of the gradient (E1); `None` leaves it as it is.
        is_scaled: `False` rounds to steps of `2^(1 - bits)` without a unit and without clipping.
        name: Of the layer.

    Input and output: float32 of any shape.
    """

    def __init__(
        self, bits: int | None, error_bits: int | None, is_scaled: bool = True, *, name: str
    ) -> None:
        super().__init__(name=name)
        self.bits = bits
        self.error_bits = error_bits
        self.is_scaled = is_scaled

    def learned(self, x: Any) -> Any:
        """Move the frozen unit, and round by the batch's own."""
        before, (_, now) = ops.convert_to_tensor(self.high), self.ends(x)
        is_first = ops.convert_to_tensor(self.updates) == 0
        high = ops.where(is_first, now, before * _DECAY + now * (1 - _DECAY))
        self.move(-high / (1 - step(self._width)), high)
        return self.passed(x)

    def passed(self, x: Any) -> Any:
        """Round by the batch's own unit; the frozen one stays."""
        if self.bits is not None:
            x = straight_through(x, self._rounded(x, self.bits))
        return x if self.error_bits is None else with_rounded_error(x, self.error_bits)

    def ends(self, x: Any) -> tuple[Any, Any]:
        """What the range must hold for `x`: the same number of steps on both sides of zero."""
        unit = ops.stop_gradient(magnitude(x))
        return -unit, unit * (1 - step(self._width))

    def again(self, x: Any) -> Any:
        """Round to the range as it is: for what passes on what this layer gave."""
        return keras.quantizers.fake_quant_with_min_max_vars(
            x, self.low, self.high, num_bits=self._width
        )

    @property
    def _width(self) -> int:
        return self.bits or BITS

    def _rounded(self, x: Any, bits: int) -> Any:
        if self.is_scaled:
            return scaled(x, bits)
        return ops.floor(x / step(bits) + 0.5) * step(bits)
