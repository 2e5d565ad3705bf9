"""Fake quantization of activations, to a range that follows what they hold."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

from kit.quantization.moving_average import fake_quant_to_range, moving_average_fake_quant

Mode = Literal["learn", "hold", "observe"]

BITS = 8

RANGE = "_range_"
"""Stands in a name between that of the layer whose output it rounds, and an identity."""


class FakeQuantActivation(keras.layers.Layer):
    """Rounds activations to the 256 values that an int8 tensor of their range can hold.

    In training the range is a moving average of the batches' smallest and largest values (Jacob et
    al., arXiv 1712.05877), at inference it is fixed; zero is always one of the values. Gradients
    pass where the range reaches and are zero elsewhere.

    Args:
        limits: `(low, high)` that are known beforehand; `None` to learn them.
        name: Of the layer.

    Attributes:
        mode: What a call in training does: `"learn"` moves the range; `"hold"` leaves it; in
            `"observe"` the range grows to whatever passes, and values pass as they are, in
            training or not.

    Input and output: float32 of any shape.
    """

    def __init__(self, limits: tuple[float, float] | None = None, *, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.limits = limits
        self.mode: Mode = "learn"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        low, high = self.limits or (0.0, 0.0)

        def scalar(name: str, value: float) -> keras.Variable:
            return self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(value),
                trainable=False,
                name=name,
            )

        self.low, self.high = scalar("low", low), scalar("high", high)
        self.updates = scalar("updates", 0.0 if self.limits is None else 1.0)

    @property
    def source(self) -> str:
        """Name of the layer whose output it rounds."""
        return self.name.rpartition(RANGE)[0]

    @property
    def is_calibrated(self) -> bool:
        """Whether the range has seen anything, or was known beforehand."""
        return bool(self.built and ops.convert_to_numpy(self.updates) > 0)

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the values that an int8 tensor would hold."""
        if self.limits is not None:
            return self.again(x)
        if self.mode == "observe":
            self.observe(x)
            return x
        if not training:
            return self.again(x)
        return self.passed(x) if self.mode == "hold" else self.learned(x)

    def observe(self, x: Any) -> None:
        """Widen the range to what passes."""
        low, high = self.ends(x)
        self.move(
            ops.minimum(ops.convert_to_tensor(self.low), low),
            ops.maximum(ops.convert_to_tensor(self.high), high),
        )

    def learned(self, x: Any) -> Any:
        """Move the range towards that of a batch in training, and round to it."""
        (low, high), is_first = self.ends(x), ops.convert_to_tensor(self.updates) == 0
        # The first batch is the average of all so far.
        self.move(
            ops.where(is_first, low, ops.convert_to_tensor(self.low)),
            ops.where(is_first, high, ops.convert_to_tensor(self.high)),
        )
        return moving_average_fake_quant(x, self.low, self.high, BITS)

    def passed(self, x: Any) -> Any:
        """Round a batch in training; the range stays."""
        return self.again(x)

    def again(self, x: Any) -> Any:
        """Round to the range as it is: for what passes on what this layer gave."""
        return fake_quant_to_range(x, self.low, self.high, BITS)

    def ends(self, x: Any) -> tuple[Any, Any]:
        """The smallest and the largest value that the range must hold for `x`."""
        return ops.minimum(ops.min(x), 0.0), ops.maximum(ops.max(x), 0.0)

    def move(self, low: Any, high: Any) -> None:
        """Set the range, and count it."""
        self.low.assign(low)
        self.high.assign(high)
        self.updates.assign_add(1.0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape
