"""Augmentation: image and label stay together, and nothing but the generator decides."""

from typing import Any

import numpy as np
import pytest

from kit.data.augmentation import Augmentation
from kit.data.labels import VOID
from kit.errors import InputError

COLORS = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250], [240, 240, 10]], np.uint8)
"""The colour that encodes each class in `blocks`; their mean, of padding, is none of them."""
PLAIN = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
SEEDS = range(12)


def blocks(size: tuple[int, int] = (96, 128), side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Squares of random classes, and the image that shows each class in its own colour."""
    cells = np.random.default_rng(5).integers(0, 4, (size[0] // side, size[1] // side))
    label = cells.repeat(side, 0).repeat(side, 1).astype(np.uint8)
    return COLORS[label], label


def inner(label: np.ndarray, reach: int = 3) -> np.ndarray:
    """Where all labels within `reach`, the frame included, are the same: no colours are mixed."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(label, reach, constant_values=VOID), (2 * reach + 1,) * 2
    )
    return np.asarray((windows == label[..., None, None]).all((-1, -2)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [(96, 128), (70, 90), (120, 100)], ids=str)
@pytest.mark.parametrize("scale", [(0.5, 0.5), (1.0, 1.0), (1.7, 1.7), (0.5, 2.0)], ids=str)
def test_image_and_label_stay_aligned(
    scale: tuple[float, float], size: tuple[int, int], seed: int
) -> None:
    image, label = Augmentation(scale, **PLAIN)(*blocks(), size, np.random.default_rng(seed))
    assert (image.dtype, image.shape) == (np.uint8, (*size, 3))
    assert (label.dtype, label.shape) == (np.uint8, size)
    where = inner(label) & (label != VOID)
    assert where.mean() > 0.03
    np.testing.assert_allclose(image[where].astype(int), COLORS[label[where]], atol=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_edge_between_classes_is_where_the_colors_change(seed: int) -> None:
    label = np.zeros((64, 64), np.uint8)
    label[:, 32:] = 1
    augment = Augmentation((0.5, 2.0), **PLAIN)
    image, label = augment(COLORS[label], label, (64, 64), np.random.default_rng(seed))
    nearest = np.abs(image[..., None, :].astype(int) - COLORS[:2]).sum(-1).argmin(-1)
    wrong = ((nearest != label) & (label != VOID)).sum(1)
    assert wrong.max() <= 1  # of a row


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [0.3, 0.5, 0.9])
def test_a_smaller_image_is_padded_with_its_mean_and_void(scale: float, seed: int) -> None:
    size = (80, 100)
    augment = Augmentation((scale, scale), **PLAIN)
    image, label = augment(*blocks(), size, np.random.default_rng(seed))
    rows, columns = np.nonzero(label != VOID)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert (bottom - top, right - left) == (round(80 * scale), round(100 * scale))
    assert (label[top:bottom, left:right] != VOID).all()
    mean = image[top:bottom, left:right].mean((0, 1))
    np.testing.assert_allclose(image[label == VOID].astype(int) - mean.round(), 0, atol=1)


def test_padding_and_windows_reach_every_side() -> None:
    places = set()
    for seed in range(200):
        augment = Augmentation((0.9, 0.9), flip=False, **PLAIN)
        _, label = augment(*blocks(), (20, 20), np.random.default_rng(seed))
        rows, columns = np.nonzero(label != VOID)
        places.add((int(rows.min()), int(columns.min())))
    assert places == {(row, column) for row in range(3) for column in range(3)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_larger_image_has_no_void_and_keeps_that_of_its_label(seed: int) -> None:
    image, label = blocks()
    _, larger = Augmentation((1.0, 2.0))(image, label, (96, 128), np.random.default_rng(seed))
    assert (larger != VOID).all()
    _, void = Augmentation((1.0, 2.0))(
        image, np.full_like(label, VOID), (96, 128), np.random.default_rng(seed)
    )
    assert (void == VOID).all()


def test_scale_1_without_colors_and_flip_changes_nothing() -> None:
    image, label = blocks()
    augment = Augmentation((1.0, 1.0), flip=False, **PLAIN)
    same_image, same_label = augment(image, label, label.shape, np.random.default_rng(0))
    np.testing.assert_array_equal(same_image, image)
    np.testing.assert_array_equal(same_label, label)


def test_half_of_the_samples_are_mirrored() -> None:
    image, label = blocks()
    augment = Augmentation((1.0, 1.0), flip=True, **PLAIN)
    mirrored = 0
    for seed in range(200):
        got_image, got_label = augment(image, label, label.shape, np.random.default_rng(seed))
        flipped = bool((got_label == label[:, ::-1]).all())
        mirrored += flipped
        np.testing.assert_array_equal(got_image, image[:, ::-1] if flipped else image)
        np.testing.assert_array_equal(got_label, label[:, ::-1] if flipped else label)
    assert 70 < mirrored < 130


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_a_pure_function_of_its_generator(seed: int) -> None:
    image, label = blocks()
    image.setflags(write=False)
    label.setflags(write=False)
    augment = Augmentation(hue=0.2)
    first = augment(image, label, (60, 80), np.random.default_rng(seed))
    np.random.seed(seed)  # noqa: NPY002 - the global generator must not matter
    again = augment(image, label, (60, 80), np.random.default_rng(seed))
    other = augment(image, label, (60, 80), np.random.default_rng(seed + 100))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def draws(**options: Any) -> list[np.ndarray]:
    """One flat image under many draws."""
    image = np.full((4, 4, 3), (160, 100, 60), np.uint8)
    image[2:] = (90, 60, 140)
    label = np.zeros((4, 4), np.uint8)
    augment = Augmentation((1.0, 1.0), flip=False, **{**PLAIN, **options})
    return [augment(image, label, (4, 4), np.random.default_rng(s))[0] for s in range(100)]


def test_brightness_scales_within_its_range() -> None:
    factors = [image[0, 0].astype(float) / (160, 100, 60) for image in draws(brightness=0.3)]
    assert 0.69 < np.min(factors) < 0.73
    assert 1.27 < np.max(factors) < 1.31
    assert max(factor.max() - factor.min() for factor in factors) < 0.02


def test_contrast_moves_colors_about_the_mean_grey() -> None:
    spreads = [int(image[0, 0, 0]) - int(image[2, 0, 0]) for image in draws(contrast=0.3)]
    assert 48 <= min(spreads) < 55
    assert 85 < max(spreads) <= 92


def test_saturation_moves_colors_about_their_grey() -> None:
    images = draws(saturation=0.3)
    spreads = [int(image[0, 0].max()) - int(image[0, 0].min()) for image in images]
    assert 69 <= min(spreads) < 76
    assert 124 < max(spreads) <= 131
    greys = [image[0, 0] @ np.array([0.299, 0.587, 0.114]) for image in images]
    np.testing.assert_allclose(greys, 113.4, atol=2)


def test_hue_turns_colors_and_keeps_their_brightness() -> None:
    images = draws(hue=0.5)
    assert {int(image[0, 0].argmax()) for image in images} == {0, 1, 2}
    np.testing.assert_allclose([image[0, 0].max() for image in images], 160, atol=2)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_strength_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"^`{name}` must be from 0 to .*; got {value}$"):
        Augmentation(**{name: value})


@pytest.mark.parametrize("scale", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0,)], ids=str)
def test_a_scale_out_of_range_is_refused(scale: Any) -> None:
    with pytest.raises(InputError, match="`scale` must be"):
        Augmentation(scale=scale)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [(0.5, 0.5), (1.0, 1.0), (1.7, 1.7), (0.5, 2.0)], ids=str)
def test_a_larger_label_shows_the_same_part(scale: tuple[float, float], seed: int) -> None:
    augment = Augmentation(scale, flip_vertical=True, **PLAIN)
    image, label = augment(*blocks(), (24, 32), np.random.default_rng(seed), label_scale=4)
    assert (image.shape, label.shape) == ((24, 32, 3), (96, 128))
    squares = label.reshape(24, 4, 32, 4).transpose(0, 2, 1, 3).reshape(24, 32, 16)
    # Void and classes meet at the edges of the image's own pixels.
    is_void = squares == VOID
    np.testing.assert_array_equal(is_void.all(-1), is_void.any(-1))
    is_one = (squares == squares[..., :1]).all(-1)
    where = inner(np.where(is_one, squares[..., 0], VOID), 1) & ~is_void.any(-1)
    assert where.mean() > 0.02
    np.testing.assert_allclose(image[where].astype(int), COLORS[squares[where][:, 0]], atol=2)


def test_flips_are_drawn_apart_and_change_no_other_draw() -> None:
    size = (96, 128)
    image, label = blocks()
    found = set()
    for seed in range(40):
        augment = Augmentation((1.0, 1.0), flip_vertical=True, **PLAIN)
        _, ids = augment(image, label, size, np.random.default_rng(seed))
        ways = {"": label, "h": label[:, ::-1], "v": label[::-1], "hv": label[::-1, ::-1]}
        (way,) = (name for name, expected in ways.items() if np.array_equal(ids, expected))
        found.add(way)
        plain = Augmentation((1.0, 1.0), **PLAIN)
        _, before = plain(image, label, size, np.random.default_rng(seed))
        assert np.array_equal(before, label[:, ::-1]) == ("h" in way)
    assert found == {"", "h", "v", "hv"}
