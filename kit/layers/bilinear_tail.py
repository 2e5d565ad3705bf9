"""The control of J-Net's tail that learns nothing."""

from __future__ import annotations

import keras

from kit.layers.tail_config import TailConfig


class BilinearTail(keras.layers.Layer):
    """Bilinear enlargement of logits, without parameters.

    The control that tells what a loss at high resolution does from what a learned tail does.

    A container that wires stock layers.

    Args:
        config: Its scale.
        num_classes: Channels of the logits, 1 or more.
        name: Prefix of the layers' names.

    Input and output shape: as of `HighResTail`; each level is interpolated from the logits that it
    takes in.
    """

    parameters = 0

    def __init__(self, config: TailConfig, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_bilinear")
        self.enlarge = [
            keras.layers.UpSampling2D(
                2**level, interpolation="bilinear", dtype="float32", name=f"{name}_x{2**level}"
            )
            for level in range(1, config.levels + 1)
        ]

    def connect(self, logits: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Wire the tail behind `logits`; returns the levels, those that it takes in first."""
        return [logits, *(enlarge(logits) for enlarge in self.enlarge)]
