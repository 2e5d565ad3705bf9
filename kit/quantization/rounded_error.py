"""Rounding of what flows backwards."""

from __future__ import annotations

from typing import Any

from keras import ops

from kit.quantization.uniform import scaled


def with_rounded_error(x: Any, bits: int) -> Any:
    """Hand `x` on as it is, and its gradient rounded in units of its largest magnitude (SQ).

    The errors E1 and E2 of integer training (arXiv 2011.14504, equations 14 to 16).

    Args:
        x: Tensor of any shape.
        bits: Width of the gradient, 2–24.
    """

    @ops.custom_gradient
    def identity(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            # TensorFlow passes it by position, JAX's wrapper of Keras too; torch by name.
            return scaled(args[0] if upstream is None else upstream, bits)

        return x, gradient

    # A variable's own gradient function would be asked for other variables (TensorFlow).
    return identity(ops.convert_to_tensor(x))


def straight_through(x: Any, rounded: Any) -> Any:
    """`rounded`, whose gradient reaches `x` unchanged."""
    return x + ops.stop_gradient(rounded - x)
