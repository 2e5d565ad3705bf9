"""The control of J-Net's tail that makes all pixels in one step."""

from __future__ import annotations

import keras

from kit.layers.depth_to_space import DepthToSpace
from kit.layers.phase_kernel import PhaseKernel
from kit.layers.tail_config import TailConfig


class PixelShuffleTail(keras.layers.Layer):
    """Learned enlargement of logits in one step, by pixel shuffle (ESPCN, arXiv 1609.05158).

    A 3×3 convolution from c channels to c·s², whose channels are then laid out as the s×s pixels of
    each: 9c²s² + cs² parameters at a scale of s, 2560 for one channel at 16. 3×3 and not 1×1, for
    without neighbours it could not interpolate; so it begins, but for the border, where zeros are
    padded.

    A container that wires stock layers.

    Args:
        config: Its scale.
        num_classes: Channels of the logits, 1 or more.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, num_classes)`; output: those logits, and float32
    `(batch, scale * height, scale * width, num_classes)`: there are no levels between.
    """

    def __init__(self, config: TailConfig, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_pixel_shuffle")
        pixels = config.scale**2
        self.parameters = (9 * num_classes + 1) * num_classes * pixels
        self.phases = keras.layers.Conv2D(
            num_classes * pixels,
            3,
            padding="same",
            kernel_initializer=PhaseKernel(config.scale),
            name=f"{name}_phases",
        )
        self.shuffle = DepthToSpace(config.scale, dtype="float32", name=f"{name}_logits")

    def connect(self, logits: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Wire the tail behind `logits`; returns these and the large ones."""
        return [logits, self.shuffle(self.phases(logits))]
