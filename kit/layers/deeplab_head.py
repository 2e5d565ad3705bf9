"""DeepLabV3's head: atrous spatial pyramid pooling."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm

_FIELDS = (96, 192, 288)
"""Pixels of the image between a kernel's taps: rates 12, 24, 36 at stride 8."""


class DeepLabHead(keras.layers.Layer):
    """A 1×1 and three dilated 3×3 convolutions and the image's mean, merged; then 3×3 and classes.

    The rates follow the features' stride, so that they span what 12, 24 and 36 span at stride 8.
    XNNPACK concatenates four inputs at most, and five would split the graph: the image's mean,
    being one pixel, is projected by itself and added, which is what a 1×1 convolution of the
    concatenation of all five does. The normalisation that follows it in the paper scales the other
    four alone here; the projection learns its own scale. No dropout: what a resumed run draws would
    differ.

    Args:
        channels: Of each part of the pyramid and behind it, 256 in the paper.
        num_classes: Classes.
        stride: Of the features.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, any)`; output: logits float32
    `(batch, height, width, num_classes)`.

    Reference:
        Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation,
        arXiv 1706.05587.
    """

    def __init__(self, channels: int, num_classes: int, stride: int, *, name: str) -> None:
        super().__init__(name=f"{name}_head")

        def unit(part: str, size: int, rate: int = 1, activation: str | None = "relu") -> ConvNorm:
            return ConvNorm(
                channels,
                size,
                dilation=rate,
                activation=activation,
                conv_name=f"{name}_{part}",
                norm_name=f"{name}_{part}_BN",
            )

        rates = [max(field // stride, 1) for field in _FIELDS]
        self.pyramid = [
            unit("aspp0", 1),
            *(unit(f"aspp{i}", 3, rate) for i, rate in enumerate(rates, start=1)),
        ]
        self.pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")
        # Without normalisation: a batch has one such pixel an image, too few for statistics.
        self.pooled = keras.layers.Conv2D(
            channels, 1, activation="relu", kernel_initializer="he_normal", name=f"{name}_aspp4"
        )
        self.concatenate = keras.layers.Concatenate(name=f"{name}_concatenate")
        self.merge = unit("merge", 1, activation=None)
        self.merge_pooled = keras.layers.Conv2D(
            channels, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_merge_pooled"
        )
        self.add = keras.layers.Add(name=f"{name}_add")
        self.relu = keras.layers.ReLU(name=f"{name}_relu")
        self.refine = unit("conv", 3)
        self.classify = keras.layers.Conv2D(num_classes, 1, name=f"{name}_classes")
        self.float_logits = keras.layers.Activation(
            "linear", dtype="float32", name=f"{name}_logits"
        )

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the head behind `x`, which was reached by `path`."""
        parts = self.concatenate([unit.connect(x, path) for unit in self.pyramid])
        pooled = self.merge_pooled(self.pooled(self.pool(x)))
        x = self.relu(self.add([self.merge.connect(parts, path), pooled]))
        return self.float_logits(self.classify(self.refine.connect(x, path)))
