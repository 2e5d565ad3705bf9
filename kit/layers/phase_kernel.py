"""Kernels of convolutions before a pixel shuffle."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class PhaseKernel(keras.initializers.Initializer):
    """Lets a 3×3 convolution before `DepthToSpace` begin as bilinear interpolation.

    Args:
        scale: Of the interpolation.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The kernel `(3, 3, channels, scale * scale * channels)`."""
        places = (np.arange(self.scale) + 0.5) / self.scale - 0.5  # to the middle of the pixel
        taps = np.maximum(1 - np.abs(places[:, None] - np.arange(-1, 2)), 0)
        planes = np.einsum("ay,bx->yxab", taps, taps)
        kernel = np.einsum("yxab,io->yxiabo", planes, np.eye(shape[2]))
        return ops.convert_to_tensor(kernel.reshape(shape), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"scale": self.scale}
