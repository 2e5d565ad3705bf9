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
        name: Of the layer.
    """

    def __init__(self, owner: FakeQuantActivation, *, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        # In a namespace, for Keras tracks layers in attributes as sublayers.
        self._shared = SimpleNamespace(owner=owner)

    def call(self, x: Any) -> Any:
        """Return the values that an int8 tensor of the owner's scale would hold."""
        owner = self._shared.owner
        return x if owner.mode == "observe" else owner.again(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape
