"""Gradients on whichever backend the tests run."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def gradient_of(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """The gradient of a scalar function at `x`."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(x)
        tape.watch(tensor)
        value = function(tensor)
    return np.asarray(tape.gradient(value, tensor))
