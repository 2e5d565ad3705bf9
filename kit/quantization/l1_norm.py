"""Batch normalisation by the mean absolute deviation."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from kit.quantization.integer_options import IntegerOptions
from kit.quantization.rounded_error import straight_through
from kit.quantization.uniform import power_above, scaled, uniform

EPSILON = 1e-3
"""Added to the deviation, in whatever units; far above the step of one of 16 bits."""

_SPAN = 2.0  # of mean, deviation, gain and offset, in the paper
_KERNEL_ROOM = 0.95  # of their range, which kernels that are taken over may fill
_ROOM = 0.5  # of theirs, which statistics may, that will move with every layer before them
_L1_OF_L2 = np.sqrt(2 / np.pi)  # of what is normally distributed


class L1Norm(keras.layers.Layer):
    """L1 batch normalisation, every quantity rounded: no square, no root (arXiv 2011.14504).

    `σ = mean |x - µ|`, `x̂ = SQ((x - µ) / (σ + ε))`, `y = γ x̂ + β`. At inference it is one gain and
    one offset a channel, which the convolution before it takes up; x̂ is not rounded by itself then.

    Gain, offset and moving mean are those of the network's own normalisation, so that paths go on
    sharing them.

    Args:
        norm: The normalisation whose place it takes.
        conv: The convolution before it.
        options: Bit-widths.
        name: Of the layer.

    Attributes:
        momentum: Of the moving averages.

    Input and output shape: `(batch, ..., channels)`.
    """

    def __init__(
        self,
        norm: keras.layers.BatchNormalization,
        conv: keras.layers.Layer,
        options: IntegerOptions,
        *,
        name: str,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.norm = norm
        self.options = options
        # In a namespace, for Keras tracks layers in attributes as sublayers.
        self._before = SimpleNamespace(conv=conv)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if not self.norm.built:
            self.norm.build(input_shape)

        def constant(name: str, shape: tuple[int | None, ...], value: float) -> keras.Variable:
            return self.add_weight(
                shape=shape,
                initializer=keras.initializers.Constant(value),
                trainable=False,
                name=name,
            )

        self.deviation = constant("deviation", (input_shape[-1],), 1.0)
        self.statistics_span = constant("statistics_span", (), _SPAN)
        self.affine_span = constant("affine_span", (), _SPAN)

    @property
    def conv(self) -> keras.layers.Layer:
        """The convolution before it."""
        return self._before.conv

    @property
    def momentum(self) -> float:
        """Of the moving averages."""
        return float(self.norm.momentum)

    @momentum.setter
    def momentum(self, value: float) -> None:
        self.norm.momentum = value

    def call(self, x: Any, training: bool = False, mask: None = None) -> Any:
        """Return the normalised values; `mask` is there for what calls the layer in its place."""
        norm = self.norm
        gain, offset = self._affine(norm.gamma), self._affine(norm.beta)
        if not training:
            gain = gain / (self._statistic(self.deviation) + EPSILON)
            return x * gain + (offset - self._statistic(norm.moving_mean) * gain)
        axes = tuple(range(len(x.shape) - 1))
        mean = ops.mean(x, axis=axes)
        deviation = ops.mean(ops.abs(x - mean), axis=axes)
        for variable, value in ((norm.moving_mean, mean), (self.deviation, deviation)):
            before = ops.convert_to_tensor(variable)
            variable.assign(before * norm.momentum + ops.stop_gradient(value) * (1 - norm.momentum))
        mean, deviation = self._statistic(mean), self._statistic(deviation)
        normed = (x - mean) / (deviation + EPSILON)
        return straight_through(normed, scaled(normed, self.options.normed_bits)) * gain + offset

    def _statistic(self, x: Any) -> Any:
        return _rounded(x, self.options.statistics_bits, self.statistics_span)

    def _affine(self, x: Any) -> Any:
        return _rounded(x, self.options.affine_bits, self.affine_span)

    # === Taking over ===

    def take_over(self) -> None:
        """Begin with the deviation that goes with the normalisation's variance."""
        standard = np.sqrt(np.asarray(self.norm.moving_variance, np.float64) + self.norm.epsilon)
        self.deviation.assign(np.maximum(standard * _L1_OF_L2 - EPSILON, 0))

    def scale_gain(self) -> None:
        """Let the gain take up that the L1 deviation is smaller, once for all that share it."""
        self.norm.gamma.assign(np.asarray(self.norm.gamma) * _L1_OF_L2)

    def hand_over(self, norm: keras.layers.BatchNormalization) -> None:
        """Give a normalisation the variance that goes with the deviation; gain and mean it has."""
        deviation = np.asarray(self._statistic(self.deviation), np.float64) + EPSILON
        norm.moving_variance.assign(np.maximum(deviation**2 - norm.epsilon, 0))

    @staticmethod
    def fit(norms: Sequence[L1Norm], *, is_new: bool) -> None:
        """Scale each output channel of a kernel, and the statistics behind it, into their ranges.

        A kernel that training begins with is not enlarged, though it would then have more steps:
        gradients move one that is normalised the less, the larger it is.

        Args:
            norms: All that stand behind one convolution, on whatever path.
            is_new: Whether the weights are those that training begins with.
        """
        conv, options = norms[0].conv, norms[0].options
        kernel = np.asarray(conv.kernel)
        channels = norms[0].deviation.shape[0]
        # Channels last, or of a depthwise kernel channels and multiplier: a reshape either way.
        largest = np.abs(kernel).reshape(-1, channels).max(0)
        divisor = largest / _KERNEL_ROOM
        if not options.fitted_spans and not all(is_fresh(norm.norm) for norm in norms):
            of_statistics = [norm._largest() / (_ROOM * _SPAN) for norm in norms]
            divisor = np.maximum(divisor, np.max(of_statistics, axis=0))
        if is_new:
            divisor = np.maximum(divisor, 1.0)
        divisor = np.where(divisor > 0, divisor, 1.0)
        conv.kernel.assign((kernel.reshape(-1, channels) / divisor).reshape(kernel.shape))
        for norm in norms:
            for statistic in (norm.norm.moving_mean, norm.deviation):
                statistic.assign(np.asarray(statistic) / divisor)
            if options.fitted_spans:
                norm.statistics_span.assign(power_above(norm._largest().max() / _ROOM))
                affine = np.abs([np.asarray(norm.norm.gamma), np.asarray(norm.norm.beta)])
                norm.affine_span.assign(power_above(affine.max()))

    def _largest(self) -> np.ndarray:
        """The larger of mean and deviation, in magnitude, of each channel."""
        return np.maximum(np.abs(np.asarray(self.norm.moving_mean)), np.asarray(self.deviation))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape


def is_fresh(norm: keras.layers.BatchNormalization) -> bool:
    """Whether statistics are those of a layer that has seen nothing."""
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    return bool((mean == 0).all() and (variance == 1).all())


def _rounded(x: Any, bits: int, span: Any) -> Any:
    x = ops.convert_to_tensor(x)
    return straight_through(x, uniform(x, bits, ops.convert_to_tensor(span)))
