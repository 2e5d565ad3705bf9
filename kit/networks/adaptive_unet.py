"""U-Net+PTA: a U-Net on MobileNetV2 whose blocks are chosen after training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kit.errors import InputError
from kit.layers.conv_norm import ConvNorm
from kit.layers.inverted_residual import InvertedResidual
from kit.layers.pta_decoder_stage import PTADecoderStage
from kit.layers.pta_inverted_residual import PTAInvertedResidual
from kit.layers.tail_config import TailConfig
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.networks.mobilenet_v2 import GROUPS, channels, load_imagenet_weights
from kit.networks.presets import ADAPTIVE_UNET, PLAIN_UNET
from kit.networks.tier_graphs import State
from kit.tiers import parse_vector, vector_name

STRIDE = 32


@keras.saving.register_keras_serializable(package="tierseg")
class AdaptiveUNet(AdaptiveNetwork):
    """U-Net+PTA (arXiv 2301.06358) with PTA blocks in encoder and decoder.

    The encoder is MobileNetV2 (arXiv 1801.04381): 16 of its 17 inverted residuals are PTA blocks.
    Skip connections leave from block outputs, which exist on every branch. Each decoder stage is a
    PTA block too. The paper's configurations, its block diagram and its recipe are not public:
    presets and branches are this project's.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of 32.
        encoder_weights: `"imagenet"` (downloaded by Keras Applications), the path of a weights file
            of Keras Applications' MobileNetV2 without top, or `None`.
        width: MobileNetV2's width multiplier, 1.0 or 0.35 for published weights.
        decoder_widths: Channels of the decoder's stages at strides 16, 8, 4 and 2.
        light_expansion: Expansion, 2–6, of the light branch of encoder blocks without a shortcut;
            `None`: those have a heavy branch alone.
        adaptive: `False` for the plain U-Net: heavy branches only, one tier named `plain`.
        configurations: Name to vector, lightest first; the six presets by default.
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

    Example:
        >>> network = AdaptiveUNet(num_classes=11, image_size=(352, 480))
        >>> [str(tier) for tier in network.tiers]
        ['light', 'quick', 'medium', 'balanced', 'strong', 'heavy']
    """

    size_multiple = STRIDE

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        encoder_weights: str | Path | None = None,
        width: float = 1.0,
        decoder_widths: Sequence[int] = (192, 96, 48, 48),
        light_expansion: int | None = None,
        adaptive: bool = True,
        configurations: Mapping[str, str] | None = None,
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str = "adaptive_unet",
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if len(decoder_widths) != 4:
            raise InputError(
                "`decoder_widths` must be the channels at strides 16, 8, 4 and 2; "
                f"received: {tuple(decoder_widths)}"
            )
        if light_expansion is not None and not 2 <= light_expansion <= 6:
            raise InputError(
                f"`light_expansion` must be 2 to 6, or `None`; received: {light_expansion}"
            )
        presets = ADAPTIVE_UNET if adaptive else PLAIN_UNET
        super().__init__(
            num_classes,
            image_size,
            configurations or presets,
            exits,
            image_thresholds,
            training_record,
            name,
            tail,
            input_sizes,
        )
        self.encoder_weights = None if encoder_weights is None else str(encoder_weights)
        self.width = width
        self.decoder_widths = tuple(decoder_widths)
        self.light_expansion = light_expansion
        self.adaptive = adaptive

        # === Layers ===
        self.rescale = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        stem = channels(32, width)
        self.stem = ConvNorm(
            stem, 3, strides=2, activation="relu6", conv_name="Conv1", norm_name="bn_Conv1"
        )
        filters = channels(16, width)
        self.first = InvertedResidual(
            filters, expanded=stem, in_channels=stem, strides=1, name="expanded_conv"
        )
        self.encoder_blocks: list[PTAInvertedResidual] = []
        for group in GROUPS:
            for index in range(group.blocks):
                in_channels, filters = filters, channels(group.filters, width)
                self.encoder_blocks.append(
                    PTAInvertedResidual(
                        in_channels,
                        filters,
                        strides=group.strides if index == 0 else 1,
                        light_expansion=light_expansion,
                        name=f"block_{len(self.encoder_blocks) + 1}",
                    )
                )
        self.decoder_stages = [
            PTADecoderStage(width, can_skip=stride == 2, name=f"decoder_{stride}")
            for width, stride in zip(self.decoder_widths, (16, 8, 4, 2), strict=True)
        ]
        self.heads = {
            f"stride_{stride}": keras.layers.Conv2D(num_classes, 1, name=f"head_{stride}")
            for stride in (2, 4)
        }
        self.float_logits = keras.layers.Activation("linear", dtype="float32", name="logits")

        self._wire()
        if encoder_weights is not None:
            load_imagenet_weights(self, str(encoder_weights))

    @property
    def blocks(self) -> list[PTAInvertedResidual | PTADecoderStage]:
        """The PTA blocks in the order of a configuration's vector."""
        return [*self.encoder_blocks, *self.decoder_stages]

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        """Decoder, and heads of early exits."""
        return [*super().multi_scale, *self.decoder_stages]

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        presets = ADAPTIVE_UNET if self.adaptive else PLAIN_UNET
        return vector_name(parse_vector(vector, [block.choices for block in self.blocks], presets))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        return {"x": self.first.connect(self.stem.connect(self.rescale(image), ""), "")}

    def _block(self, index: int, state: State, vector: str) -> State:
        branches = parse_vector(vector, [block.choices for block in self.blocks], {})
        x, skips = state["x"], {key: value for key, value in state.items() if key != "x"}
        stride = self._stride_of(x)
        if index < len(self.encoder_blocks):
            y = self.encoder_blocks[index].connect(x, branches[index], vector[:index])
            # The last output of a stride goes on to the decoder, unless its stage is skipped.
            stage = len(branches) - 1 - int(math.log2(stride // 2))
            if self._stride_of(y) > stride and branches[stage] != "skip":
                skips[f"skip_{stride}"] = x
        else:
            stage = index - len(self.encoder_blocks)
            skip = skips.pop(f"skip_{stride // 2}", x)
            y = self.decoder_stages[stage].connect(x, skip, branches[index], vector[:index])
        return {"x": y, **skips}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        x = state["x"]
        return self.float_logits(self.heads[f"stride_{self._stride_of(x)}"](x))

    # === Config ===

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the weights themselves replace `encoder_weights`."""
        return {
            **super().get_config(),
            "encoder_weights": None,
            "width": self.width,
            "decoder_widths": self.decoder_widths,
            "light_expansion": self.light_expansion,
            "adaptive": self.adaptive,
        }
