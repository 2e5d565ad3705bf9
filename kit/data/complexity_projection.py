"""From complexity to a number between 0 and 1, by what a whole data set holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kit.errors import InputError

PROJECTIONS = ("maxwell_boltzmann", "linear", "empirical")

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class ComplexityProjection:
    """Cumulative distribution of complexity, fitted once for a data set (arXiv 2107.07706).

    Args:
        kind: `"maxwell_boltzmann"`: `F(x) = erf(x / (sqrt(2) a)) - sqrt(2 / pi) (x / a)
            exp(-x**2 / (2 a**2))`, `a` of least squares against the empirical distribution;
            `"linear"`: a straight line of least squares against it, clipped to 0 and 1;
            `"empirical"`: the share of images that are less complex, ties counted half.
        parameters: `(a,)`; (complexity at 0, complexity at 1); or all scores, ascending.
        digest: of the data set that it was fitted on.
        measure: of the complexities.

    Raises:
        InputError: `kind` is unknown or the parameters do not fit it.

    Example:
        >>> scores, digest = complexities(dataset)
        >>> projection = ComplexityProjection.fit(scores, digest=digest)
        >>> projection(scores)
    """

    kind: str
    parameters: tuple[float, ...]
    digest: str
    measure: str = "sobel_mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(float(value) for value in self.parameters))
        values = self.parameters
        fits = {
            "maxwell_boltzmann": len(values) == 1 and values[0] > 0,
            "linear": len(values) == 2 and values[0] < values[-1],
            "empirical": len(values) > 0 and list(values) == sorted(values),
        }
        check_kind(self.kind)
        if not fits[self.kind] or not np.isfinite(values).all():
            raise InputError(
                "`parameters` must be one above 0 (maxwell_boltzmann), two ascending (linear) or "
                f"scores, ascending (empirical); got {len(values)} for {self.kind}: "
                f"{', '.join(f'{value:g}' for value in values[:3])}"
            )

    @classmethod
    def fit(
        cls,
        scores: np.ndarray,
        kind: str = "maxwell_boltzmann",
        *,
        digest: str,
        measure: str = "sobel_mean",
    ) -> Self:
        """Fits a projection to the complexities of a data set.

        Args:
            scores: `(images,)`, 0 or more, as `complexities` gives them.
            kind: as of the constructor.
            digest: of the data set.
            measure: of the complexities.

        Raises:
            InputError: `kind` is unknown, a score is negative or no number, or all are equal: such
                a data set, for instance of constant images, tells no image from another.
        """
        check_kind(kind)
        scores = np.sort(np.asarray(scores, dtype=np.float64).ravel())
        if not scores.size or not np.isfinite(scores).all() or scores[0] < 0:
            raise InputError(
                "`scores` must be finite numbers of 0 or more, one an image; got others"
            )
        if scores[0] == scores[-1]:
            constant = " (constant images)" if scores[0] == 0 else ""
            raise InputError(
                "`scores` must differ between images to be projected; "
                f"got {scores.size} of {scores[0]:g}{constant}"
            )
        parameters = tuple(scores)
        if kind == "maxwell_boltzmann":
            parameters = (_fit_maxwell_boltzmann(scores),)
        elif kind == "linear":
            # With a slope above 0, for both ascend.
            slope, offset = np.polyfit(scores, _shares(scores, scores), 1)
            parameters = (-offset / slope, (1 - offset) / slope)
        return cls(kind, parameters, digest, measure)

    def __call__(self, scores: np.ndarray | float) -> np.ndarray:
        """Projects complexities.

        Args:
            scores: 0 or more, any shape.

        Returns:
            float64 of that shape, 0 to 1, ascending with complexity.
        """
        scores = np.asarray(scores, dtype=np.float64)
        values = np.array(self.parameters)
        if self.kind == "maxwell_boltzmann":
            return _maxwell_boltzmann(scores, values[0])
        if self.kind == "linear":
            return np.clip((scores - values[0]) / (values[1] - values[0]), 0, 1)
        return _shares(scores, values)

    def check(self, digest: str, measure: str) -> None:
        """Refuses a projection of other data.

        Raises:
            InputError: it was fitted on another data set, or to another measure.
        """
        if (digest, measure) != (self.digest, self.measure):
            raise InputError(
                "`projection` must be fitted on the data set that it is used for; expected "
                f"{measure} of {digest[:12]}, got {self.measure} of {self.digest[:12]}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, from which the constructor makes it again."""
        return {
            "kind": self.kind,
            "parameters": list(self.parameters),
            "digest": self.digest,
            "measure": self.measure,
        }


def check_kind(kind: str) -> None:
    """Raises `InputError` for a name that is no projection."""
    if kind not in PROJECTIONS:
        raise InputError(f"`projection` must be one of {', '.join(PROJECTIONS)}; got {kind!r}")


def _shares(scores: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Share of `ascending` that is below each score, equal ones counted half."""
    below = np.searchsorted(ascending, scores, side="left")
    return (below + np.searchsorted(ascending, scores, side="right")) / (2 * len(ascending))


def _maxwell_boltzmann(scores: np.ndarray, a: float) -> np.ndarray:
    x = scores / a
    erf = np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))
    # Rounding may leave the difference of two nearly equal numbers below 0.
    return np.clip(erf - math.sqrt(2 / math.pi) * x * np.exp(-x * x / 2), 0, 1)


def _fit_maxwell_boltzmann(scores: np.ndarray) -> float:
    """`a` of least squares, by a grid over its logarithm and a golden-section search."""
    shares = _shares(scores, scores)

    def error(log_a: float) -> float:
        return float(np.square(_maxwell_boltzmann(scores, math.exp(log_a)) - shares).sum())

    # The distribution's mean is 2 a sqrt(2 / pi).
    grid = math.log(scores.mean() * math.sqrt(math.pi / 8)) + np.linspace(-4, 4, 65)
    best = int(np.argmin([error(value) for value in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    while high - low > 1e-9:
        first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if error(first) < error(second):
            high = second
        else:
            low = first
    return math.exp((low + high) / 2)
