"""Kernels of few levels in each kind of convolution, worked out by hand channel by channel."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.low_bit_conv import LowBitConv
from tests.kit.quantization.gradients import gradient_of

VALUES = [3, -2, 2.5, 0.2, -0.1, 0, 0.3, -2.5]
EXPECTED = {
    # The sign, and the mean magnitude: 10.6 / 8.
    1: (VALUES, [1, -1, 1, 1, -1, 1, 1, -1], 1.325),
    # Beyond half of the step are 3, -2, 2.5 and -2.5: their mean magnitude is the step.
    2: (VALUES, [1, -1, 1, 0, 0, 0, 0, -1], 2.5),
    # All are multiples of a step that reaches the largest, and stay as they are.
    4: ([3.5, -3, 2.5, -2, 1.5, -1, 0.5, 0], [7, -6, 5, -4, 3, -2, 1, 0], 0.5),
}
"""Bits -> values of a channel, their integers, and the step."""

KINDS = ("plain", "depthwise", "multiplied", "transposed")


def laid_out(kind: str, channels: Any) -> np.ndarray:
    """A kernel of two output channels of eight values each."""
    values = np.asarray(channels, "float32")
    if kind == "depthwise":  # (height, width, channels in, one for each)
        return values.T.reshape(2, 4, 2, 1)
    if kind == "multiplied":  # (height, width, one channel in, two for it)
        return values.T.reshape(2, 4, 1, 2)
    if kind == "transposed":  # (height, width, channels out, channels in)
        return values.reshape(2, 2, 2, 2).transpose(1, 2, 0, 3)
    return values.T.reshape(2, 2, 2, 2)  # (height, width, channels in, channels out)


def a_layer(kind: str, bits: float, values: list[float], least: int = 1) -> LowBitConv:
    """A convolution whose second channel has the values in reverse, ten times as large."""
    conv = {
        "plain": lambda: keras.layers.Conv2D(2, 2),
        "depthwise": lambda: keras.layers.DepthwiseConv2D((2, 4)),
        "multiplied": lambda: keras.layers.DepthwiseConv2D((2, 4), depth_multiplier=2),
        "transposed": lambda: keras.layers.Conv2DTranspose(2, 2, strides=2),
    }[kind]()
    width = keras.Variable(bits, trainable=False)
    layer = LowBitConv(conv, width, least=least, name=f"{kind}_int")
    layer.build((None, 4, 4, 1 if kind == "multiplied" else 2))
    conv.kernel.assign(laid_out(kind, [values, 10 * np.asarray(values[::-1])]))
    return layer


@pytest.mark.parametrize("bits", EXPECTED)
@pytest.mark.parametrize("kind", KINDS)
def test_each_output_channel_has_its_integers_and_its_step(kind: str, bits: int) -> None:
    values, expected, step = EXPECTED[bits]
    layer = a_layer(kind, bits, values)
    expected_codes = laid_out(kind, [expected, expected[::-1]])
    codes, steps, width = layer.codes()
    np.testing.assert_array_equal(codes, expected_codes)
    np.testing.assert_allclose(steps.ravel(), [step, 10 * step], rtol=1e-6)
    assert width == bits
    integers = layer.integers()
    assert integers.dtype == np.int8
    np.testing.assert_array_equal(integers, expected_codes)
    units = laid_out(kind, [[step] * 8, [10 * step] * 8])
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.kernel()), expected_codes * units, rtol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_convolution_with_that_kernel(kind: str) -> None:
    values, expected, step = EXPECTED[2]
    layer = a_layer(kind, 2, values)
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1 if kind == "multiplied" else 2))
    found = ops.convert_to_numpy(layer(x.astype("float32")))
    channels = step * np.asarray([expected, 10 * np.asarray(expected[::-1])])
    layer.conv.kernel.assign(laid_out(kind, channels))
    np.testing.assert_allclose(found, ops.convert_to_numpy(layer.conv(x)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", EXPECTED)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_the_rounding_as_they_are(kind: str, bits: int) -> None:
    layer = a_layer(kind, bits, EXPECTED[bits][0])
    upstream = np.random.default_rng(0).normal(size=layer.conv.kernel.shape).astype("float32")

    def loss(kernel: Any) -> Any:
        with keras.StatelessScope(state_mapping=[(layer.conv.kernel, kernel)]):
            return ops.sum(layer.kernel() * upstream)

    found = gradient_of(loss, ops.convert_to_numpy(layer.conv.kernel))
    np.testing.assert_array_equal(found, upstream)


def test_a_kernel_may_have_a_least_width_and_the_width_may_change() -> None:
    values, expected, _ = EXPECTED[4]
    layer = a_layer("plain", 2, values, least=4)
    codes, _, bits = layer.codes()
    np.testing.assert_array_equal(codes, laid_out("plain", [expected, expected[::-1]]))
    assert bits == 4
    layer.width.assign(8.0)
    codes, _, bits = layer.codes()
    assert (np.abs(codes).max(), bits) == (127, 8)


def test_given_integers_are_not_fitted_anew() -> None:
    # A fit would find threes of two thirds.
    twos, one = np.full((2, 2, 2, 2), 2, "float32"), np.ones((1, 1, 1, 2), "float32")
    layer = a_layer("plain", 3, VALUES)
    layer.conv.kernel.assign(twos)
    assert np.unique(layer.codes()[0]).tolist() == [3]
    layer.take_codes(twos, one)
    codes, step, bits = layer.codes()
    np.testing.assert_array_equal(codes, twos)
    np.testing.assert_array_equal(step, one)
    assert bits == 3
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel()), twos)
