"""Which calls of a functional model become one integer operator, and what their outputs are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kit.errors import InputError
from kit.layers.class_mask import ClassMask
from kit.layers.confidence import Confidence

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose)
_ACTIVATIONS = ("relu", "relu6")
_OWN_SCALE = (
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.GlobalAveragePooling2D,
)
_INTERPOLATIONS = (keras.layers.UpSampling2D, keras.layers.Resizing)
_CHOOSING = (keras.layers.MaxPooling2D, keras.layers.ZeroPadding2D, keras.layers.Dropout)
DECISIONS = (ClassMask, Confidence)
"""Layers behind the logits, which stay as they are."""

Kind = Literal["convolution", "norm", "activation", "rescale", "own", "same", "pass", "decision"]

_BEHIND_LOGITS = ("same", "pass", "decision")


@dataclass(frozen=True)
class Call:
    """One layer's call in a functional model.

    Args:
        layer: The layer.
        kind: What it does to values.
        ends_group: Whether its output is what an integer operator gives; that of a convolution
            whose normalisation follows is not.
        is_normed: Of a convolution, whether a normalisation takes its output.
        source: The layer that gives its first input; `None` for an input of the model.
        is_last: Whether only interpolation and decisions follow.
        sees_image: Whether it takes in the image, rescaled or padded perhaps.
        inputs: Identities of the tensors that it takes.
        identity: Of its output; tensors that are computed alike have the same.
    """

    layer: Any
    kind: Kind
    ends_group: bool
    is_normed: bool
    source: Any
    is_last: bool
    sees_image: bool
    inputs: tuple[str, ...]
    identity: str

    @property
    def is_edge(self) -> bool:
        """Whether it is a convolution that sees the image or gives logits."""
        return self.kind == "convolution" and (
            self.sees_image or (self.is_last and not self.is_normed)
        )


def grouped(model: keras.Model, known: Mapping[int, str]) -> list[Call]:
    """The calls of a functional model, in the order in which `keras.models.clone_model` makes them.

    Args:
        model: In float32.
        known: Identity of inputs, by the `id` of their tensor, that stand for a tensor of another
            model; the others are known by their name.

    Raises:
        InputError: naming a layer that has no integer form here.
    """
    identities: dict[int, str] = {
        id(tensor): known.get(id(tensor), f"input {tensor.name}") for tensor in model.inputs
    }
    records: list[tuple[Any, tuple[int, ...], int]] = []
    alive: list[Any] = []  # so that no `id` is given twice

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        inputs = tensors_of((args, kwargs))
        first = tensors_of(output)[0]
        names = [layer.name, *(identities[id(tensor)] for tensor in inputs)]
        identities[id(first)] = _digest(names)
        records.append((layer, tuple(id(tensor) for tensor in inputs), id(first)))
        alive.append(output)
        return output

    walked = walk(model, call)
    uses = Counter(key for _, inputs, _ in records for key in inputs)
    uses.update(id(tensor) for tensor in walked.outputs)
    following = {key: layer for layer, inputs, _ in records for key in inputs}
    sources = {output: layer for layer, _, output in records}
    kinds: dict[int, Kind] = {}
    for layer, inputs, output in records:
        after_decision = any(kinds.get(key) == "decision" for key in inputs)
        kinds[output] = "decision" if after_decision else _kind(layer)
    taken_on = {
        key
        for _, inputs, output in records
        if kinds[output] not in _BEHIND_LOGITS
        for key in inputs
    }
    for _, inputs, output in reversed(records):
        if output in taken_on:
            taken_on.update(inputs)
    images = {id(tensor) for tensor in model.inputs if id(tensor) not in known}
    calls = []
    for layer, inputs, output in records:
        kind = kinds[output]
        sees_image = bool(inputs) and inputs[0] in images
        if sees_image and kind in ("rescale", "pass"):
            images.add(output)
        if kind == "norm" and (kinds.get(inputs[0]) != "convolution" or uses[inputs[0]] > 1):
            raise _unknown(layer)
        follower = following.get(output) if uses[output] == 1 else None
        calls.append(
            Call(
                layer,
                kind,
                ends_group=_ends_group(kind, follower),
                is_normed=isinstance(follower, keras.layers.BatchNormalization),
                source=sources.get(inputs[0]) if inputs else None,
                is_last=output not in taken_on,
                sees_image=sees_image,
                inputs=tuple(identities[key] for key in inputs),
                identity=identities[output],
            )
        )
    return calls


def walk(model: keras.Model, call: Any) -> keras.Model:
    """Wire a functional model anew on its own inputs and layers, by `call(layer, *args, **kwargs)`.

    Args:
        model: The model.
        call: Does in place of each layer's call.
    """
    return keras.models.clone_model(
        model,
        input_tensors=model.input,
        clone_function=lambda layer: layer,
        call_function=call,
    )


def inner_model(model: keras.Model, names: list[str]) -> keras.Model:
    """A model of what some layers of a model give, whatever other models share them.

    Args:
        model: Functional.
        names: Of its layers.
    """
    found: dict[str, Any] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        found[layer.name] = output
        return output

    walked = walk(model, call)
    return keras.Model(walked.inputs, [found[name] for name in names])


def tensors_of(values: Any) -> list[keras.KerasTensor]:
    """The symbolic tensors in a nested structure."""
    return [x for x in keras.tree.flatten(values) if isinstance(x, keras.KerasTensor)]


def _kind(layer: Any) -> Kind:
    if isinstance(layer, DECISIONS):
        return "decision"
    if isinstance(layer, _CONVOLUTIONS):
        return "convolution"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "norm"
    if isinstance(layer, keras.layers.ReLU) or activation_of(layer) in _ACTIVATIONS:
        return "activation"
    if activation_of(layer) == "linear" or isinstance(layer, _CHOOSING):
        return "pass"
    if isinstance(layer, keras.layers.Rescaling):
        return "rescale"
    if isinstance(layer, _OWN_SCALE):
        return "own"
    if isinstance(layer, _INTERPOLATIONS):
        return "same"
    raise _unknown(layer)


def activation_of(layer: Any) -> str | None:
    """Name of the function of an `Activation`; `None` of other layers."""
    if isinstance(layer, keras.layers.Activation):
        return str(layer.get_config()["activation"])
    return None


def _unknown(layer: Any) -> InputError:
    known = (*_CONVOLUTIONS, *_OWN_SCALE, *_INTERPOLATIONS, *_CHOOSING)
    names = ", ".join(kind.__name__ for kind in known)
    return InputError(
        f"layer {layer.path or layer.name!r} must be one that runs in integers ({names}, "
        "BatchNormalization behind a convolution, ReLU, Activation relu, relu6 or linear, "
        f"Rescaling); received: {type(layer).__name__}"
    )


def _ends_group(kind: Kind, follower: Any) -> bool:
    """Whether an integer operator ends at a call whose only follower, if it has one, is known."""
    if kind not in ("convolution", "norm", "activation", "own"):
        return False
    if isinstance(follower, keras.layers.ReLU) or activation_of(follower) in _ACTIVATIONS:
        return kind == "activation"
    return not (kind == "convolution" and isinstance(follower, keras.layers.BatchNormalization))


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
