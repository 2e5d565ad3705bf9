"""Moving-average ranges: TensorFlow Model Optimization's quantizer, or its equal elsewhere."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import ops

DECAY = 0.999
"""Of the moving averages, that of TensorFlow Model Optimization."""

_LEAST = 1e-8
"""Width of a range that has seen nothing but zeros, where there must be one."""


def moving_average_fake_quant(x: Any, low: Any, high: Any, bits: int) -> Any:
    """Move a range towards that of `x` and round `x` to what it then holds.

    On TensorFlow this is TensorFlow Model Optimization's `MovingAverageQuantizer`, whose ranges
    LiteRT's converter takes over; on other backends the same with Keras's own operator.

    Args:
        x: float32 tensor of any shape.
        low: Variable, scalar, 0 or below; it moves.
        high: Variable, scalar, 0 or above; it moves.
        bits: Of the integers, 2–8.

    Returns:
        Tensor of the shape of `x`.
    """
    if keras.backend.backend() == "tensorflow":
        weights = {"min_var": low.value, "max_var": high.value}
        return _tfmot_quantizer(bits)(x, training=True, weights=weights)
    for variable, value in (
        (low, ops.minimum(ops.min(x), 0.0)),
        (high, ops.maximum(ops.max(x), 0.0)),
    ):
        before = ops.convert_to_tensor(variable)
        variable.assign(before - (before - ops.stop_gradient(value)) * (1 - DECAY))
    return fake_quant_to_range(x, low, high, bits)


def fake_quant_to_range(x: Any, low: Any, high: Any, bits: int) -> Any:
    """Round `x` to what a range holds; to zeros where that is zero alone.

    Args:
        x: float32 tensor of any shape.
        low: Scalar, 0 or below.
        high: Scalar, 0 or above.
        bits: Of the integers, 2–8.
    """
    if keras.backend.backend() != "tensorflow":
        # Keras's own operator divides by the width; behind a kernel of zeros, say, it gives NaN.
        low, high = ops.convert_to_tensor(low), ops.convert_to_tensor(high)
        high = ops.where(high > low, high, low + _LEAST)
    return keras.quantizers.fake_quant_with_min_max_vars(x, low, high, num_bits=bits)


@functools.cache
def _tfmot_quantizer(bits: int) -> Any:
    # Takes seconds, and only TensorFlow has it.
    from tensorflow_model_optimization.python.core.quantization.keras import quantizers

    return quantizers.MovingAverageQuantizer(
        num_bits=bits, per_axis=False, symmetric=False, narrow_range=False
    )
