"""The quantizers of integer training against values worked out by hand and against NumPy."""

import numpy as np
import pytest
from keras import ops

from kit.errors import InputError
from kit.quantization.uniform import magnitude, scaled, step, stochastic, uniform

BITS = [2, 3, 8, 16, 24]


def numpy_of(x: object) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(x))


def chances(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).random(shape, "float32")


def values(*shape: int, seed: int = 0, scale: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def reference(x: np.ndarray, bits: int) -> np.ndarray:
    """Equation 1 in double precision."""
    delta = 2.0 ** (1 - bits)
    rounded = delta * np.floor(x.astype(float) / delta + 0.5)
    return np.clip(rounded, -1 + delta, 1 - delta)


def test_by_hand() -> None:
    """Steps of 1/4: ties go up, ends are ±3/4."""
    x = np.float32([0.0, 0.12, 0.125, -0.125, -0.13, 0.3, 0.9, 5.0, -0.9, -5.0])
    expected = [0.0, 0.0, 0.25, 0.0, -0.25, 0.25, 0.75, 0.75, -0.75, -0.75]
    assert numpy_of(uniform(x, 3)).tolist() == expected


def test_eight_bits_are_minus_127_to_127_of_128() -> None:
    x = np.linspace(-2, 2, 4001, dtype="float32")
    whole = numpy_of(uniform(x, 8)) * 128
    assert sorted(set(whole.tolist())) == list(range(-127, 128))


@pytest.mark.parametrize("bits", BITS)
def test_uniform_equals_the_equation(bits: int) -> None:
    x = values(5000)
    np.testing.assert_array_equal(numpy_of(uniform(x, bits)), reference(x, bits))


@pytest.mark.parametrize("bits", BITS)
def test_uniform_is_idempotent_and_in_range(bits: int) -> None:
    once = numpy_of(uniform(values(5000, scale=2), bits))
    assert np.array_equal(numpy_of(uniform(once, bits)), once)
    assert np.abs(once).max() == 1 - step(bits)
    assert len(set(once.tolist())) <= 2**bits - 1


def test_span_of_two_is_twice_uniform_of_the_half() -> None:
    x = values(1000, scale=1.5)
    assert np.array_equal(numpy_of(uniform(x, 16, span=2.0)), 2 * numpy_of(uniform(x / 2, 16)))


@pytest.mark.parametrize("bits", BITS)
def test_scaled_follows_the_tensor(bits: int) -> None:
    x = values(4, 5, 6, scale=30)
    expected = np.abs(x).max() * reference(x / np.abs(x).max(), bits)
    np.testing.assert_allclose(numpy_of(scaled(x, bits)), expected, rtol=1e-6)


def test_scaled_by_hand() -> None:
    """The largest of 8 is out of reach by one step of 8/4, as in the paper."""
    assert numpy_of(scaled(np.float32([8, -8, 3, 0.9]), 3)).tolist() == [6, -6, 4, 0]


def test_scaled_by_a_power_of_two_by_hand() -> None:
    """log2(6) = 2.58, so that the unit is 8 and the step 2."""
    assert numpy_of(scaled(np.float32([6, -3.1, 0.9]), 3, power_of_two=True)).tolist() == [6, -4, 0]


def test_scaled_keeps_zeros() -> None:
    zeros = np.zeros((3, 2), "float32")
    assert numpy_of(scaled(zeros, 8)).tolist() == zeros.tolist()
    assert numpy_of(magnitude(zeros)) == 1


@pytest.mark.parametrize("bits", [2, 8])
def test_stochastic_is_unbiased_and_gives_neighbours_alone(bits: int) -> None:
    draws = 20_000
    inside = np.float32([0.1, -0.37, 0.0, 0.49, -0.001])
    x = np.broadcast_to(inside, (draws, len(inside)))
    found = numpy_of(stochastic(x, bits, chances(x.shape)))
    below = np.floor(inside / step(bits)) * step(bits)
    assert ((found == below) | (found == below + step(bits))).all()
    # 5 standard errors of the mean of a chance between two values one step apart
    np.testing.assert_allclose(found.mean(0), inside, atol=5 * step(bits) / 2 / draws**0.5)


def test_stochastic_keeps_what_is_on_the_grid_and_clips_what_is_outside() -> None:
    x = np.float32([0.25, -0.5, 3.0, -3.0])
    found = numpy_of(stochastic(x, 3, chances(x.shape)))
    assert found.tolist() == [0.25, -0.5, 0.75, -0.75]


@pytest.mark.parametrize("bits", [-1, 1, 25])
def test_a_width_that_float32_cannot_hold_is_refused(bits: int) -> None:
    with pytest.raises(InputError, match=rf"`bits` must be 2 to 24; received: {bits}"):
        uniform(values(3), bits)
