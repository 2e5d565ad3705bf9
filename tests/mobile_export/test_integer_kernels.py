"""Kernels against loops that follow the definition, pixel by pixel."""

from itertools import product

import numpy as np
import pytest

from mobile_export import integer_kernels as kernels
from mobile_export.fixed_point import shifted
from mobile_export.integer_kernels import Grid, Window

RNG = np.random.default_rng(0)
ZERO = -9
SHAPES = [((1, 7, 9, 4), (3, 3)), ((2, 6, 5, 3), (2, 3)), ((1, 5, 8, 1), (1, 1))]
MOVES = [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 2), (2, 3))]


def integers(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def seen(
    values: np.ndarray, window: Window, place: tuple[int, int], within: tuple[int, int]
) -> np.ndarray | None:
    """What lies at one place of a window, None beyond the border."""
    at = [
        index * stride + step * dilation - before
        for index, step, stride, dilation, before in zip(
            place, within, window.strides, window.dilations, window.before, strict=True
        )
    ]
    inside = all(0 <= index < side for index, side in zip(at, values.shape[1:3], strict=True))
    return values[:, at[0], at[1]].astype(int) if inside else None


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("strides", "dilations"), MOVES)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_convolutions_are_sums_over_the_window(
    shape: tuple[int, ...],
    size: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    same: bool,
) -> None:
    values, inputs = integers(*shape), shape[-1]
    kernel, flat = integers(5, *size, inputs), integers(1, *size, 2 * inputs)
    window = Window.over(shape, size, strides, dilations, same=same)
    full = np.zeros((shape[0], *window.places, 5), int)
    deep = np.zeros((shape[0], *window.places, 2 * inputs), int)
    for place in product(*map(range, window.places)):
        for within in product(*map(range, size)):
            there = seen(values, window, place, within)
            if there is not None:
                full[:, *place] += (there - ZERO) @ kernel[:, *within].T.astype(int)
                deep[:, *place] += np.repeat(there - ZERO, 2, -1) * flat[0, *within].astype(int)
    np.testing.assert_array_equal(kernels.convolution(values, kernel, ZERO, window), full)
    np.testing.assert_array_equal(kernels.depthwise_convolution(values, flat, ZERO, window), deep)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    ("strides", "size"), [((1, 1), (3, 3)), ((2, 3), (4, 3)), ((4, 4), (2, 3))]
)
def test_a_transposed_convolution_is_the_other_direction(
    strides: tuple[int, int], size: tuple[int, int], same: bool
) -> None:
    """<convolution(x), y> = <x, transposed(y)>, for whichever x and y."""
    wide, outputs, inputs = (1, 9, 11, 3), 3, 4
    window = Window.over(wide, size, strides, same=same)
    kernel = integers(outputs, *size, inputs)
    small, large = integers(1, *window.places, inputs), integers(*wide)
    there = kernels.convolution(large, kernel.transpose(3, 1, 2, 0), 0, window).astype(int)
    back = kernels.transposed_convolution(small, kernel, 0, window, (9, 11)).astype(int)
    assert back.shape == wide
    assert (there * small).sum() == (back * large).sum()


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    ("size", "strides"), [((2, 2), (2, 2)), ((3, 1), (1, 1)), ((3, 2), (2, 1))]
)
def test_pools_look_at_what_lies_on_the_map(
    size: tuple[int, int], strides: tuple[int, int], same: bool
) -> None:
    values = integers(1, 7, 6, 3)
    window = Window.over(values.shape, size, strides, same=same)
    mean, largest = kernels.average_pool(values, window), kernels.maximum_pool(values, window)
    for place in product(*map(range, window.places)):
        found = [seen(values, window, place, within) for within in product(*map(range, size))]
        there = np.concatenate([array for array in found if array is not None])
        exact = there.mean(0)
        expected = np.sign(exact) * np.floor(np.abs(exact) + 0.5)
        np.testing.assert_array_equal(mean[0, *place], expected)
        np.testing.assert_array_equal(largest[0, *place], there.max(0))


@pytest.mark.parametrize("size", [(14, 18), (28, 36), (5, 12), (1, 1)])
@pytest.mark.parametrize(("half", "corners"), [(True, False), (False, False), (False, True)])
def test_interpolation_is_the_real_one_to_a_step(
    size: tuple[int, int], half: bool, corners: bool
) -> None:
    values = integers(1, 7, 9, 2)
    rows, columns = (
        kernels.taps(side, length, half_pixel_centers=half, align_corners=corners)
        for side, length in zip((7, 9), size, strict=True)
    )
    found = kernels.bilinear(values, rows, columns, shifted)
    exact = values[0].astype(float)
    for axis, length in enumerate(size):
        side = exact.shape[axis]
        inner = corners and length > 1
        at = np.arange(length) * (side - inner) / (length - inner)
        at = (np.clip((np.arange(length) + 0.5) * side / length - 0.5, 0, side - 1)) if half else at
        low = np.minimum(np.floor(at).astype(int), side - 1)
        share = (at - low).reshape(-1, *[1] * (2 - axis))
        exact = exact.take(low, axis) * (1 - share) + share * exact.take(
            np.minimum(low + 1, side - 1), axis
        )
    # A place is known to 10 bits a row, which is 255 / 1024 of a step for each row from the first.
    np.testing.assert_allclose(found[0], exact, atol=0.51 + 255 * 28 / 2**11)
    if not corners and all(length % side == 0 for side, length in zip((7, 9), size, strict=True)):
        np.testing.assert_allclose(found[0], exact, atol=0.51)


@pytest.mark.parametrize("half", [True, False])
def test_nearest_pixels_are_repeated(half: bool) -> None:
    found = [
        kernels.nearest(side, length, half_pixel_centers=half, align_corners=False).tolist()
        for side, length in ((3, 6), (4, 12))
    ]
    assert found == [np.arange(3).repeat(2).tolist(), np.arange(4).repeat(3).tolist()]


def test_a_grid_cuts_off_what_it_cannot_hold() -> None:
    grid = Grid(zero=-3, low=-3, high=100, dtype=np.int8)
    found = grid(np.asarray([-200, -1, 0, 5, 200], np.int64))
    assert found.dtype == np.int8
    assert found.tolist() == [-3, -3, -3, 2, 100]
