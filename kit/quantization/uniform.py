"""The three quantizers of 8-bit integer training (Yang et al., arXiv 2011.14504, equations 1 to 6).

All three give whole multiples of a step, between the two ends that are symmetric about zero: the
values that a signed integer of `bits` bits can stand for, without the most negative one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from kit.errors import InputError

LEAST_BITS, MOST_BITS = 2, 24
"""Two bits are -1, 0 and 1; float32 holds the whole numbers of 24 bits and no wider ones."""


def step(bits: int) -> float:
    """The distance between two values of `bits` bits in [-1, 1]: Δ(k) = 2^(1 - k).

    Args:
        bits: 2–24.

    Raises:
        InputError: if the width is out of its range.
    """
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise InputError(f"`bits` must be {LEAST_BITS} to {MOST_BITS}; received: {bits}")
    return 2.0 ** (1 - bits)


def uniform(x: Any, bits: int, span: float = 1.0) -> Any:
    """UQ: round to the nearest step, halves up, and clip.

    Args:
        x: Tensor of any shape.
        bits: Width, 2–24.
        span: Half of the range, a power of two: 2 for the statistics of batch normalisation.

    Returns:
        Tensor of the shape of `x`, multiples of `span * step(bits)` in (-span, span).
    """
    return _clipped(ops.floor(x / (span * step(bits)) + 0.5), bits, span)


def scaled(x: Any, bits: int, *, power_of_two: bool = False) -> Any:
    """SQ: `uniform` in units of the tensor's own largest magnitude.

    Args:
        x: Tensor of any shape.
        bits: Width, 2–24.
        power_of_two: Whether the unit is the power of two nearest to that magnitude (by its
            logarithm), as in the authors' code, so that scaling is a shift.

    Returns:
        Tensor of the shape of `x`; all zeros if `x` is.
    """
    unit = magnitude(x, power_of_two=power_of_two)
    return unit * uniform(x / unit, bits)


def stochastic(x: Any, bits: int, chances: Any) -> Any:
    """RQ: round up with the probability of the fraction, so that the mean is kept, and clip.

    Args:
        x: Tensor of any shape.
        bits: Width, 2–24.
        chances: Random numbers, uniform in [0, 1), of the shape of `x`.

    Returns:
        Tensor of the shape of `x`, multiples of `step(bits)` in (-1, 1).
    """
    return _clipped(ops.floor(x / step(bits) + chances), bits, 1.0)


def magnitude(x: Any, *, power_of_two: bool = False) -> Any:
    """The largest magnitude of a tensor, 1 where all are zero: the unit of `scaled`.

    Args:
        x: Tensor of any shape.
        power_of_two: As of `scaled`.
    """
    largest = ops.max(ops.abs(x))
    largest = ops.where(largest > 0, largest, ops.ones_like(largest))
    if power_of_two:
        return ops.exp2(ops.round(ops.log2(largest)))
    return largest


def power_above(value: float) -> float:
    """The smallest power of two that holds a magnitude, with 5 percent of room for it to grow."""
    return float(2.0 ** np.ceil(np.log2(max(value, 1e-3) / 0.95)))


def _clipped(steps: Any, bits: int, span: float) -> Any:
    """Whole steps as values, the outermost ones where they would lie beyond."""
    most = 2.0 ** (bits - 1) - 1
    return ops.clip(steps, -most, most) * (span * step(bits))
