"""Tails of every kind: where they begin, what they count, and two classes as one logit."""

import keras
import numpy as np
import pytest

from kit.layers import Tail, TailConfig
from kit.layers.tail_config import KINDS


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def wired(
    kind: str, classes: int, scale: int = 8, *, depthwise: bool = False
) -> tuple[Tail, keras.Model]:
    tail = Tail(TailConfig(scale, depthwise, kind), classes, name="tail")
    logits = keras.Input((6, 6, classes))
    return tail, keras.Model(logits, tail.connect(logits))


@pytest.mark.parametrize(
    ("kind", "scale", "depthwise", "counts"),
    [
        ("learned", 16, False, {2: 112, 3: 924}),
        ("learned", 8, False, {2: 87, 3: 723}),
        ("learned", 16, True, {2: 59, 3: 177}),
        ("pixel_shuffle", 16, False, {2: 2560, 3: 28 * 3 * 256}),
        ("bilinear", 16, False, {2: 0, 3: 0}),
    ],
)
def test_two_classes_count_as_one(
    kind: str, scale: int, depthwise: bool, counts: dict[int, int]
) -> None:
    for classes, count in counts.items():
        tail, model = wired(kind, classes, scale, depthwise=depthwise)
        assert tail.parameters == model.count_params() == count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3])
def test_it_begins_as_bilinear_interpolation(kind: str, classes: int) -> None:
    _, model = wired(kind, classes)
    # A slope, which interpolation leaves straight.
    rows = np.arange(6, dtype="float32")[:, None] * np.arange(1, classes + 1, dtype="float32")
    logits = np.broadcast_to(rows[:, None], (6, 6, classes))[None]
    levels = [numpy(level) for level in model(logits)]
    np.testing.assert_array_equal(levels[0], logits)
    assert levels[-1].shape == (1, 48, 48, classes)
    fine = (np.arange(48) + 0.5) / 8 - 0.5
    expected = fine[:, None] * np.arange(1, classes + 1)
    if classes == 2:  # the first of two logits is always 0
        expected -= expected[:, :1]
    inner = slice(16, -16)
    found = levels[-1][0, inner, inner]
    np.testing.assert_allclose(
        found, np.broadcast_to(expected[inner, None], found.shape), atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_classes_the_difference_alone_matters(kind: str) -> None:
    _, model = wired(kind, 2)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    logits = rng.normal(0, 3, (1, 6, 6, 2)).astype("float32")
    one, other = model(logits)[1:], model(logits + np.float32(5))[1:]
    for level, moved in zip(one, other, strict=True):
        assert not numpy(level)[..., 0].any()
        assert numpy(level)[..., 1].std() > 0.01
        np.testing.assert_allclose(numpy(moved), numpy(level), atol=1e-3)


def test_levels_are_those_that_the_loss_takes() -> None:
    sides = {kind: [output.shape[1] for output in wired(kind, 2)[1].outputs] for kind in KINDS}
    assert sides == {
        "learned": [6, 12, 24, 48],
        "bilinear": [6, 12, 24, 48],
        "pixel_shuffle": [6, 48],
    }
