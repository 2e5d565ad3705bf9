"""Segmentation head of an early exit (MESS, arXiv 2106.03527)."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm
from kit.layers.deeplab_head import DeepLabHead
from kit.layers.fcn_head import FCNHead
from kit.layers.head_config import HeadConfig
from kit.layers.inverted_residual import InvertedResidual

_LEAST = 16
_EXPANSION = 3
_DEEPLAB_CHANNELS = 256


class ExitHead(keras.layers.Layer):
    """Channel reduction, extra blocks with growing dilation, then an FCN or DeepLabV3 head.

    The paper's blocks are those of the backbone; here they are MobileNetV2's inverted residuals
    with a shortcut and expansion 3 on every backbone, for a head must stay cheap beside its stage.
    A container that wires stock layers, each path with statistics of its own (`ConvNorm`).

    Args:
        config: What it is made of.
        in_channels: Channels of the features at the exit; reduced to 16 at least.
        num_classes: Classes.
        stride: Of the features.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, in_channels)`; output: logits float32
    `(batch, height, width, num_classes)`.
    """

    def __init__(
        self, config: HeadConfig, in_channels: int, num_classes: int, stride: int, *, name: str
    ) -> None:
        super().__init__(name=f"{name}_exit")
        self.in_channels = in_channels
        channels = in_channels
        if config.reduction > 1:
            channels = min(in_channels, max(in_channels // config.reduction, _LEAST))
        self.reduce = (
            ConvNorm(channels, 1, conv_name=f"{name}_reduce", norm_name=f"{name}_reduce_BN")
            if channels < in_channels
            else None
        )
        self.blocks = [
            InvertedResidual(
                channels,
                expanded=_EXPANSION * channels,
                in_channels=channels,
                strides=1,
                dilation=2 ** (index + 1) if config.dilate else 1,
                name=f"{name}_block{index + 1}",
            )
            for index in range(config.blocks)
        ]
        self.shortcuts = [
            keras.layers.Add(name=f"{name}_block{index + 1}_add") for index in range(config.blocks)
        ]
        self.head = (
            FCNHead(channels, num_classes, name=name)
            if config.head == "fcn"
            else DeepLabHead(min(channels, _DEEPLAB_CHANNELS), num_classes, stride, name=name)
        )

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the head behind `x`, which was reached by `path`."""
        if self.reduce is not None:
            x = self.reduce.connect(x, path)
        for block, add in zip(self.blocks, self.shortcuts, strict=True):
            x = add([x, block.connect(x, path)])
        return self.head.connect(x, path)
