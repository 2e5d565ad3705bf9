"""The operators of an int8 network on NumPy arrays of integers, to the bit as TensorFlow Lite's.

Values are taken as they are stored. Where an operator needs them without their zero point it is
told the zero point, and gives sums that a `Multiplier` brings to the scale of the output.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobile_export.fixed_point import divided

Pair = tuple[int, int]
"""(along the height, along the width)."""


@dataclass(frozen=True)
class Grid:
    """The integers that a tensor may hold.

    Args:
        zero: which of them stands for 0.
        low: smallest.
        high: largest.
        dtype: their type.
    """

    zero: int
    low: int
    high: int
    dtype: Any

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Whole numbers of steps from 0, as the tensor stores them."""
        return np.clip(values + self.zero, self.low, self.high).astype(self.dtype)


@dataclass(frozen=True)
class Window:
    """Where a window lies on a map while it moves.

    Args:
        size: of the window.
        strides: steps from place to place.
        dilations: steps between neighbours within the window.
        before: rows and columns by which the first place reaches over the border.
        places: number of places.
    """

    size: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    places: Pair

    @classmethod
    def over(
        cls,
        shape: Sequence[int],
        size: Pair,
        strides: Pair,
        dilations: Pair = (1, 1),
        *,
        same: bool,
    ) -> "Window":
        """The window over a map `(batch, height, width, channels)`.

        Args:
            shape: of the map.
            size: of the window.
            strides: steps from place to place.
            dilations: steps between neighbours within the window.
            same: whether it reaches over the border, so that without strides there are as many
                places as pixels.
        """
        before, places = [], []
        for side, length, stride, dilation in zip(
            shape[1:3], size, strides, dilations, strict=True
        ):
            reach = (length - 1) * dilation + 1
            count = -(-side // stride) if same else (side - reach) // stride + 1
            before.append(max(0, (count - 1) * stride + reach - side) // 2 if same else 0)
            places.append(count)
        return cls(size, strides, dilations, (before[0], before[1]), (places[0], places[1]))

    def parts(self, values: np.ndarray, fill: int = 0) -> Iterator[tuple[Pair, np.ndarray]]:
        """Each place within the window, with what a map holds there for all places of the window.

        Args:
            values: `(batch, height, width, channels)`.
            fill: what it holds beyond its border.
        """
        ends = [  # where the last place ends
            (count - 1) * stride + (length - 1) * dilation + 1 - before
            for count, stride, length, dilation, before in zip(
                self.places, self.strides, self.size, self.dilations, self.before, strict=True
            )
        ]
        after = [max(0, end - side) for end, side in zip(ends, values.shape[1:3], strict=True)]
        (top, left), (bottom, right) = self.before, after
        wide = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        (rows, columns), (down, across) = self.places, self.strides
        for y in range(self.size[0]):
            for x in range(self.size[1]):
                first, second = y * self.dilations[0], x * self.dilations[1]
                part = wide[:, first:, second:][:, ::down, ::across][:, :rows, :columns]
                yield (y, x), part


def convolution(values: np.ndarray, kernel: np.ndarray, zero: int, window: Window) -> np.ndarray:
    """Sums of products, int32 `(batch, rows, columns, outputs)`.

    Args:
        values: int8 `(batch, height, width, inputs)`.
        kernel: int8 `(outputs, rows, columns, inputs)`.
        zero: zero point of the values.
        window: where the kernel lies.
    """
    weights = kernel.astype(np.int32)
    total = np.zeros((len(values), *window.places, len(kernel)), np.int32)
    for (y, x), part in window.parts(centred(values, zero)):
        total += _products(part, weights[:, y, x])
    return total


def depthwise_convolution(
    values: np.ndarray, kernel: np.ndarray, zero: int, window: Window
) -> np.ndarray:
    """Sums of products within each channel, int32 `(batch, rows, columns, outputs)`.

    Args:
        values: int8 `(batch, height, width, inputs)`.
        kernel: int8 `(1, rows, columns, outputs)`; each input serves as many outputs.
        zero: zero point of the values.
        window: where the kernel lies.
    """
    weights = kernel[0].astype(np.int32)
    times = weights.shape[-1] // values.shape[-1]
    total = np.zeros((len(values), *window.places, weights.shape[-1]), np.int32)
    for (y, x), part in window.parts(centred(values, zero)):
        total += np.repeat(part, times, -1) * weights[y, x]
    return total


def transposed_convolution(
    values: np.ndarray, kernel: np.ndarray, zero: int, window: Window, size: Pair
) -> np.ndarray:
    """Sums of products that each value hands to the places of a window, int32.

    Args:
        values: int8 `(batch, height, width, inputs)`.
        kernel: int8 `(outputs, rows, columns, inputs)`.
        zero: zero point of the values.
        window: over the output, as a convolution in the other direction would have it.
        size: of the output.
    """
    weights = kernel.astype(np.int32)
    centre = centred(values, zero)
    (height, width), (down, across) = values.shape[1:3], window.strides
    (top, left), (rows, columns) = window.before, window.size
    spread = ((height - 1) * down + rows, (width - 1) * across + columns)
    far = [
        max(full, before + side)
        for full, before, side in zip(spread, window.before, size, strict=True)
    ]
    total = np.zeros((len(values), *far, len(kernel)), np.int32)
    for y in range(rows):
        for x in range(columns):
            place = total[:, y:, x:][:, ::down, ::across][:, :height, :width]
            place += _products(centre, weights[:, y, x])
    return total[:, top : top + size[0], left : left + size[1]]


def _products(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`values @ weights.T` over the last axes, which NumPy has no fast `@` for in integers."""
    flat = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    products = np.einsum("pi,oi->po", flat, np.ascontiguousarray(weights))
    return products.reshape(*values.shape[:-1], len(weights))


def centred(values: np.ndarray, zero: int) -> np.ndarray:
    """Values less their zero point, int32."""
    return values.astype(np.int32) - np.int32(zero)


def maximum_pool(values: np.ndarray, window: Window) -> np.ndarray:
    """The largest value of each window."""
    fill = int(np.iinfo(values.dtype).min)
    parts = [part for _, part in window.parts(values, fill)]
    return np.asarray(np.max(parts, axis=0))


def average_pool(values: np.ndarray, window: Window) -> np.ndarray:
    """The mean of each window, of what lies on the map, ties rounded away from 0; int32."""
    ones = np.ones((1, *values.shape[1:3], 1), np.int32)
    total = sum(part for _, part in window.parts(values.astype(np.int32)))
    count = sum(part for _, part in window.parts(ones))
    total, count = np.asarray(total), np.asarray(count)
    return divided(total + np.where(total > 0, count // 2, -(count // 2)), count)


@dataclass(frozen=True)
class Taps:
    """Between which two rows, or columns, each one of the output lies.

    Args:
        first: index of the former.
        second: index of the latter.
        weight: of the latter, in fractions of `whole`.
        whole: weight of both together, a power of two.
    """

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    whole: int

    def __call__(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Weighted sums along an axis, `whole` times what they stand for."""
        shape = [1] * values.ndim
        shape[axis] = -1
        weight = self.weight.reshape(shape)
        first, second = (values.take(places, axis) for places in (self.first, self.second))
        return first * (self.whole - weight) + second * weight


def taps(side: int, length: int, *, half_pixel_centers: bool, align_corners: bool) -> Taps:
    """TensorFlow Lite's, in fractions of 2**10.

    Args:
        side: number of rows that there are.
        length: number of rows that there shall be.
        half_pixel_centers: whether a pixel's place is its centre.
        align_corners: whether the outermost pixels lie on each other.
    """
    one, inner = 1 << 10, int(align_corners and length > 1)
    step = (one * (side - inner) + (length - inner) // 2) // (length - inner)
    places = np.arange(length, dtype=np.int64) * step
    if half_pixel_centers:
        places += step // 2 - one // 2
    first = np.maximum(divided(places, one), 0)
    second = np.minimum(divided(places + one - 1, one), side - 1)
    return Taps(first, second, places - one * first, one)


def bilinear(
    values: np.ndarray, rows: Taps, columns: Taps, rounded: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """Bilinear interpolation; int8 as its input.

    Args:
        values: int8 `(batch, height, width, channels)`.
        rows: where the output's rows lie.
        columns: where its columns lie.
        rounded: divides by a power of two.
    """
    total = rows(columns(values.astype(np.int64), 2), 1)
    places = (rows.whole * columns.whole).bit_length() - 1
    return rounded(total, places).astype(values.dtype)


def nearest(side: int, length: int, *, half_pixel_centers: bool, align_corners: bool) -> np.ndarray:
    """Indices of the nearest rows; arguments as those of `taps`."""
    inner = int(align_corners and length > 1)
    # In float32 as TensorFlow Lite has it: this says where pixels lie, not what they hold.
    step = np.float32(side - inner) / np.float32(length - inner)
    at = (np.arange(length, dtype=np.float32) + np.float32(half_pixel_centers / 2)) * step
    at = np.floor(at + np.float32(0.5)) if align_corners else np.floor(at)
    return np.minimum(at.astype(np.int64), side - 1)
