"""Parameters and multiply-adds of a functional model, and the activations that it holds at once."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

_FOLDED = (
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Dropout,
)
"""Layers that run within the operator before them once the model is exported."""


@dataclass(frozen=True)
class Profile:
    """What a tier costs.

    Args:
        parameters: Values that the tier holds, BatchNorm statistics included.
        macs: Multiply-adds of its convolutions and matrix products, for one image.
        peak_activations: Values of one image that are held at once at most, weights aside: bytes,
            in 8-bit integers. See `profile`.
    """

    parameters: int
    macs: int
    peak_activations: int


class _Call(NamedTuple):
    """One layer's call, in the order in which they run; tensors by their id."""

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def profile(model: keras.Model) -> Profile:
    """Count a functional model by walking its graph once.

    A layer's inputs and outputs live together. A tensor lives from the layer that gives it to the
    last one that takes it, an input of the model from the beginning, an output to the end. What
    the exporter folds into the layer before (normalisation, activation) takes no room of its own,
    if nothing else needs its input. What a layer holds within itself is not seen.

    Args:
        model: Functional, with a fixed spatial input size.

    Returns:
        The exact counts. Additions, activations, interpolation and normalisation (folded into the
        convolutions when exported) count no multiply-adds.
    """
    macs = 0
    calls: list[_Call] = []
    tensors: dict[int, Any] = {}

    def taken_down(values: Any) -> tuple[int, ...]:
        found = [x for x in keras.tree.flatten(values) if isinstance(x, keras.KerasTensor)]
        tensors.update((id(x), x) for x in found)
        return tuple(map(id, found))

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal macs
        output = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            # A kernel is (height, width, in, out); a depthwise one (height, width, in, multiplier).
            macs += math.prod(output.shape[1:3]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            macs += math.prod(args[0].shape[1:3]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            macs += math.prod(output.shape[1:-1]) * math.prod(layer.kernel.shape)
        calls.append(_Call(layer, taken_down((args, kwargs)), taken_down(output)))
        return output

    walked = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    peak = _peak(calls, taken_down(walked.inputs), taken_down(walked.outputs), tensors)
    return Profile(parameters=model.count_params(), macs=macs, peak_activations=peak)


def _peak(
    calls: list[_Call], inputs: tuple[int, ...], outputs: tuple[int, ...], tensors: dict[int, Any]
) -> int:
    """The largest sum of values that live at the same time."""
    uses = Counter([key for call in calls for key in call.inputs] + list(outputs))
    place = {key: key for key in tensors}
    for call in calls:
        if isinstance(call.layer, _FOLDED):
            (key,) = call.inputs
            if uses[key] == 1 and key not in inputs:
                place[call.outputs[0]] = place[key]
    begins = {place[key]: 0 for key in inputs}
    ends = dict(begins)
    for time, call in enumerate(calls):
        for key in call.outputs:
            begins.setdefault(place[key], time)
        for key in (*call.inputs, *call.outputs):
            ends[place[key]] = time
    last = max(len(calls) - 1, 0)
    ends |= {place[key]: last for key in outputs}
    held = [0] * (last + 1)
    for key, begin in begins.items():
        size = math.prod(tensors[key].shape[1:])
        for time in range(begin, ends[key] + 1):
            held[time] += size
    return max(held)
