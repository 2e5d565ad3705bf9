"""FCN-8s on VGG-16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kit.errors import InputError
from kit.layers.fcn8s_head import FCN8sHead
from kit.layers.tail_config import TailConfig
from kit.layers.vgg_block import VGGBlock
from kit.networks import vgg16
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.networks.published import MEAN, SCALE
from kit.networks.tier_graphs import State
from kit.tiers import parse_vector, vector_name

PLAIN: Mapping[str, str] = {"plain": "h" * 6}
"""The one configuration: five blocks of VGG-16 and what was fully connected."""

_STRIDE = 32
_LEAST_CHANNELS = 8
_SKIPS = {2: "pool3", 3: "pool4"}


@keras.saving.register_keras_serializable(package="tierseg")
class FCNVGG16(AdaptiveNetwork):
    """FCN-8s on VGG-16 (arXiv 1411.4038), a network without any normalisation.

    Its six blocks are VGG-16's five and its fully connected layers, made convolutional; early exits
    may stand behind each but the last. Borders are padded by zeros to keep the size, where the
    original pads by 100 pixels and crops. No dropout: what a resumed run draws would differ.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of 32.
        encoder_weights: `"imagenet"` (downloaded by Keras Applications), the path of a weights file
            of VGG16 in Keras Applications without top, or `None`. What was fully connected begins
            from nothing.
        width: Multiplier of all channels, 8 at least; 1 for published weights.
        exits: Early exits, shallowest first; see `AdaptiveNetwork`.
        image_thresholds: Of the early exits; see `AdaptiveNetwork`.
        configurations: `PLAIN`, the only ones.
        training_record: What is known of the weights' origin.
        name: Of the network.
        tail: High-resolution tail; see `AdaptiveNetwork`.
        input_sizes: Further sizes of images, multiples as `image_size`; see `AdaptiveNetwork`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.

    Raises:
        InputError: naming the argument.

    Example:
        >>> network = FCNVGG16(num_classes=11, image_size=(352, 480), width=0.25)
        >>> [str(tier) for tier in network.tiers]
        ['plain']
    """

    size_multiple = _STRIDE

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        encoder_weights: str | Path | None = None,
        width: float = 1.0,
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        configurations: Mapping[str, str] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str = "fcn_vgg16",
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if not 0 < width <= 1 or (encoder_weights is not None and width != 1):
            raise InputError(
                "`width` must be above 0 and at most 1, and 1 for published weights; "
                f"received: {width}"
            )
        super().__init__(
            num_classes,
            image_size,
            configurations or PLAIN,
            exits,
            image_thresholds,
            training_record,
            name,
            tail,
            input_sizes,
        )
        self.width = width

        # === Layers ===
        self.rescale = keras.layers.Rescaling(
            SCALE, offset=[-mean * SCALE for mean in MEAN], name="rescale"
        )
        self.blocks = [
            VGGBlock(self._channels(filters), convolutions, name=f"block{number}")
            for number, (filters, convolutions) in enumerate(vgg16.GROUPS, start=1)
        ]
        self.connected: list[keras.layers.Layer] = []
        for part, size in (("fc6", 7), ("fc7", 1)):
            conv = keras.layers.Conv2D(
                self._channels(vgg16.FULLY_CONNECTED),
                size,
                padding="same",
                kernel_initializer="he_normal",
                name=part,
            )
            self.connected += [conv, keras.layers.ReLU(name=f"{part}_relu")]
        self.head = FCN8sHead(num_classes, name="fcn8s")
        self._wire()
        if encoder_weights is not None:
            vgg16.load_imagenet_weights(self, str(encoder_weights))

    def _channels(self, filters: int) -> int:
        return max(round(filters * self.width), _LEAST_CHANNELS)

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        return vector_name(parse_vector(vector, [("heavy",)] * (len(self.blocks) + 1), PLAIN))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        return {"x": self.rescale(image)}

    def _block(self, index: int, state: State, vector: str) -> State:
        x = state["x"]
        if index < len(self.blocks):
            x = self.blocks[index].connect(x)
        else:
            for step in self.connected:
                x = step(x)
        skip = {_SKIPS[index]: x} if index in _SKIPS else {}
        return {**state, **skip, "x": x}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        return self.head.connect(state["pool3"], state["pool4"], state["x"])

    # === Config ===

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the weights themselves replace `encoder_weights`."""
        return {**super().get_config(), "encoder_weights": None, "width": self.width}
