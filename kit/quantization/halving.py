"""Learning rates that are powers of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kit.errors import InputError
from kit.quantization.integer_sgd import check_power_of_two


@keras.saving.register_keras_serializable(package="tierseg")
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that halves at given steps, so that it is a power of two throughout.

    Args:
        initial: The first rate, a power of two.
        steps: Steps at which it halves, ascending.

    Raises:
        InputError: naming the argument.

    Reference:
        Yang et al., arXiv 2011.14504: 1/16, halved at 3,000, 12,000 and 20,000 of 30,000 steps.
    """

    def __init__(self, initial: float, steps: Sequence[int]) -> None:
        super().__init__()
        check_power_of_two("initial", initial)
        if list(steps) != sorted(set(steps)) or any(step < 1 for step in steps):
            raise InputError(f"`steps` must ascend from 1 or more; received: {list(steps)}")
        self.initial = initial
        self.steps = tuple(int(step) for step in steps)

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        step = ops.cast(step, "int64")
        rate = ops.full((), self.initial, "float32")
        for boundary in self.steps:
            rate = ops.where(step >= boundary, rate / 2, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"initial": self.initial, "steps": list(self.steps)}
