"""Networks on a dilated backbone: what DeepLabV3 and FCN share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kit.errors import InputError
from kit.layers.bottleneck import Bottleneck
from kit.layers.conv_norm import ConvNorm
from kit.layers.deeplab_head import DeepLabHead
from kit.layers.fcn_head import FCNHead
from kit.layers.inverted_residual import InvertedResidual
from kit.layers.pta_inverted_residual import PTAInvertedResidual
from kit.layers.resnet_stem import ResNetStem
from kit.layers.tail_config import TailConfig
from kit.networks import mobilenet_v2, resnet
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.networks.published import MEAN, SCALE
from kit.networks.tier_graphs import State
from kit.tiers import BRANCHES, parse_vector, vector_name

PLAIN: Mapping[str, str] = {"plain": "h" * 16}
"""The one configuration of a network on a dilated backbone, unless others are asked for."""

BACKBONES = ("mobilenet_v2", "resnet50")

_LEAST_WIDTH = 0.35


class DilatedNetwork(AdaptiveNetwork):
    """Base of networks of a classifier's backbone, which stops losing resolution, and a head.

    The backbone is MobileNetV2 (arXiv 1801.04381, up to its last block) or ResNet-50 (arXiv
    1512.03385), as in MESS (arXiv 2106.03527). A stride that would go beyond `output_stride` is
    left out, and every kernel behind it looks at taps as much further apart (dilated residual
    networks, arXiv 1705.09914): a published kernel meets the very pixels that it learned on, and
    with published weights the features of the original network are among these, unchanged.

    Its 16 blocks are the backbone's residual blocks, for MobileNetV2 those behind the first, which
    are PTA blocks: `light` skips one that has a shortcut. By default there is one configuration,
    `plain`, all heavy. A family makes its head and calls `_finish`.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of `output_stride`, so that features
            cover the image exactly and logits are enlarged by a whole number.
        backbone: `"mobilenet_v2"` or `"resnet50"`.
        output_stride: Pixels between the backbone's features: 8, or 16 at about a quarter of the
            multiply-adds.
        encoder_weights: `"imagenet"` (downloaded by Keras Applications), the path of a weights file
            of the backbone in Keras Applications without top, or `None`.
        width: MobileNetV2's width multiplier, 1.0 or 0.35 for published weights.
        configurations: Name to vector, lightest first, letters `h` and `l`; `PLAIN` by default.
        exits: Early exits, shallowest first; see `AdaptiveNetwork`.
        image_thresholds: Of the early exits; see `AdaptiveNetwork`.
        training_record: What is known of the weights' origin.
        name: Of the network.
        tail: High-resolution tail; see `AdaptiveNetwork`.
        input_sizes: Further sizes of images, multiples as `image_size`; see `AdaptiveNetwork`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.

    Raises:
        InputError: naming the argument.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        backbone: str = "mobilenet_v2",
        output_stride: int = 16,
        encoder_weights: str | Path | None = None,
        width: float = 1.0,
        configurations: Mapping[str, str] | None = None,
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str | None = None,
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if backbone not in BACKBONES:
            raise InputError(f"`backbone` must be {' or '.join(BACKBONES)}; received: {backbone!r}")
        if output_stride not in (8, 16):
            raise InputError(f"`output_stride` must be 8 or 16; received: {output_stride}")
        if min(image_size) < 1 or any(side % output_stride for side in image_size):
            raise InputError(
                "`image_size` must be (height, width), both multiples of the output stride "
                f"{output_stride}; received: {tuple(image_size)}"
            )
        if width < _LEAST_WIDTH or (backbone != "mobilenet_v2" and width != 1):
            raise InputError(
                f"`width` must be {_LEAST_WIDTH} or more for mobilenet_v2 and 1 for others; "
                f"received: {width} for {backbone}"
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
        self.backbone = backbone
        self.output_stride = self.size_multiple = output_stride
        self.encoder_weights = None if encoder_weights is None else str(encoder_weights)
        self.width = width

        # === Layers ===
        if backbone == "mobilenet_v2":
            self._make_mobilenet_v2()
        else:
            self._make_resnet50()

    def _make_mobilenet_v2(self) -> None:
        stem, filters = (mobilenet_v2.channels(count, self.width) for count in (32, 16))
        self.rescale = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        self.beginning: list[ConvNorm | InvertedResidual | ResNetStem] = [
            ConvNorm(
                stem, 3, strides=2, activation="relu6", conv_name="Conv1", norm_name="bn_Conv1"
            ),
            InvertedResidual(
                filters, expanded=stem, in_channels=stem, strides=1, name="expanded_conv"
            ),
        ]
        self.blocks: list[PTAInvertedResidual | Bottleneck] = []
        for place in _places(mobilenet_v2.GROUPS, 2, self.output_stride):
            in_channels, filters = filters, mobilenet_v2.channels(place.group.filters, self.width)
            self.blocks.append(
                PTAInvertedResidual(
                    in_channels,
                    filters,
                    strides=place.strides,
                    # The stride is the depthwise convolution's: it is not behind it.
                    dilation=place.dilation_before,
                    name=f"block_{len(self.blocks) + 1}",
                )
            )

    def _make_resnet50(self) -> None:
        self.rescale = keras.layers.Rescaling(
            SCALE, offset=[-mean * SCALE for mean in MEAN], name="rescale"
        )
        self.beginning = [ResNetStem(resnet.STEM_FILTERS)]
        self.blocks = []
        filters = resnet.STEM_FILTERS
        for place in _places(resnet.GROUPS, 4, self.output_stride):
            in_channels, filters = filters, 4 * place.group.filters
            self.blocks.append(
                Bottleneck(
                    place.group.filters,
                    in_channels=in_channels,
                    strides=place.strides,
                    # The stride is the first 1×1 convolution's: the 3×3 is behind it.
                    dilation=place.dilation,
                    name=f"{place.group.name}_block{place.number}",
                )
            )

    def _finish(self, head: DeepLabHead | FCNHead) -> None:
        """Wire everything with `head` as the final exit, and load the backbone's weights."""
        self.head = head
        self._wire()
        if self.encoder_weights is not None:
            load = {
                "mobilenet_v2": mobilenet_v2.load_imagenet_weights,
                "resnet50": resnet.load_imagenet_weights,
            }[self.backbone]
            load(self, self.encoder_weights)

    @property
    def feature_channels(self) -> int:
        """Channels that the final exit's head takes in."""
        if self.backbone == "mobilenet_v2":
            return mobilenet_v2.channels(mobilenet_v2.GROUPS[-1].filters, self.width)
        return 4 * resnet.GROUPS[-1].filters

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        """Heads of all exits."""
        return [*super().multi_scale, self.head]

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        return vector_name(parse_vector(vector, [_choices(block) for block in self.blocks], PLAIN))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        x = self.rescale(image)
        for part in self.beginning:
            x = part.connect(x, "")
        return {"x": x}

    def _block(self, index: int, state: State, vector: str) -> State:
        block, path = self.blocks[index], vector[:index]
        if isinstance(block, Bottleneck):
            return {"x": block.connect(state["x"], path)}
        return {"x": block.connect(state["x"], BRANCHES[vector[index]], path)}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        return self.head.connect(state["x"], vector)

    # === Config ===

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the weights themselves replace `encoder_weights`."""
        return {
            **super().get_config(),
            "backbone": self.backbone,
            "output_stride": self.output_stride,
            "encoder_weights": None,
            "width": self.width,
        }


class _Place(NamedTuple):
    """A block, its number in its group, its strides and the dilation before and behind those."""

    group: Any
    number: int
    strides: int
    dilation_before: int
    dilation: int


def _places(groups: Sequence[Any], stride: int, output_stride: int) -> Iterator[_Place]:
    """Where each block of the groups stands, the first of them behind `stride`.

    A stride that would go beyond the output stride becomes a dilation of what is behind it.
    """
    dilation = 1
    for group in groups:
        for number in range(1, group.blocks + 1):
            strides, before = group.strides if number == 1 else 1, dilation
            if stride * strides > output_stride:
                strides, dilation = 1, dilation * strides
            stride *= strides
            yield _Place(group, number, strides, before, dilation)


def _choices(block: PTAInvertedResidual | Bottleneck) -> tuple[str, ...]:
    return ("heavy",) if isinstance(block, Bottleneck) else block.choices
