"""Convolution and normalisation against the sums written out in NumPy."""

import keras
import numpy as np
import pytest

from kit.layers import ConvNorm
from tests.kit.conftest import randomised


def convolved(x: np.ndarray, kernel: np.ndarray, depthwise: bool) -> np.ndarray:
    """A 3×3 convolution with zero padding, pixel by pixel."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = []
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = padded[:, i : i + 3, j : j + 3]
            if depthwise:
                rows.append((window * kernel[..., 0]).sum(axis=(1, 2)))
            else:
                rows.append(np.einsum("nijc,ijcf->nf", window, kernel))
    return np.stack(rows, axis=1).reshape(*x.shape[:3], -1)


@pytest.mark.parametrize("activation", ["relu", "relu6", None])
@pytest.mark.parametrize("filters", [5, None])
def test_equals_numpy_on_each_path(filters: int | None, activation: str | None) -> None:
    keras.utils.set_random_seed(3)
    unit = ConvNorm(filters, 3, activation=activation, conv_name="c", norm_name="n")
    image = keras.Input((4, 6, 3))
    model = randomised(keras.Model(image, [unit.connect(image, path) for path in ("h", "l")]))
    x = np.random.default_rng(4).normal(size=(2, 4, 6, 3)).astype("float32")
    kernel = keras.ops.convert_to_numpy(unit.conv.kernel)
    outputs = model.predict(x, verbose=0)
    assert len(unit.norms) == 2
    for norm, output in zip(unit.norms, outputs, strict=True):
        mean, variance, gamma, beta = (
            keras.ops.convert_to_numpy(v)
            for v in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
        )
        sums = convolved(x, kernel, depthwise=filters is None)
        expected = (sums - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
        if activation is not None:
            expected = np.clip(expected, 0, 6 if activation == "relu6" else None)
        np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_paths_share_kernel_scale_and_offset_and_nothing_else() -> None:
    unit = ConvNorm(4, 1, conv_name="c", norm_name="n")
    image = keras.Input((2, 2, 3))
    model = keras.Model(image, [unit.connect(image, path) for path in ("h", "l", "h")])
    first, second = unit.norms
    assert second.gamma is first.gamma
    assert second.beta is first.beta
    assert second.moving_mean is not first.moving_mean
    # kernel, gamma and beta; a mean and a variance for each path
    assert len(model.trainable_variables) == 3
    assert len(model.non_trainable_variables) == 4
