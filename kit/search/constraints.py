"""What a candidate must keep to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kit.errors import InputError
from kit.search.candidate import Candidate

_ROUNDING = 1e-9  # relative: a limit equal to a candidate's own figure is met


@dataclass(frozen=True)
class Constraints:
    """Limits on the figures of a candidate.

    Args:
        mean: Cost to the highest mean over images, above 0.
        worst: Cost to the highest worst case, above 0.
        max_drop: Points of mIoU (percentage points) that may be lost against final-only; below 0
            they must be gained. `None` for no limit.

    Raises:
        InputError: naming the argument.
    """

    mean: Mapping[str, float] = field(default_factory=dict)
    worst: Mapping[str, float] = field(default_factory=dict)
    max_drop: float | None = None

    def __post_init__(self) -> None:
        for name, limits in (("constraints", self.mean), ("worst", self.worst)):
            for cost, limit in limits.items():
                if not 0 < limit < math.inf:
                    raise InputError(
                        f"`{name}` must be finite and above 0; received: {limit} for {cost}"
                    )
        if self.max_drop is not None and not math.isfinite(self.max_drop):
            raise InputError(f"`max_drop` must be finite; received: {self.max_drop}")

    @property
    def costs(self) -> set[str]:
        """Names of the costs that are limited."""
        return {*self.mean, *self.worst}

    def excess(
        self,
        figures: Callable[[str], tuple[np.ndarray, np.ndarray]],
        quality: np.ndarray,
        final_quality: float,
    ) -> np.ndarray:
        """By which share candidates are beyond the limit that they miss most.

        Args:
            figures: Gives mean and worst of a cost by name, `(rows,)` each.
            quality: `(rows,)`, 0 to 1.
            final_quality: Of final-only.

        Returns:
            float64 `(rows,)`; 0 where all limits are met. mIoU counts as a share of the least that
            is allowed.
        """
        excess = np.zeros(quality.shape)
        for index, limits in enumerate((self.mean, self.worst)):
            for cost, limit in limits.items():
                np.maximum(excess, figures(cost)[index] / limit - 1, out=excess)
        least = 0.0 if self.max_drop is None else final_quality - self.max_drop / 100
        if least > 0:
            np.maximum(excess, 1 - quality / least, out=excess)
        excess[excess < _ROUNDING] = 0
        return excess

    def describe(self, candidate: Candidate | None = None) -> str:
        """The limits, or a scored candidate's figures where there are limits, in one line."""
        at_most = "" if candidate else "at most "
        parts = [
            f"{kind} {cost} {at_most}{limit if candidate is None else own[cost]:.6g}"
            for kind, limits, own in (
                ("mean", self.mean, candidate.mean if candidate else {}),
                ("worst", self.worst, candidate.worst if candidate else {}),
            )
            for cost, limit in limits.items()
        ]
        if self.max_drop is not None:
            drop = candidate.drop if candidate else self.max_drop
            parts.append(f"drop {at_most}{drop:.6g} points")
        return ", ".join(parts)
