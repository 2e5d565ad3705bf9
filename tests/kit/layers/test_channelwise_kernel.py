"""Kernels that begin with each channel by itself."""

import keras
import numpy as np

from kit.layers.channelwise_kernel import ChannelwiseKernel


def kernel(shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    return keras.ops.convert_to_numpy(ChannelwiseKernel((1, 2), gain)(shape))


def test_each_channel_goes_to_itself() -> None:
    plane = [[1, 2], [2, 4]]
    found = kernel((2, 2, 3, 3))
    for i in range(3):
        for j in range(3):
            np.testing.assert_array_equal(found[:, :, i, j], plane if i == j else 0)


def test_halves_are_summed() -> None:
    found = kernel((2, 2, 4, 2), gain=0.5)[0, 0]
    np.testing.assert_array_equal(found, [[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]])


def test_a_depthwise_kernel_has_every_channel() -> None:
    np.testing.assert_array_equal(kernel((2, 2, 3, 1))[1, 1], [[4], [4], [4]])


def test_it_is_saved() -> None:
    again = keras.initializers.deserialize(
        keras.initializers.serialize(ChannelwiseKernel((1, 2), 0.5))
    )
    np.testing.assert_array_equal(again((2, 2, 2, 2)), kernel((2, 2, 2, 2), gain=0.5))
