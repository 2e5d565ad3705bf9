"""Rounding to few levels: kernels with the scale that fits them, activations with a given step.

All of it is a function of the width as a tensor, so that a compiled step sees a width that changes.
"""

from __future__ import annotations

from typing import Any

from keras import ops

_LEAST = 1e-8  # of steps: one of zero would divide by zero

_KERNEL_SPANS = (1.0, 1.0, 1.227, 1.98, 2.487, 2.867, 3.333, 3.645, 3.954)
"""By the width: the outermost level of the best symmetric quantizer of a normal variable, in
standard deviations. Found numerically; those of 0 and 1 bits are not used."""

_ACTIVATION_SPANS = (1.0, 1.0, 2.9, 3.8, 4.6, 5.2, 5.8, 6.3, 1e9)
"""By the width: from the first level to the last one, in root mean squares; between the best for a
normal variable and for one that a ReLU has cut, which differ by a tenth or so. 8 bits hold all."""

_FITS = 2


def kernel_codes(kernel: Any, bits: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Integers of a kernel and the step that each channel's stand for.

    One bit: the sign, and the mean magnitude (XNOR-Net, arXiv 1603.05279). Eight: -127 to 127 of
    the largest magnitude. Between, -(2^(k-1) - 1) to 2^(k-1) - 1 with about the step of least
    squared error: that for a normal variable of the channel's root mean square, then fitted to the
    channel itself twice, integers and step in turn (as ternary weight networks, arXiv 1605.04711).

    Args:
        kernel: float32 tensor.
        bits: Width, 1–8, a scalar.
        axes: All but those of the output channels.

    Returns:
        `codes`, float32 of the kernel's shape, whole numbers; `step`, which broadcasts to it.
    """
    bits = ops.cast(bits, "float32")
    magnitude = ops.abs(kernel)
    most = ops.maximum(_power_of_two(bits - 1) - 1, 1.0)
    largest = ops.max(magnitude, axis=axes, keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(kernel), axis=axes, keepdims=True))
    fits = bits < 8
    step = ops.where(fits, ops.minimum(_at(_KERNEL_SPANS, bits) * deviation, largest), largest)
    step = ops.maximum(step, _LEAST) / most

    def nearest(step: Any) -> Any:
        return ops.clip(ops.round(kernel / step), -most, most)

    for _ in range(_FITS):
        codes = nearest(step)
        energy = ops.sum(ops.square(codes), axis=axes, keepdims=True)
        fitted = ops.sum(codes * kernel, axis=axes, keepdims=True) / ops.maximum(energy, 1.0)
        step = ops.where(ops.logical_and(fits, energy > 0), fitted, step)
    is_binary = bits < 2
    signs = ops.where(kernel >= 0, ops.ones_like(kernel), -ops.ones_like(kernel))
    mean = ops.mean(magnitude, axis=axes, keepdims=True)
    return ops.where(is_binary, signs, nearest(step)), ops.where(is_binary, mean, step)


def activation_step(low: Any, high: Any, mean_square: Any, bits: Any) -> tuple[Any, Any, Any]:
    """The levels with which learning a range begins.

    Args:
        low: Smallest value, 0 or below.
        high: Largest value, 0 or above.
        mean_square: Of all values.
        bits: Width, 2–8.

    Returns:
        The step, and the numbers of the first and the last level: whole, with zero between.
    """
    bits = ops.cast(bits, "float32")
    most = _power_of_two(bits) - 1
    width = ops.maximum(high - low, _LEAST)
    span = ops.minimum(width, _at(_ACTIVATION_SPANS, bits) * ops.sqrt(mean_square))
    first = -ops.round(-low / width * most)
    return ops.maximum(span, _LEAST) / most, first, first + most


def at_levels(x: Any, step: Any, first: Any, last: Any) -> Any:
    """Round to multiples of a step.

    Gradients reach `x` unchanged within the levels and are zero beyond; the step's are those of
    LSQ (arXiv 1902.08153).

    Args:
        x: float32 tensor of any shape.
        step: Scalar above 0.
        first: Number of the first level.
        last: Number of the last level.
    """
    steps = x / step
    # Not `ops.clip`, whose gradient at the ends, where all that a ReLU cuts lies, is half on JAX.
    inside = ops.where(steps < first, first, ops.where(steps > last, last, steps))
    return step * through(inside, ops.round(inside))


def through(x: Any, rounded: Any) -> Any:
    """`rounded` to the bit, whose gradient reaches `x` unchanged."""
    return ops.stop_gradient(rounded) + (x - ops.stop_gradient(x))


def _power_of_two(exponent: Any) -> Any:
    # Some backends give 2 to the power of a whole number with an error.
    return ops.round(ops.exp2(exponent))


def _at(table: tuple[float, ...], bits: Any) -> Any:
    return ops.take(ops.convert_to_tensor(table, "float32"), ops.cast(bits, "int32"))
