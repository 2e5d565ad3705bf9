"""Real factors, exponentials and shares by integers alone, to the bit as TensorFlow Lite has them.

Its reference kernels follow gemmlowp: a product is rounded twice, once where its upper 32 bits are
taken and once where they are shifted. Everything here works on int64 arrays that hold int32 values.

Reference:
    Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, section 2.2, arXiv:1712.05877.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

_BITS = 31
_LARGEST = 2**_BITS - 1
_EXP_EIGHTH = 1895147668  # exp(-1/8), as all below times 2**31
_THIRD = 715827883
_EXP_POWERS = {  # exp(-2**power)
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
_EXP_FRACTION = 26  # bits behind the point of what an exponential takes
_SUM_INTEGER = 12  # bits before the point of a sum of exponentials
_NEWTON_START, _NEWTON_SLOPE = 1515870810, -1010580540  # 48/17 and -32/17, times 2**29


@dataclass(frozen=True)
class Multiplier:
    """A real factor as an integer and a shift, one or one for each channel.

    Args:
        significand: 2**31 times a number from 1/2 to 1, or 0.
        shift: the power of two that it is multiplied by.
    """

    significand: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, factor: Any) -> "Multiplier":
        """The multiplier nearest to a factor; 0 for one that is below 2**-32.

        Args:
            factor: a float above 0, or an array of them.
        """
        fraction, power = np.frexp(np.asarray(factor, np.float64))
        significand = np.floor(fraction * 2.0**_BITS + 0.5).astype(np.int64)
        shift = power.astype(np.int64)
        full = significand == 2**_BITS
        significand, shift = np.where(full, 2 ** (_BITS - 1), significand), shift + full
        lost = shift < -_BITS
        return cls(np.where(lost, 0, significand), np.where(lost, 0, shift))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Integers times the factor, rounded to integers."""
        left = np.maximum(self.shift, 0)
        raised = values.astype(np.int64) << left
        return shifted(upper_half(raised, self.significand), np.maximum(-self.shift, 0))


def upper_half(values: np.ndarray, others: Any) -> np.ndarray:
    """Products divided by 2**31, rounded to nearest, ties upwards."""
    return shifted_up(values * others, _BITS)


def shifted(values: np.ndarray, places: Any) -> np.ndarray:
    """Values divided by a power of two, rounded to nearest, ties away from zero."""
    mask = (np.int64(1) << places) - 1
    return (values >> places) + ((values & mask) > (mask >> 1) + (values < 0))


def shifted_up(values: np.ndarray, places: Any) -> np.ndarray:
    """Values divided by a power of two, rounded to nearest, ties upwards."""
    return (values + ((np.int64(1) << places) >> 1)) >> places


def divided(values: np.ndarray, divisor: Any) -> np.ndarray:
    """Quotients without their fraction, as C divides; NumPy's `//` rounds down."""
    return np.sign(values) * (np.abs(values) // divisor)


def exponential(values: np.ndarray) -> np.ndarray:
    """exp(x / 2**26), times 2**31, for whole x from -2**31 to 0.

    A Taylor expansion serves the part of x within a quarter; for each bit above that, the result is
    multiplied by a constant.
    """
    quarter = 2 ** (_EXP_FRACTION - 2)
    within = (values & (quarter - 1)) - quarter
    x = (within << (_BITS - _EXP_FRACTION)) + 2 ** (_BITS - 3)
    square = upper_half(x, x)
    cube, fourth = upper_half(square, x), upper_half(square, square)
    terms = shifted(upper_half(shifted(fourth, 2) + cube, _THIRD) + square, 1)
    result = _EXP_EIGHTH + upper_half(x + terms, _EXP_EIGHTH)
    rest = within - values
    for power, factor in _EXP_POWERS.items():
        some = (rest >> (_EXP_FRACTION + power)) & 1
        result = np.where(some, upper_half(result, factor), result)
    return np.where(values == 0, _LARGEST, result)


def softmax_table(multiplier: Multiplier) -> np.ndarray:
    """exp(-step), times 2**31, for distances of 0 to 255 steps from the largest value.

    Args:
        multiplier: the scale of the values times 2**26.
    """
    distances = np.arange(256, dtype=np.int64)
    counted = distances <= (31 << _EXP_FRACTION) >> int(multiplier.shift)
    raised = -np.where(counted, distances, 0) << multiplier.shift
    return np.where(counted, exponential(upper_half(raised, multiplier.significand)), 0)


def softmax(exponentials: np.ndarray) -> np.ndarray:
    """Shares of exponentials in their sum over the last axis, times 2**8.

    Args:
        exponentials: times 2**31.
    """
    total = shifted(exponentials, _SUM_INTEGER).sum(-1, keepdims=True)
    above = np.zeros_like(total)  # bits of the sum's whole part
    for bit in range(_SUM_INTEGER):
        above += total >> (_BITS - _SUM_INTEGER + 1 + bit) > 0
    share = _reciprocal((total << (_SUM_INTEGER - above)) - 2**_BITS)
    return shifted(upper_half(exponentials, share), above + _BITS - 8)


def _reciprocal(values: np.ndarray) -> np.ndarray:
    """1 / (1 + x) by Newton's method, x from 0 to 1; both times 2**31."""
    half = (values + _LARGEST + 1) >> 1
    x = _NEWTON_START + upper_half(half, _NEWTON_SLOPE)
    for _ in range(3):
        x = x + _raised(upper_half(x, 2**29 - upper_half(half, x)), 2)
    return _raised(x, 1)


def _raised(values: np.ndarray, places: int) -> np.ndarray:
    """Values times a power of two, cut off where int32 ends."""
    return np.clip(values << places, -_LARGEST - 1, _LARGEST)
