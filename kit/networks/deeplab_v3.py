"""DeepLabV3 on a dilated backbone."""

from __future__ import annotations

from typing import Any

import keras

from kit.errors import InputError
from kit.layers.deeplab_head import DeepLabHead
from kit.networks.dilated_network import DilatedNetwork


@keras.saving.register_keras_serializable(package="tierseg")
class DeepLabV3(DilatedNetwork):
    """DeepLabV3 (arXiv 1706.05587) on MobileNetV2 or ResNet-50, with early exits if asked for.

    MESS (arXiv 2106.03527) converts such networks to multi-exit ones.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of the output stride.
        head_channels: Of each part of the head's pyramid, 256 in the paper.
        name: Of the network.
        **options: As of `DilatedNetwork`: `backbone`, `output_stride`, `encoder_weights`, `width`,
            `configurations`, `exits`, `image_thresholds`, `training_record`, `tail`, `input_sizes`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.

    Raises:
        InputError: naming the argument.

    Example:
        >>> network = DeepLabV3(num_classes=11, image_size=(352, 480), exits=[Exit(after=6)])
        >>> [str(tier) for tier in network.tiers]
        ['plain_exit1', 'plain']
    """

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        head_channels: int = 256,
        name: str = "deeplab_v3",
        **options: Any,
    ) -> None:
        if head_channels < 1:
            raise InputError(f"`head_channels` must be 1 or more; received: {head_channels}")
        super().__init__(num_classes, image_size, name=name, **options)
        self.head_channels = head_channels
        self._finish(DeepLabHead(head_channels, num_classes, self.output_stride, name="deeplab"))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "head_channels": self.head_channels}
