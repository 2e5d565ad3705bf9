"""A transposed convolution with the kernel is bilinear interpolation, written out in NumPy."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kit.layers.bilinear_kernel import BilinearKernel

CHANNELS = 3


def enlarging(strides: tuple[int, int], channels: int = CHANNELS) -> keras.layers.Conv2DTranspose:
    return keras.layers.Conv2DTranspose(
        channels,
        tuple(2 * stride for stride in strides),
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=BilinearKernel(),
    )


def enlarged(x: np.ndarray, strides: tuple[int, int]) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(enlarging(strides)(x)))


def interpolated(x: np.ndarray, stride: int, axis: int) -> np.ndarray:
    """Between half-pixel centres along one axis, as far as there is a pixel on either side."""
    size = x.shape[axis]
    places = (np.arange(size * stride) + 0.5) / stride - 0.5
    places = places[(places >= 0) & (places <= size - 1)]
    before = np.minimum(places.astype(int), size - 2)
    shape = [1] * x.ndim
    shape[axis] = -1
    share = (places - before).reshape(shape)
    return (1 - share) * x.take(before, axis) + share * x.take(before + 1, axis)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 5, 4, CHANNELS)).astype("float32")


@pytest.mark.parametrize("strides", [(2, 2), (4, 4), (8, 8), (2, 4)])
def test_the_interior_is_interpolated(x: np.ndarray, strides: tuple[int, int]) -> None:
    found = enlarged(x, strides)
    assert found.shape == (2, 5 * strides[0], 4 * strides[1], CHANNELS)
    rows, columns = (stride // 2 for stride in strides)
    expected = interpolated(interpolated(x, strides[0], 1), strides[1], 2)
    np.testing.assert_allclose(found[:, rows:-rows, columns:-columns], expected, atol=1e-6)


@pytest.mark.parametrize("stride", [2, 8])
def test_the_border_is_interpolated_between_pixels_and_zeros(x: np.ndarray, stride: int) -> None:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = interpolated(interpolated(padded, stride, 1), stride, 2)
    half = stride // 2
    np.testing.assert_allclose(
        enlarged(x, (stride, stride)), expected[:, half:-half, half:-half], atol=1e-6
    )


def test_no_channel_sees_another(x: np.ndarray) -> None:
    alone = np.where(np.arange(CHANNELS) == 1, x, 0)
    found = enlarged(alone, (2, 2))
    assert not found[..., [0, 2]].any()
    np.testing.assert_array_equal(found[..., 1], enlarged(x, (2, 2))[..., 1])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_kernel_has_the_shape_and_type_that_are_asked_for(dtype: str) -> None:
    kernel = BilinearKernel()((4, 4, 3, 3), dtype=dtype)
    assert tuple(kernel.shape) == (4, 4, 3, 3)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    tent = [0.25, 0.75, 0.75, 0.25]
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(kernel)[:, :, 2, 2], np.outer(tent, tent)
    )


def test_a_layer_of_its_configuration_begins_alike() -> None:
    layer = enlarging((2, 2))
    again = keras.layers.Conv2DTranspose.from_config(layer.get_config())
    assert isinstance(again.kernel_initializer, BilinearKernel)
    for one in (layer, again):
        one.build((None, 5, 4, CHANNELS))
    np.testing.assert_array_equal(again.kernel, layer.kernel)


def test_a_saved_model_names_it(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((5, 4, CHANNELS)), enlarging((2, 2))])
    model.save(tmp_path / "model.keras")
    (layer,) = keras.saving.load_model(tmp_path / "model.keras").layers
    assert isinstance(layer.kernel_initializer, BilinearKernel)
    content = keras.saving.serialize_keras_object(layer.kernel_initializer)
    assert content["registered_name"] == "tierseg>BilinearKernel"
    assert isinstance(keras.saving.deserialize_keras_object(content), BilinearKernel)
