"""Kernels of convolutions that begin with each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class ChannelwiseKernel(keras.initializers.Initializer):
    """Lets a convolution begin as one separable filter, the same for each channel by itself.

    Where a convolution has a multiple of the channels on one side, as behind a concatenation,
    channels of the same place in each part belong together.

    Args:
        taps: The filter along each axis; as many as the kernel is high and wide.
        gain: Multiplier of all of it.
    """

    def __init__(self, taps: Sequence[float], gain: float = 1.0) -> None:
        self.taps = tuple(taps)
        self.gain = gain

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The kernel: `(height, width)`, then channels in and out in either order.

        Or, of a depthwise convolution, channels and 1.
        """
        first, second = (np.arange(size) % min(shape[2:]) for size in shape[2:])
        plane = self.gain * np.outer(self.taps, self.taps)
        kernel = plane[:, :, None, None] * (first[:, None] == second)
        return ops.convert_to_tensor(kernel, dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"taps": self.taps, "gain": self.gain}
