"""What enlarges the logits of an exit beyond the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras

from kit.layers.bilinear_tail import BilinearTail
from kit.layers.high_res_tail import HighResTail
from kit.layers.logit_difference import LogitDifference
from kit.layers.logit_pair import LogitPair
from kit.layers.pixel_shuffle_tail import PixelShuffleTail
from kit.layers.tail_config import TailConfig

_KINDS: Mapping[str, Callable[..., HighResTail | PixelShuffleTail | BilinearTail]] = {
    "learned": HighResTail,
    "pixel_shuffle": PixelShuffleTail,
    "bilinear": BilinearTail,
}
_BINARY = 2


class Tail(keras.layers.Layer):
    """Enlarges logits 2 to 16 times, level by level, by the kind of its configuration.

    With two classes only the difference of their logits matters, and it alone is enlarged: sigmoid
    of one logit is softmax of (0, x). So a learned tail has the parameters that J-Net (arXiv
    2403.05340) has with its one channel, 112 at a scale of 16 and 87 at 8, where two channels would
    have 420 and 328.

    A container that wires other layers.

    Args:
        config: Its scale and kind.
        num_classes: Classes, 2 or more.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, num_classes)`; output: logits float32
    `(batch, scale * height, scale * width, num_classes)`, and those of the levels before.
    """

    def __init__(self, config: TailConfig, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_high_res")
        self.is_binary = num_classes == _BINARY
        channels = 1 if self.is_binary else num_classes
        self.enlargement = _KINDS[config.kind](config, channels, name=name)
        if self.is_binary:
            self.difference = LogitDifference(dtype="float32", name=f"{name}_difference")
            self.pair = LogitPair(dtype="float32", name=f"{name}_pair")

    @property
    def parameters(self) -> int:
        """How many values are trained."""
        return self.enlargement.parameters

    def connect(self, logits: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Wire the tail behind `logits`.

        Returns:
            Logits of every level, those that it takes in first; the last are the tail's output.
        """
        if not self.is_binary:
            return self.enlargement.connect(logits)
        levels = self.enlargement.connect(self.difference(logits))
        return [logits, *map(self.pair, levels[1:])]
