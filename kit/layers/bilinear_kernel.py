"""Kernels of transposed convolutions that interpolate."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class BilinearKernel(keras.initializers.Initializer):
    """Lets a transposed convolution begin as bilinear interpolation of each channel by itself.

    For a kernel of twice the stride, as in FCN-8s (arXiv 1411.4038).
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The kernel `(height, width, channels out, channels in)`."""
        rows, columns = (_tent(size) for size in shape[:2])
        plane = np.outer(rows, columns)[:, :, None, None]
        return ops.convert_to_tensor(plane * np.eye(shape[2], shape[3]), dtype or "float32")


def _tent(size: int) -> np.ndarray:
    """Weights of interpolation by half the size, along one axis."""
    places = (np.arange(size) + 0.5) / (size / 2)
    return 1 - np.abs(places - 1)
