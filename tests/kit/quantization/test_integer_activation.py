"""Activations of integer training: by the batch's own unit in training, by a frozen one after."""

import numpy as np
import pytest
from keras import ops

from kit.quantization.integer_activation import IntegerActivation
from tests.kit.quantization.gradients import gradient_of


def values(scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(1).normal(0, scale, (3, 50)).astype("float32")


def sq(x: np.ndarray, bits: int, unit: float) -> np.ndarray:
    delta = 2.0 ** (1 - bits)
    return unit * np.clip(delta * np.floor(x / unit / delta + 0.5), -1 + delta, 1 - delta)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_training_rounds_by_the_largest_of_the_batch(bits: int) -> None:
    layer, x = IntegerActivation(bits, None, name="a"), values()
    found = ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, sq(x, bits, np.abs(x).max()), atol=1e-6)


def test_the_frozen_unit_is_a_moving_average_of_those_in_training() -> None:
    layer = IntegerActivation(8, None, name="a")
    units = []
    for scale in (1.0, 2.0, 0.5):
        layer(values(scale), training=True)
        units.append(np.abs(values(scale)).max())
    expected = units[0]
    for unit in units[1:]:
        expected = 0.95 * expected + 0.05 * unit
    assert float(layer.high) == pytest.approx(expected * 127 / 128, rel=1e-5)
    assert float(layer.low) == pytest.approx(-expected, rel=1e-5)
    x = values(0.2)
    found = ops.convert_to_numpy(layer(x)) / (expected / 128)
    np.testing.assert_allclose(found, np.round(found), atol=1e-3)
    np.testing.assert_allclose(found, x / (expected / 128), atol=0.51)


def test_the_gradient_has_its_bits_in_training_alone() -> None:
    """E1."""
    layer, x = IntegerActivation(8, 4, name="a"), values()
    layer(x, training=True)
    weights = values()[::-1].copy()
    found = gradient_of(lambda x: ops.sum(layer.passed(x) * weights), x)
    assert len(np.unique(found)) <= 15
    np.testing.assert_allclose(found, sq(weights, 4, np.abs(weights).max()), atol=1e-6)


def test_without_a_unit_neither_scaled_nor_clipped() -> None:
    layer = IntegerActivation(8, None, is_scaled=False, name="a")
    x = np.float32([[0.1, 5.003, -3.2]])
    found = ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, np.floor(x * 128 + 0.5) / 128, atol=1e-6)


def test_observing_widens_the_unit_and_passes_values_on() -> None:
    layer = IntegerActivation(8, 8, name="a")
    layer(values(0.1))
    layer.mode = "observe"
    for scale in (1.0, 3.0, 2.0):
        x = values(scale)
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), x)
    assert -float(layer.low) == pytest.approx(np.abs(values(3.0)).max(), rel=1e-6)
