"""Kernels of 8 bits against NumPy, TensorFlow Model Optimization, and the fold of a norm."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.fake_quant_conv import FakeQuantConv, fake_quant_per_channel


def rounded(kernel: np.ndarray, axis: int) -> np.ndarray:
    """-127 to 127 of the largest magnitude of each channel."""
    others = tuple(i for i in range(kernel.ndim) if i != axis)
    steps = np.abs(kernel).max(axis=others, keepdims=True) / 127
    return np.round(kernel / steps) * steps


def a_kernel(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


LAYERS = {
    "plain": keras.layers.Conv2D(5, 3, padding="same", use_bias=False),
    "biased": keras.layers.Conv2D(5, 1, activation="relu", bias_initializer="normal"),
    "strided": keras.layers.Conv2D(5, 3, strides=2, padding="same"),
    "dilated": keras.layers.Conv2D(5, 3, dilation_rate=2, padding="same"),
    "depthwise": keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
    "depthwise_strided": keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_is_the_convolution_with_a_rounded_kernel(name: str) -> None:
    keras.utils.set_random_seed(1)
    conv = LAYERS[name]
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 4)).astype("float32")
    layer = FakeQuantConv(conv, name=f"{name}_int8")
    found = ops.convert_to_numpy(layer(x))
    kernel = ops.convert_to_numpy(conv.kernel)
    conv.kernel.assign(rounded(kernel, axis=2 if "depthwise" in name else 3))
    expected = ops.convert_to_numpy(conv(x))
    conv.kernel.assign(kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found - ops.convert_to_numpy(conv(x))).max() > 1e-4
    assert layer.compute_output_shape(x.shape) == found.shape


def test_a_channel_of_zeros_stays_one() -> None:
    kernel = a_kernel(3, 3, 4, 2)
    kernel[..., 1] = 0
    found = ops.convert_to_numpy(fake_quant_per_channel(ops.convert_to_tensor(kernel), 8))
    assert np.isfinite(found).all()
    assert not found[..., 1].any()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_more_values_than_a_channel_can_hold(bits: int) -> None:
    found = ops.convert_to_numpy(
        fake_quant_per_channel(ops.convert_to_tensor(a_kernel(9, 50)), bits)
    )
    assert max(len(np.unique(channel)) for channel in found.T) <= 2**bits - 1


def test_rounding_and_then_folding_is_folding_and_then_rounding() -> None:
    """For each channel has a range of its own, symmetric: why training need not fold."""
    kernel, gain = a_kernel(3, 3, 4, 6), np.float32([0.01, 0.4, 1, 3, 70, -2])
    quant = lambda values: ops.convert_to_numpy(  # noqa: E731
        fake_quant_per_channel(ops.convert_to_tensor(values), 8)
    )
    np.testing.assert_allclose(quant(kernel * gain), quant(kernel) * gain, rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow alone has TFMOT")
def test_equals_tensorflow_model_optimization() -> None:
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.quantization.keras import quantizers

    theirs = quantizers.LastValueQuantizer(
        num_bits=8, per_axis=True, symmetric=True, narrow_range=True
    )
    weights = {"min_var": tf.Variable(tf.zeros(6)), "max_var": tf.Variable(tf.zeros(6))}
    kernel = tf.constant(a_kernel(3, 3, 4, 6))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(kernel)
        expected = theirs(kernel, training=True, weights=weights)
        found = fake_quant_per_channel(kernel, 8)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(tape.gradient(found, kernel), tape.gradient(expected, kernel))
