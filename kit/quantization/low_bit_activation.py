"""Fake quantization of what a convolution reads to fewer than 8 bits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.low_bits import activation_step, at_levels

DECAY = 0.99
"""Of the moving averages: levels are learned beside them, and follow when a width changes."""


class LowBitActivation(FakeQuantActivation):
    """Rounds activations to 2^k values of a grid with zero among them, whose step is learned.

    A largest value is too far out to be the last of 4 or 16 levels. The grid begins where it suits
    the root mean square of what passes (`activation_step`), a moving average, and a factor `exp(g)`
    on its step is learned by the gradient of LSQ (arXiv 1902.08153); in the logarithm, where the
    steps of an adaptive optimizer do not depend on the scale of the layer (TQT, arXiv 1903.08066).
    Because the beginning is known for every width, another width needs no new calibration.

    Args:
        width: Variable, scalar: bits, 2–8. It may change between steps.
        least: Bits that activations have where the width is less.
        name: Of the layer.

    Input and output: float32 of any shape.
    """

    def __init__(self, width: keras.Variable, *, least: int = 2, name: str) -> None:
        super().__init__(name=name)
        self.width = width
        self.least = least

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.mean_square = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="mean_square"
        )
        self.log_factor = self.add_weight(shape=(), initializer="zeros", name="log_factor")

    def observe(self, x: Any) -> None:
        """Widen the range to what passes, and take it into the mean of the squares."""
        seen = ops.convert_to_tensor(self.updates)
        mean = ops.convert_to_tensor(self.mean_square)
        self.mean_square.assign(mean + (ops.mean(ops.square(x)) - mean) / (seen + 1))
        super().observe(x)

    def learned(self, x: Any) -> Any:
        """Move the averages towards those of a batch in training, and round."""
        is_first = ops.convert_to_tensor(self.updates) == 0
        rest = ops.where(is_first, 0.0, DECAY)
        low, high = self.ends(x)
        values = (low, high, ops.mean(ops.square(x)))
        low, high, mean = (
            rest * ops.convert_to_tensor(variable) + (1 - rest) * ops.stop_gradient(value)
            for variable, value in zip((self.low, self.high, self.mean_square), values, strict=True)
        )
        self.mean_square.assign(mean)
        self.move(low, high)
        return self.again(x)

    def again(self, x: Any) -> Any:
        """Round with the levels as they are."""
        step, first, last = self.levels()
        return at_levels(x, step, first, last)

    def levels(self) -> tuple[Any, Any, Any]:
        """The step, and the numbers of the first and the last level."""
        low, high, mean_square, width, log_factor = (
            ops.cast(ops.convert_to_tensor(variable), "float32")
            for variable in (self.low, self.high, self.mean_square, self.width, self.log_factor)
        )
        bits = ops.maximum(width, self.least)
        step, first, last = activation_step(low, high, mean_square, bits)
        return step * ops.exp(log_factor), first, last
