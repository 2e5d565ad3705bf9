"""What arithmetics that round to 8 bits share: what is rounded where, and what shares a range."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from kit.quantization.arithmetic import Arithmetic
from kit.quantization.fake_quant_activation import RANGE, FakeQuantActivation, Mode
from kit.quantization.fake_quant_again import FakeQuantAgain
from kit.quantization.groups import DECISIONS, Call, grouped, walk
from kit.quantization.rounded_conv import RoundedConv

_IMAGE = (0.0, 255.0)
_SHORT = 12  # letters of an identity that tell it from every other of a network


class Rounding(Arithmetic):
    """Base of the arithmetics that round kernels and activations to 8 bits.

    Activations have one range for what is computed alike: a tensor that several tiers share has
    one, and each tier has its own wherever its path differs. A tensor is rounded where an integer
    operator would end, so that normalisation and ReLU behind a convolution belong to it.

    Args:
        name: Of the layer.
    """

    def __init__(self, name: str = "arithmetic") -> None:
        super().__init__(name)
        self.convolutions: list[RoundedConv] = []
        self.activations: list[FakeQuantActivation] = []
        # In a namespace, which Keras does not track. Behind pooling, say, a tensor has the range of
        # what was pooled, whose name is another.
        self._ranges = SimpleNamespace(of_tensors={})

    @abstractmethod
    def _new_convolution(self, step: Call, name: str) -> RoundedConv:
        """A convolution in these numbers."""

    @abstractmethod
    def _new_activation(self, step: Call, name: str) -> FakeQuantActivation:
        """The rounding of what an operator gives, its range to be learned."""

    def _reader(self, step: Call) -> FakeQuantActivation | None:
        """What rounds once more what a convolution takes in, if anything does."""
        return None

    def _norm(self, step: Call) -> Any:
        """A normalisation in these numbers."""
        return step.layer

    def applied(self, model: keras.Model) -> keras.Model:
        """The functional model with rounding in it; its other layers are the same."""
        known = self._known(model)
        calls = iter(grouped(model, known))
        owners: dict[str, FakeQuantActivation] = {
            identity: self._owner_of(identity) for identity in known.values()
        }
        # An int8 tensor is handed in where another model's output is.
        entries = {
            id(tensor): FakeQuantAgain(
                owners[known[id(tensor)]], is_frozen=True, name=f"{tensor.name}_again"
            )(tensor)
            for tensor in model.inputs
            if id(tensor) in known
        }

        read: dict[str, Any] = {}  # several convolutions may read one tensor

        def narrowed(reader: FakeQuantActivation, value: Any, step: Call) -> Any:
            if reader.name not in read:
                layer: keras.layers.Layer = reader
                if step.inputs[0] in known.values():
                    # As for `entries`: what trains here is not what reads there.
                    layer = FakeQuantAgain(reader, is_frozen=True, name=f"{reader.name}_again")
                read[reader.name] = layer(value)
            return read[reader.name]

        def rounded(value: Any) -> Any:
            return entries.get(id(value), value)

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = keras.tree.map_structure(rounded, (args, kwargs))
            step = next(calls)
            if step.kind == "convolution":
                layer, reader = self._convolution(step), self._reader(step)
                if reader is not None:
                    args = (narrowed(reader, args[0], step), *args[1:])
            elif step.kind == "norm":
                layer = self._norm(step)
            elif step.kind == "rescale":
                layer = _on_the_grid(layer)
            elif isinstance(layer, DECISIONS):
                # One of its own: whoever asks it for its input wants that of this model.
                layer = type(layer).from_config(layer.get_config())
            output = layer(*args, **kwargs)
            if step.kind in ("same", "pass") and step.inputs[0] in owners:
                owners[step.identity] = owner = owners[step.inputs[0]]
                if step.kind == "same":
                    output = FakeQuantAgain(
                        owner, name=f"{step.layer.name}_again_{step.identity[:12]}"
                    )(output)
            elif step.kind == "rescale":
                owners[step.identity] = owner = self._activation(step, limits=_rescaled(layer))
                output = owner(output)
            elif step.ends_group:
                owners[step.identity] = owner = self._activation(step)
                output = owner(output)
            return output

        quantized = walk(model, call)
        self._ranges.of_tensors.update(owners)
        return keras.Model(quantized.input, quantized.output, name=model.name)

    def _convolution(self, step: Call) -> RoundedConv:
        for made in self.convolutions:
            if made.conv is step.layer:
                return made
        made = self._new_convolution(step, f"{step.layer.name}_int8")
        self.convolutions.append(made)
        return made

    def _activation(
        self, step: Call, limits: tuple[float, float] | None = None
    ) -> FakeQuantActivation:
        def make(name: str) -> FakeQuantActivation:
            if limits is None:
                return self._new_activation(step, name)
            return FakeQuantActivation(limits, name=name)

        return self._shared(step.layer.name, step.identity, make)

    def _shared(
        self, source: str, identity: str, make: Callable[[str], FakeQuantActivation]
    ) -> FakeQuantActivation:
        """The rounding of a tensor, one for all that is computed alike."""
        name = _range_name(source, identity)
        for made in self.activations:
            if made.name == name:
                return made
        made = make(name)
        self.activations.append(made)
        return made

    def _owner_of(self, identity: str) -> FakeQuantActivation:
        """What rounds a tensor of a model that is there already."""
        return self._ranges.of_tensors[identity]

    @contextmanager
    def ranges(self, mode: Mode) -> Iterator[None]:
        """Within the context, what training does to the ranges: see `FakeQuantActivation`."""
        before = [layer.mode for layer in self.activations]
        try:
            for layer in self.activations:
                layer.mode = mode
            yield
        finally:
            for layer, original in zip(self.activations, before, strict=True):
                layer.mode = original

    def held(self) -> AbstractContextManager[None]:
        """A context within which training moves no range."""
        return self.ranges("hold")

    def uncalibrated(self, model: keras.Model) -> list[str]:
        """Names of the layers of a model whose range has seen nothing."""
        return [
            layer.name
            for layer in model.layers
            if isinstance(layer, FakeQuantActivation) and not layer.is_calibrated
        ]


def _range_name(layer: str, identity: str) -> str:
    return f"{layer}{_suffix(identity)}"


def _suffix(identity: str) -> str:
    return f"{RANGE}{identity[:_SHORT]}"


def _on_the_grid(layer: keras.layers.Rescaling) -> keras.layers.Rescaling:
    """The rescaling, its offset a whole number of its own steps.

    Zero has to be one of an int8 tensor's values. `x / 127.5 - 1` of whole numbers lies half-way
    between these, all of it: a tie that each runtime breaks in its own way.
    """
    scale, offset = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    return keras.layers.Rescaling(
        layer.scale, offset=(np.round(offset / scale) * scale).tolist(), name=f"{layer.name}_int8"
    )


def _rescaled(layer: keras.layers.Rescaling) -> tuple[float, float]:
    """What an image of 0–255 becomes, over all channels."""
    scale, offset = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    ends = np.stack([value * scale + offset for value in _IMAGE])
    return float(ends.min()), float(ends.max())
