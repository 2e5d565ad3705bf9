"""A convolution whose kernel is a small dictionary times a trained step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tierseg")
class ScaledConv2D(keras.layers.Conv2D):
    """`step * conv(x, dictionary) + bias`, with one trained `step` for all channels.

    The step is a factor of `kernel`, so that whoever rounds or counts the kernel of a convolution
    sees the product, and an exported file holds nothing else.

    What is trained is the dictionary divided by a constant `gain`. That changes no function and no
    gradient direction, but how far an optimizer that normalises its steps, as Adam does, moves a
    dictionary that must stay small beside kernels that are not.

    Args:
        filters: Output channels.
        kernel_size: Height and width of the kernel.
        gain: Of the dictionary to what is trained.
        **kwargs: As of `keras.layers.Conv2D`.

    Input and output shape: as of `keras.layers.Conv2D`.
    """

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], *, gain: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.gain = gain

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create dictionary, bias and step, which begins as 1."""
        super().build(input_shape)
        self.step = self.add_weight(shape=(), initializer="ones", name="step")

    @property
    def dictionary(self) -> Any:
        """The kernel without the step, `(height, width, in_channels, filters)`."""
        return ops.multiply(self.gain, super().kernel)

    @property
    def kernel(self) -> Any:
        """The kernel that is convolved with, of the dictionary's shape."""
        return ops.multiply(self.step, self.dictionary)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Save what is trained; `Conv2D` would save the product."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Load what was trained."""
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "gain": self.gain}
