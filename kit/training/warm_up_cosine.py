"""Learning rate: a linear rise, then half a cosine to zero."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import ops

from kit.errors import InputError


@keras.saving.register_keras_serializable(package="tierseg")
class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    """What `keras.optimizers.schedules.CosineDecay` with a warm-up gives, without a branch.

    Keras's own has a `cond`, of which an optimizer puts one into the graph for every weight: 13 of
    the 31 seconds that tracing one tier's step took. (Cosine: Loshchilov & Hutter, arXiv
    1608.03983.)

    Args:
        peak: Rate at the end of the rise.
        steps: Of the whole run.
        rise: Steps of the rise, from a thousandth of the peak; less than `steps`.
        restarts: Steps at which rise and fall begin anew, in order.

    Raises:
        InputError: if `rise` is not from 0 to `steps` - 1, or to less than what lies between two
            restarts.
    """

    def __init__(
        self, peak: float, steps: int, rise: int = 0, restarts: Sequence[int] = ()
    ) -> None:
        ends = [0, *restarts, steps]
        shortest = min(after - before for before, after in pairwise(ends))
        if not 0 <= rise < shortest:
            raise InputError(f"`rise` must be 0 to {shortest - 1} steps; received: {rise}")
        super().__init__()
        self.peak = peak
        self.steps = steps
        self.rise = rise
        self.restarts = tuple(restarts)

    def __call__(self, step: Any) -> Any:
        """The rate of a step, 0 is the first."""
        step = ops.cast(step, "float32")
        steps: Any = self.steps
        if self.restarts:
            begin: Any = 0
            steps = self.restarts[0]
            for start, end in pairwise((*self.restarts, self.steps)):
                begin = ops.where(step >= start, start, begin)
                steps = ops.where(step >= start, end - start, steps)
            step, steps = step - ops.cast(begin, "float32"), ops.cast(steps, "float32")
        rising = 0.001 + 0.999 * step / max(self.rise, 1)
        share = ops.clip((step - self.rise) / (steps - self.rise), 0.0, 1.0)
        falling = 0.5 * (1 + ops.cos(3.141592653589793 * share))
        return self.peak * ops.where(step < self.rise, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config: dict[str, Any] = {"peak": self.peak, "steps": self.steps, "rise": self.rise}
        return {**config, "restarts": self.restarts} if self.restarts else config
