"""Head of a fully convolutional network."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm

_LEAST = 16


class FCNHead(keras.layers.Layer):
    """3×3 convolution to a quarter of the channels, batch normalisation, ReLU, 1×1 to the classes.

    As torchvision's, without its dropout: what a resumed run draws would differ. The quarter is 16
    channels at least.

    Args:
        in_channels: Input channels.
        num_classes: Classes.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, in_channels)`; output: logits float32
    `(batch, height, width, num_classes)`.

    Reference:
        Long et al., Fully Convolutional Networks for Semantic Segmentation, arXiv 1411.4038.
    """

    def __init__(self, in_channels: int, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_head")
        self.refine = ConvNorm(
            max(in_channels // 4, _LEAST),
            3,
            conv_name=f"{name}_conv",
            norm_name=f"{name}_conv_BN",
        )
        self.classify = keras.layers.Conv2D(num_classes, 1, name=f"{name}_classes")
        self.float_logits = keras.layers.Activation(
            "linear", dtype="float32", name=f"{name}_logits"
        )

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the head behind `x`, which was reached by `path`."""
        return self.float_logits(self.classify(self.refine.connect(x, path)))
