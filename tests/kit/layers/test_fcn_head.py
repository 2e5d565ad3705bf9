"""The fully convolutional head against the sums written out in NumPy."""

import keras
import numpy as np
import pytest

from kit.layers import FCNHead
from tests.kit.conftest import randomised


def test_equals_numpy() -> None:
    keras.utils.set_random_seed(1)
    head = FCNHead(8, 3, name="f")
    features = keras.Input((4, 5, 8))
    model = randomised(keras.Model(features, head.connect(features, "")))
    x = np.random.default_rng(2).normal(size=(2, 4, 5, 8)).astype("float32")

    (kernel,) = model.get_layer("f_conv").get_weights()
    gamma, beta, mean, variance = model.get_layer("f_conv_BN").get_weights()
    classes, bias = model.get_layer("f_classes").get_weights()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, 4, 5, 3))
    for i, j in np.ndindex(4, 5):
        y = np.einsum("nabc,abcf->nf", padded[:, i : i + 3, j : j + 3], kernel)
        y = np.maximum((y - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
        expected[:, i, j] = y @ classes[0, 0] + bias
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize(("in_channels", "between"), [(320, 80), (64, 16), (24, 16), (8, 16)])
def test_works_on_a_quarter_of_the_channels_and_16_at_least(in_channels: int, between: int) -> None:
    head = FCNHead(in_channels, 5, name="f")
    features = keras.Input((2, 2, in_channels))
    model = keras.Model(features, head.connect(features, ""))
    assert model.get_layer("f_conv").kernel.shape == (3, 3, in_channels, between)
    assert model.output.shape == (None, 2, 2, 5)
    assert model.output.dtype == "float32"
