"""Multi-layer convolutional sparse coding in place of two convolutions (CSC-Unet)."""

from __future__ import annotations

from typing import Any

import keras

from kit.errors import InputError
from kit.layers.adjoint_conv import AdjointConv2D
from kit.layers.conv_norm import ConvNorm
from kit.layers.scaled_conv import ScaledConv2D

_GAIN = 0.1
"""Of a new dictionary's standard deviation to 1 / sqrt(fan in)."""


@keras.saving.register_keras_serializable(package="tierseg")
class CSCBlock(keras.layers.Layer):
    """Two 3×3 dictionaries, encoded once and refined `unfoldings` times (arXiv 2108.00408).

    With dictionaries W1 and W2, their adjoints W1ᵀ and W2ᵀ (transposed convolutions with the same
    weights), trained steps c1, c2, and biases b1, b2, of an input x::

        g1 = ReLU(BN1(c1·W1 x + b1))        g2 = ReLU(BN2(c2·W2 g1 + b2))

    and then as often as there are unfoldings, with the same weights and without normalisation::

        u = W2ᵀ g2
        g1 = ReLU(u - c1·W1(W1ᵀ u - x) + b1)
        g2 = ReLU(g2 - c2·W2(u - g1) + b2)

    so that each step pulls the codes g1, g2 towards those that x can be rebuilt from. u stands
    twice in an unfolding and is computed once: two convolutions become `2 + 4 * unfoldings` of the
    same size. The paper unfolds twice on CamVid.

    Without any unfolding steps and biases would do nothing that the normalisation does not undo:
    then it is two plain convolutions without them, as in a U-Net, and begins as one.

    A container that wires layers by `connect`; called by itself it is a layer with one path.

    Args:
        filters: Output channels of both dictionaries.
        unfoldings: How often the codes are refined, 0 or more.
        **kwargs: Of the layer; `name` is the prefix of its layers' names.

    Input shape: `(batch, height, width, channels)`; output: `(batch, height, width, filters)`.

    Raises:
        InputError: naming the argument.

    Example:
        >>> CSCBlock(16, unfoldings=2)(np.ones((1, 32, 48, 3), "float32")).shape
        TensorShape([1, 32, 48, 16])
    """

    def __init__(self, filters: int, unfoldings: int = 2, **kwargs: Any) -> None:
        for key, value, least in (("filters", filters, 1), ("unfoldings", unfoldings, 0)):
            if value < least:
                raise InputError(f"`{key}` must be {least} or more; received: {value}")
        super().__init__(**kwargs)
        self.filters = filters
        self.unfoldings = unfoldings

        # === Layers ===
        self.units = [
            ConvNorm(
                filters,
                3,
                conv=self._dictionary(f"{self.name}_conv{n}") if unfoldings else None,
                conv_name=f"{self.name}_conv{n}",
                norm_name=f"{self.name}_conv{n}_BN",
            )
            for n in (1, 2)
        ]
        if unfoldings:
            self.adjoints = [
                AdjointConv2D(unit.conv, name=f"{unit.conv.name}_adjoint") for unit in self.units
            ]
            self.subtract = keras.layers.Subtract(name=f"{self.name}_subtract")
            self.add = keras.layers.Add(name=f"{self.name}_add")
            self.relu = keras.layers.Activation("relu", name=f"{self.name}_relu")

    def _dictionary(self, name: str) -> ScaledConv2D:
        return ScaledConv2D(
            self.filters,
            3,
            gain=_GAIN,
            padding="same",
            kernel_initializer=keras.initializers.VarianceScaling(
                mode="fan_in", distribution="untruncated_normal"
            ),
            name=name,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the one path that a layer by itself has."""
        self.connect(keras.KerasTensor(input_shape), "")

    def call(self, x: Any) -> Any:
        """Return the codes of the second dictionary."""
        return self.connect(x, "")

    def connect(self, x: Any, path: str, unfoldings: int | None = None) -> Any:
        """Wire the block behind `x`, which was reached by `path` (letters of the blocks before).

        Args:
            x: `(batch, height, width, channels)`.
            path: Has normalisation statistics of its own.
            unfoldings: 0 to those of the block, which are the default.

        Returns:
            The codes of the second dictionary, `(batch, height, width, filters)`.
        """
        first, second = (unit.conv for unit in self.units)
        g = self.units[1].connect(self.units[0].connect(x, path), path)
        for _ in range(self.unfoldings if unfoldings is None else unfoldings):
            u = self.adjoints[1](g)
            missing = self.subtract([x, self.adjoints[0](u)])
            hidden = self.relu(self.add([u, first(missing)]))
            missing = self.subtract([hidden, u])
            g = self.relu(self.add([g, second(missing)]))
        return g

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input, with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "filters": self.filters, "unfoldings": self.unfoldings}
