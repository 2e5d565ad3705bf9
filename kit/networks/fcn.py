"""A fully convolutional network on a dilated backbone."""

from __future__ import annotations

from typing import Any

import keras

from kit.layers.fcn_head import FCNHead
from kit.networks.dilated_network import DilatedNetwork


@keras.saving.register_keras_serializable(package="tierseg")
class FCN(DilatedNetwork):
    """Fully convolutional network (arXiv 1411.4038) on MobileNetV2 or ResNet-50.

    With early exits if asked for, as MESS (arXiv 2106.03527) converts such networks. The head is
    torchvision's: no skip connections, whose place the dilated backbone takes.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of the output stride.
        name: Of the network.
        **options: As of `DilatedNetwork`: `backbone`, `output_stride`, `encoder_weights`, `width`,
            `configurations`, `exits`, `image_thresholds`, `training_record`, `tail`, `input_sizes`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.

    Raises:
        InputError: naming the argument.

    Example:
        >>> network = FCN(num_classes=11, image_size=(352, 480), backbone="resnet50")
        >>> [str(tier) for tier in network.tiers]
        ['plain']
    """

    def __init__(
        self, num_classes: int, image_size: tuple[int, int], name: str = "fcn", **options: Any
    ) -> None:
        super().__init__(num_classes, image_size, name=name, **options)
        self._finish(FCNHead(self.feature_channels, num_classes, name="fcn"))
