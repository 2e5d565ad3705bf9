"""In which numbers a network computes: float32, unless a policy says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar

import keras

from kit.quantization.groups import grouped


class Arithmetic(keras.layers.Layer):
    """Turns the functional models that a network wires into others that compute in its numbers.

    A container: it holds the layers that it has made, so that the network saves and loads them.
    Tensors that are computed alike, in whatever tier, stage or part, are told by one identity and
    share what is known of them.

    Args:
        name: Of the layer.
    """

    policy: ClassVar[str] = "float32"

    def __init__(self, name: str = "arithmetic") -> None:
        super().__init__(name=name)
        # In a namespace, which Keras does not track: tensors of other models.
        self._sources = SimpleNamespace(of_inputs={}, alive=[])

    def follow(self, entry: keras.KerasTensor, source: keras.KerasTensor) -> None:
        """Take an input of a model for what another model computes.

        Args:
            entry: The input.
            source: The tensor, of a model in float32, that will be handed in there.
        """
        self._sources.of_inputs[id(entry)] = source
        self._sources.alive += [entry, source]

    def applied(self, model: keras.Model) -> keras.Model:
        """The functional model in these numbers; float32 is the model itself."""
        return model

    def identity(self, source: keras.KerasTensor) -> str:
        """What tells a tensor of a float32 model from those that are computed otherwise."""
        inputs = keras.utils.get_source_inputs(source)
        model = keras.Model(inputs, source)
        return grouped(model, self._known(model))[-1].identity

    def _known(self, model: keras.Model) -> dict[int, str]:
        sources = self._sources.of_inputs
        return {
            id(tensor): self.identity(sources[id(tensor)])
            for tensor in model.inputs
            if id(tensor) in sources
        }

    def take_over(
        self, before: Arithmetic, layers: Mapping[str, keras.layers.Layer], *, is_new: bool
    ) -> None:
        """Begin where another arithmetic left off.

        Args:
            before: Of the network that this one's weights come from.
            layers: Of the network of this one, by name; they have those weights already.
            is_new: Whether the weights are those that training begins with.
        """
        if before.policy != self.policy:
            before.hand_over(layers)

    def hand_over(self, layers: Mapping[str, keras.layers.Layer]) -> None:
        """Put into another network's layers, in terms of float32, what these numbers hold apart."""

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Refuse an optimizer that these numbers cannot be trained with.

        Raises:
            InputError: naming the optimizer.
        """

    def held(self) -> AbstractContextManager[None]:
        """A context within which training moves none of its state."""
        return nullcontext()

    def to_policy(self) -> dict[str, Any]:
        """What `make_arithmetic` makes another one of; empty for float32."""
        return {}
