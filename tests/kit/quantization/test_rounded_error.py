"""Gradients that are rounded on their way back, against the quantizer in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.rounded_error import straight_through, with_rounded_error
from tests.kit.quantization.gradients import gradient_of


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_values_pass_and_gradients_are_rounded_in_units_of_their_largest(bits: int) -> None:
    x, weights = values(50), values(50)[::-1].copy()
    np.testing.assert_array_equal(ops.convert_to_numpy(with_rounded_error(x, bits)), x)
    found = gradient_of(lambda x: ops.sum(with_rounded_error(x, bits) * weights), x)
    unit, delta = np.abs(weights).max(), 2.0 ** (1 - bits)
    steps = np.floor(weights / unit / delta + 0.5)
    expected = unit * np.clip(steps * delta, -1 + delta, 1 - delta)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert len(np.unique(found)) <= 2**bits - 1


def test_a_gradient_of_zeros_stays_zero() -> None:
    found = gradient_of(lambda x: ops.sum(with_rounded_error(x, 8) * 0.0), values(5))
    assert (found == 0).all()


def test_a_variable_may_be_handed_in() -> None:
    variable = keras.Variable(values(4))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(with_rounded_error(variable, 8)), ops.convert_to_numpy(variable)
    )


def test_straight_through_has_the_rounded_value_and_the_gradient_of_the_other() -> None:
    x = values(6)
    np.testing.assert_allclose(ops.convert_to_numpy(straight_through(x, np.round(x))), np.round(x))
    found = gradient_of(lambda x: ops.sum(straight_through(x, ops.round(x)) ** 2), x)
    np.testing.assert_allclose(found, 2 * np.round(x), rtol=1e-6)
