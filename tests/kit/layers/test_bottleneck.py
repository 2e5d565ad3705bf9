"""ResNet's bottleneck and stem against the sums written out in NumPy."""

import keras
import numpy as np
import pytest

from kit.layers import Bottleneck, ConvNorm, ResNetStem
from tests.kit.conftest import randomised


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int, rate: int) -> np.ndarray:
    """A convolution, pixel by pixel and tap by tap; taps beyond the border see zeros."""
    size, height, width = len(kernel), *x.shape[1:3]
    middle = size // 2
    result = np.zeros((len(x), height // stride, width // stride, kernel.shape[-1]))
    for i, j in np.ndindex(*result.shape[1:3]):
        for a, b in np.ndindex(size, size):
            row, column = stride * i + rate * (a - middle), stride * j + rate * (b - middle)
            if 0 <= row < height and 0 <= column < width:
                result[:, i, j] += x[:, row, column] @ kernel[a, b]
    return result


def normalised(x: np.ndarray, norm: keras.layers.BatchNormalization) -> np.ndarray:
    mean, variance, gamma, beta = (
        keras.ops.convert_to_numpy(v).astype("float64")
        for v in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
    )
    return (x - mean) / np.sqrt(variance + 1.001e-5) * gamma + beta


def applied(unit: ConvNorm, x: np.ndarray, stride: int = 1, rate: int = 1) -> np.ndarray:
    kernel = keras.ops.convert_to_numpy(unit.conv.kernel)
    return normalised(convolved(x, kernel, stride, rate), unit.norms[0])


@pytest.mark.parametrize(
    ("in_channels", "strides", "dilation"),
    [(12, 1, 1), (12, 1, 2), (12, 2, 1), (12, 2, 2), (5, 1, 1), (5, 1, 4), (5, 2, 1)],
)
def test_equals_numpy(in_channels: int, strides: int, dilation: int) -> None:
    keras.utils.set_random_seed(1)
    block = Bottleneck(3, in_channels=in_channels, strides=strides, dilation=dilation, name="block")
    image = keras.Input((6, 8, in_channels))
    model = randomised(keras.Model(image, block.connect(image, "")))
    x = np.random.default_rng(2).normal(size=(2, 6, 8, in_channels)).astype("float32")

    reduce, spread, expand = block.units
    y = np.maximum(applied(reduce, x, stride=strides), 0)
    y = np.maximum(applied(spread, y, rate=dilation), 0)
    y = applied(expand, y)
    assert (block.shortcut is None) == (in_channels == 12 and strides == 1)
    shortcut = x if block.shortcut is None else applied(block.shortcut, x, stride=strides)
    expected = np.maximum(y + shortcut, 0)
    assert expected.shape == (2, 6 // strides, 8 // strides, 12)
    assert 0.2 < (expected > 0).mean() < 1
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_each_path_has_statistics_of_its_own() -> None:
    block = Bottleneck(2, in_channels=8, name="block")
    image = keras.Input((2, 2, 8))
    model = keras.Model(image, [block.connect(image, path) for path in ("h", "l")])
    # three units here, none for the shortcut: kernel, gamma and beta; mean and variance a path
    assert len(model.trainable_variables) == 9
    assert len(model.non_trainable_variables) == 12


def test_the_stem_equals_numpy() -> None:
    keras.utils.set_random_seed(3)
    stem = ResNetStem(4)
    image = keras.Input((12, 16, 3))
    model = randomised(keras.Model(image, stem.connect(image, "")))
    x = np.random.default_rng(4).normal(size=(2, 12, 16, 3)).astype("float32")

    convolution, norm = (model.get_layer(name) for name in ("conv1_conv", "conv1_bn"))
    kernel = keras.ops.convert_to_numpy(convolution.kernel)
    y = np.maximum(normalised(convolved(x, kernel, 2, 1), norm), 0)
    expected = np.zeros((2, 3, 4, 4))
    for i, j in np.ndindex(3, 4):
        rows, columns = (slice(max(2 * k - 1, 0), 2 * k + 2) for k in (i, j))
        expected[:, i, j] = y[:, rows, columns].max((1, 2))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)
