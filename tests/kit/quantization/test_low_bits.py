"""Few levels against values worked out by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.low_bits import activation_step, at_levels, kernel_codes, through
from tests.kit.quantization.gradients import gradient_of

KERNEL = np.random.default_rng(0).normal(0, [0.1, 3.0, 0.7], (3, 3, 8, 3)).astype("float32")
AXES = (0, 1, 2)


def codes_of(kernel: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    codes, step = kernel_codes(ops.convert_to_tensor(kernel), bits, AXES)
    return ops.convert_to_numpy(codes), ops.convert_to_numpy(step)


def test_one_bit_is_the_sign_times_the_mean_magnitude() -> None:
    kernel = np.float32([-3, -1, 0, 2]).reshape(1, 1, 4, 1)
    codes, step = codes_of(kernel, 1)
    assert codes.ravel().tolist() == [-1, -1, 1, 1]
    assert step.item() == 1.5


def test_two_bits_are_ternary_with_the_mean_of_what_is_kept() -> None:
    # Beyond half of the step are 3, -2 and 2.5: their mean magnitude is the step.
    kernel = np.float32([3, -2, 2.5, 0.2, -0.1, 0]).reshape(1, 1, 6, 1)
    codes, step = codes_of(kernel, 2)
    assert codes.ravel().tolist() == [1, -1, 1, 0, 0, 0]
    assert step.item() == pytest.approx(2.5)


@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_are_whole_within_their_bits_and_near_the_kernel(bits: int) -> None:
    codes, step = codes_of(KERNEL, bits)
    most = max(2 ** (bits - 1) - 1, 1)
    assert set(np.unique(codes)) <= set(range(-most, most + 1))
    assert len(np.unique(codes[..., 0])) <= 2**bits
    error = np.square(codes * step - KERNEL).mean(AXES) / np.square(KERNEL).mean(AXES)
    # The best quantizers of a normal variable leave 0.363, 0.191, 0.047, 0.013, 0.0037, 0.0011, ...
    bound = (0.45, 0.25, 0.06, 0.018, 0.006, 0.002, 6e-4, 2e-4)[bits - 1]
    assert (error < bound).all()


def test_eight_bits_are_those_of_the_largest_magnitude() -> None:
    codes, step = codes_of(KERNEL, 8)
    np.testing.assert_allclose(step.ravel(), np.abs(KERNEL).max(AXES) / 127, rtol=1e-6)
    assert (np.abs(codes).max(AXES) == 127).all()


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_channel_of_zeros_stays_zero(bits: int) -> None:
    codes, step = codes_of(np.zeros((1, 1, 4, 2), "float32"), bits)
    assert not (codes * step).any()


def test_two_bits_of_activations_have_four_values_of_which_zero_is_one() -> None:
    step, first, last = activation_step(0.0, 6.0, 4.0, 2)
    # 2.9 root mean squares, less than the range.
    assert float(step) == pytest.approx(2.9 * 2 / 3)
    assert (float(first), float(last)) == (0, 3)
    x = np.linspace(-2, 9, 1000, dtype="float32")
    found = np.unique(ops.convert_to_numpy(at_levels(x, step, first, last)))
    np.testing.assert_allclose(found, float(step) * np.arange(4), rtol=1e-6)


def test_a_narrow_range_is_not_widened_and_zero_is_on_the_grid() -> None:
    step, first, last = activation_step(-1.0, 2.0, 100.0, 3)
    assert float(step) == pytest.approx(3 / 7)
    assert (float(first), float(last)) == (-2, 5)


def test_gradients_pass_within_the_levels_and_teach_the_step() -> None:
    x = np.float32([-1, 0.2, 1.4, 2.6, 9])

    def of_x(x: object) -> object:
        return ops.sum(at_levels(x, 1.0, 0.0, 3.0))

    def of_step(step: object) -> object:
        return ops.sum(at_levels(x, step, 0.0, 3.0))

    np.testing.assert_array_equal(gradient_of(of_x, x), [0, 1, 1, 1, 0])
    # LSQ: the error of rounding in steps within, the number of the level beyond.
    expected = 0 + (0 - 0.2) + (1 - 1.4) + (3 - 2.6) + 3
    assert gradient_of(of_step, np.float32(1.0)) == pytest.approx(expected, abs=1e-5)


def test_through_is_what_was_rounded_to_the_bit() -> None:
    x = np.float32([0.1, -7.3])
    rounded = np.float32([0.3, 0.7])
    assert np.array_equal(ops.convert_to_numpy(through(ops.convert_to_tensor(x), rounded)), rounded)
    gradient = gradient_of(lambda x: ops.sum(3 * through(x, rounded)), x)
    np.testing.assert_array_equal(gradient, [3, 3])


def test_the_width_may_be_a_variable() -> None:
    width = keras.Variable(2.0, trainable=False)
    few = kernel_codes(ops.convert_to_tensor(KERNEL), width, AXES)[0]
    width.assign(4.0)
    more = kernel_codes(ops.convert_to_tensor(KERNEL), width, AXES)[0]
    assert float(ops.max(few)) == 1
    assert float(ops.max(more)) == 7
