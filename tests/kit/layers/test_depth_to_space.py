"""Channels laid out as pixels, and the kernel that makes of it an interpolation."""

import keras
import numpy as np

from kit.layers import DepthToSpace
from kit.layers.phase_kernel import PhaseKernel


def test_a_channel_becomes_the_pixel_that_it_is_said_to() -> None:
    x = np.arange(2 * 3 * 18, dtype="float32").reshape(1, 2, 3, 18)
    found = keras.ops.convert_to_numpy(DepthToSpace(3)(x))
    assert found.shape == (1, 6, 9, 2)
    for row, column, k in np.ndindex(6, 9, 2):
        channel = (row % 3 * 3 + column % 3) * 2 + k
        assert found[0, row, column, k] == x[0, row // 3, column // 3, channel]


def test_the_layer_and_the_kernel_are_saved() -> None:
    layer = DepthToSpace(4, name="pixels")
    assert DepthToSpace.from_config(layer.get_config()).get_config() == layer.get_config()
    kernel = keras.initializers.deserialize(keras.initializers.serialize(PhaseKernel(2)))
    assert kernel.scale == 2


def test_the_kernel_interpolates_each_channel_by_itself() -> None:
    kernel = keras.ops.convert_to_numpy(PhaseKernel(4)((3, 3, 2, 32))).reshape(3, 3, 2, 4, 4, 2)
    np.testing.assert_array_equal(kernel[:, :, 0, :, :, 1], 0)
    np.testing.assert_array_equal(kernel[:, :, 1, :, :, 1], kernel[:, :, 0, :, :, 0])
    # The first of four lies 3/8 of a pixel before the middle, the third 1/8 behind.
    first, third = np.array([3 / 8, 5 / 8, 0]), np.array([0, 7 / 8, 1 / 8])
    np.testing.assert_allclose(kernel[:, :, 0, 0, 2, 0], np.outer(first, third), atol=1e-6)
