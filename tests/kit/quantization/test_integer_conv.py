"""Convolutions of integer training: kernels, what they hand back, and what they refuse."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.errors import InputError
from kit.quantization.integer_conv import IntegerConv
from tests.kit.quantization.gradients import gradient_of

LAYERS = {
    "plain": lambda: keras.layers.Conv2D(5, 3, padding="same", use_bias=False),
    "biased": lambda: keras.layers.Conv2D(5, 1, activation="relu", bias_initializer="normal"),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2),
    "transposed": lambda: keras.layers.Conv2DTranspose(5, 4, strides=2, padding="same"),
}


def images(channels: int = 4) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(2, 8, 8, channels)).astype("float32")


def a_layer(conv: keras.layers.Layer, **options: int | None) -> IntegerConv:
    layer = IntegerConv(conv, **{"weight_bits": 8, "error_bits": None, **options}, name="conv_int8")
    layer.build((None, 8, 8, 4))
    return layer


@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize("name", LAYERS)
def test_is_the_convolution_with_a_kernel_of_whole_steps(name: str, bits: int) -> None:
    keras.utils.set_random_seed(1)
    conv = LAYERS[name]()
    layer = a_layer(conv, weight_bits=bits)
    found = ops.convert_to_numpy(layer(images()))
    kernel, most = ops.convert_to_numpy(conv.kernel), 2 ** (bits - 1)
    integers = np.clip(np.floor(kernel * most + 0.5), 1 - most, most - 1)
    assert np.array_equal(layer.integers(), integers)
    conv.kernel.assign(integers / most)
    np.testing.assert_allclose(found, ops.convert_to_numpy(conv(images())), atol=1e-5)


def test_the_error_of_a_normalisation_is_rounded_in_training_alone() -> None:
    """E2, seen in the gradient of a convolution that does nothing."""
    identity = np.eye(4, dtype="float32").reshape(1, 1, 4, 4)
    conv = keras.layers.Conv2D(4, 1, use_bias=False)
    layer = a_layer(conv, weight_bits=None, error_bits=4)
    conv.kernel.assign(identity)
    x, weights = images(), images()[:, ::-1].copy()
    trained = gradient_of(lambda x: ops.sum(layer(x, training=True) * weights), x)
    plain = gradient_of(lambda x: ops.sum(layer(x) * weights), x)
    np.testing.assert_allclose(plain, weights, rtol=1e-6)
    assert len(np.unique(trained)) <= 15
    assert np.abs(trained - weights).max() <= np.abs(weights).max() / 7.99


def test_a_kernel_beyond_its_range_is_named_or_gets_a_range_of_its_own() -> None:
    conv = keras.layers.Conv2D(1, 1, name="logits")
    layer = a_layer(conv)
    conv.kernel.assign(np.reshape([0.5, -3.0, 1.0, 0.0], (1, 1, 4, 1)))
    with pytest.raises(InputError, match=r"logits', .* lie in \[-1, 1\] .* magnitude is 3"):
        layer.fit(is_span_free=False)
    layer.fit(is_span_free=True)
    assert float(layer.kernel_span) == 4
    np.testing.assert_array_equal(layer.integers().ravel(), [16, -96, 32, 0])
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel()).ravel(), [0.5, -3, 1, 0])
