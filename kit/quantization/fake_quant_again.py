"""Fake quantization to a range that another layer has learned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras

from kit.quantization.fake_quant_activation import FakeQuantActivation


class FakeQuantAgain(keras.layers.Layer):
    """Rounds to the range of another `FakeQuantActivation`, which does not move by it.

    For operators whose output LiteRT keeps in the scale of their input, as interpolation.

    Args:
        owner: Whose range it is.
        is_frozen: Whether it rounds in training as at inference: for what was computed so.
        name: Of the layer.
    """

    def __init__(self, owner: FakeQuantActivation, *, is_frozen: bool = False, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.is_frozen = is_frozen
        # In a namespace, for Keras tracks layers in attributes as sublayers.
        self._shared = SimpleNamespace(owner=owner)

    @property
    def owner(self) -> FakeQuantActivation:
        """Whose range it is."""
        owner: FakeQuantActivation = self._shared.owner
        return owner

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the values that an int8 tensor of the owner's scale would hold."""
        owner = self.owner
        if owner.mode == "observe":
            return x
        return owner.passed(x) if training and not self.is_frozen else owner.again(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape
