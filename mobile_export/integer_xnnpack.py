"""The operators that XNNPACK, LiteRT's default, rounds otherwise than the reference kernels.

It scales sums of products, and means, in float32 and rounds ties to even, which integers do to the
same bits; other operators it has in integers, of other widths, and rounds ties upwards. All this is
as on x86-64. No integer is more than a step from the reference, but where interpolation is not by a
whole factor.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mobile_export.fixed_point import shifted_up
from mobile_export.integer_graph import Node, Tensor
from mobile_export.integer_kernels import Taps, centred
from mobile_export.integer_operators import (
    REFERENCE,
    Builder,
    Kernel,
    bilinear,
    convolution,
    count,
    product,
    sums,
    transposed_convolution,
)

_DIGITS = 24  # bits of a float32's significand
_FINEST = 62  # a shift that leaves nothing of any value here


@dataclass(frozen=True)
class SinglePrecision:
    """A float32 factor, one or one for each channel: significand * 2**-shift.

    Args:
        significand: int64 of 24 bits.
        shift: by how many bits it is too large.
    """

    significand: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, factor: Any) -> "SinglePrecision":
        """The factor as it is.

        Args:
            factor: float32 above 0, or an array of them.
        """
        fraction, power = np.frexp(np.asarray(factor, np.float32))
        significand = (fraction.astype(np.float64) * 2.0**_DIGITS).astype(np.int64)
        return cls(significand, np.minimum(_DIGITS - power.astype(np.int64), _FINEST))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Integers times the factor as in float32, then rounded to integers, ties to even."""
        exact = _to_single(values.astype(np.int64)) * self.significand
        return _to_even(_to_single(exact), self.shift)


def _to_single(values: np.ndarray) -> np.ndarray:
    """Rounded to 24 binary digits, ties to even."""
    size = np.abs(values)
    excess = np.zeros(values.shape, np.int64)  # digits beyond 24, found by halving
    for step in (32, 16, 8, 4, 2, 1):
        excess += step * (size >> (excess + step + _DIGITS - 1) > 0)
    return _to_even(values, excess) << excess


def _to_even(values: np.ndarray, places: Any) -> np.ndarray:
    """Divided by a power of two, rounded to nearest, ties to even."""
    whole = values >> places
    rest, half = values - (whole << places), (np.int64(1) << places) >> 1
    return whole + ((rest > half) | ((rest == half) & (half > 0) & (whole & 1 == 1)))


def _in_single(values: Tensor, kernel: Tensor, output: Tensor) -> Kernel:
    """From steps of the sums of products to those of the output, from scales in float32."""
    return SinglePrecision.of(values.scales * kernel.scales / output.scales)


def _sum(node: Node, *, sign: int) -> Kernel:
    """ADD and SUB, with weights of 21 bits."""
    if not node.quantized:
        return REFERENCE["ADD" if sign > 0 else "SUB"](node)
    first, second = node.inputs
    ratios = np.concatenate([first.scales, second.scales]) / node.output.scales
    places = 21 - int(np.frexp(ratios.max())[1])
    weights, grid = np.rint(np.ldexp(ratios, places)).astype(np.int64), node.grid

    def run(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        left = centred(values, first.zero) * weights[0]
        return grid(shifted_up(left + sign * centred(others, second.zero) * weights[1], places))

    return run


def _mean(node: Node) -> Kernel:
    """MEAN; the zero points are an offset in float32, which decides where ties go."""
    taken, given, number = node.inputs[0], node.output, count(node)
    scale = taken.scales[0] / given.scales[0] / np.float32(number)
    factor, offset = SinglePrecision.of(scale), np.float32(-taken.zero * number) * scale
    places = factor.shift + 8  # room for the offset's digits
    steps = np.rint(np.ldexp(np.float64(offset + np.float32(given.zero)), places)).astype(np.int64)

    def scaled(total: np.ndarray) -> np.ndarray:
        stored = total.astype(np.int64) + taken.zero * number
        product = _to_single(_to_single(stored) * factor.significand) << 8
        return _to_even(_to_single(product + steps), places) - given.zero

    return sums(node, scaled)


def _quantized(node: Node) -> Kernel:
    """QUANTIZE within a type, by a factor of 8 bits behind the point; XNNPACK has no other."""
    (taken,), grid = node.inputs, node.output.grid()
    if not node.quantized or taken.dtype != node.output.dtype:
        return REFERENCE["QUANTIZE"](node)
    weight = np.rint(256 * (taken.scales[0] / node.output.scales[0])).astype(np.int64)
    return lambda values: grid(shifted_up(centred(values, taken.zero) * weight, 8))


def _taps(side: int, length: int, *, half_pixel_centers: bool, align_corners: bool) -> Taps:
    """Where rows lie, in fractions of 2**11 and found in float32."""
    inner = int(align_corners and length > 1)
    step = np.float32(side - inner) / np.float32(length - inner)
    places = np.arange(length, dtype=np.float32) * step
    if half_pixel_centers:
        places = places + (np.float32(0.5) * step - np.float32(0.5))
    places = np.clip(places, 0, np.float32(side - 1))
    first = places.astype(np.int64)
    weight = np.rint((places - first.astype(np.float32)) * np.float32(2**11)).astype(np.int64)
    return Taps(first, np.minimum(first + 1, side - 1), weight, 2**11)


XNNPACK: dict[str, Builder] = REFERENCE | {
    "ADD": partial(_sum, sign=1),
    "CONV_2D": partial(convolution, factor=_in_single),
    "DEPTHWISE_CONV_2D": partial(convolution, depthwise=True, factor=_in_single),
    "MEAN": _mean,
    "MUL": partial(product, factor=SinglePrecision.of),
    "QUANTIZE": _quantized,
    "RESIZE_BILINEAR": partial(bilinear, taps=_taps, rounded=shifted_up),
    "SUB": partial(_sum, sign=-1),
    "TRANSPOSE_CONV": partial(transposed_convolution, factor=_in_single),
}
"""The operators, rounded as XNNPACK does."""
