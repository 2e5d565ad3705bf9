"""CSC-Unet: a U-Net of convolutional sparse coding blocks, and the plain U-Net of its width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import keras

from kit.errors import InputError
from kit.layers.csc_block import CSCBlock
from kit.layers.tail_config import TailConfig
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.networks.tier_graphs import State
from kit.tiers import BRANCHES, parse_vector, vector_name

Where = Literal["both", "encoder", "decoder"]

_CHANNELS = 64
_DEPTH = 5
_BLOCKS = 2 * _DEPTH - 1
_STRIDE = 2 ** (_DEPTH - 1)
_UNFOLDED = {
    "both": range(_BLOCKS),
    "encoder": range(_DEPTH),
    "decoder": range(_DEPTH, _BLOCKS),
}
"""The blocks that are unfolded."""


@keras.saving.register_keras_serializable(package="tierseg")
class CSCUNet(AdaptiveNetwork):
    """CSC-Unet (Tang et al., arXiv 2108.00408): a U-Net whose blocks are `CSCBlock`.

    Five blocks of the encoder, of 64 to 1024 channels, the size halved between them by a maximum;
    four of the decoder, each behind a 3×3 transposed convolution of stride 2 and the encoder's map
    of its scale; a 1×1 convolution. Without unfoldings it is the plain U-Net, with normalisation.

    How often a block is unfolded may be chosen after training, with the same weights: its branches
    are `light` (not at all), `once` and `heavy` (as often as it was made for). The network has one
    configuration, `heavy` throughout, unless others are named; those are trained as any others.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of 16.
        width: Multiplier of all channels, of which the first block has 64.
        unfoldings: Of each block, 0 or more; 2 in the paper's CamVid.
        where: Which blocks are unfolded: `"both"`, of the `"encoder"` or of the `"decoder"`.
        configurations: Name to vector, lightest first; by default `plain` without unfoldings, else
            `t2` for two of them.
        exits: Early exits, shallowest first; see `AdaptiveNetwork`.
        image_thresholds: Of the early exits; see `AdaptiveNetwork`.
        training_record: What is known of the weights' origin.
        name: Of the network.
        tail: High-resolution tail; see `AdaptiveNetwork`.
        input_sizes: Further sizes of images, multiples as `image_size`; see `AdaptiveNetwork`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`, of `output_size` where there is a tail.

    Raises:
        InputError: naming the argument.

    Example:
        >>> dial = {"t0": "l" * 9, "t1": "o" * 9, "t2": "h" * 9}
        >>> network = CSCUNet(num_classes=11, image_size=(96, 128), configurations=dial)
        >>> [str(tier) for tier in network.tiers]
        ['t0', 't1', 't2']
    """

    size_multiple = _STRIDE

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        width: float = 1.0,
        unfoldings: int = 2,
        where: Where = "both",
        configurations: Mapping[str, str] | None = None,
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str = "csc_unet",
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if width * _CHANNELS < 1:
            raise InputError(
                f"`width` must be 1/{_CHANNELS} or more, one channel; received: {width}"
            )
        if unfoldings < 0:
            raise InputError(f"`unfoldings` must be 0 or more; received: {unfoldings}")
        if where not in _UNFOLDED:
            raise InputError(
                f"`where` must be one of {', '.join(get_args(Where))}; received: {where!r}"
            )
        default = f"t{unfoldings}" if unfoldings else "plain"
        super().__init__(
            num_classes,
            image_size,
            configurations or {default: "h" * _BLOCKS},
            exits,
            image_thresholds,
            training_record,
            name,
            tail,
            input_sizes,
        )
        self.width = width
        self.unfoldings = unfoldings
        self.where: Where = where

        # === Layers ===
        first = round(_CHANNELS * width)
        levels = [*range(_DEPTH), *range(_DEPTH - 2, -1, -1)]
        self.rescale = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        self.pools = [keras.layers.MaxPooling2D(2, name=f"pool{n}") for n in range(1, _DEPTH)]
        self.blocks = [
            CSCBlock(
                first * 2**level,
                unfoldings if index in _UNFOLDED[where] else 0,
                name=f"{'encoder' if index < _DEPTH else 'decoder'}{level + 1}",
            )
            for index, level in enumerate(levels)
        ]
        self.ups = [
            keras.layers.Conv2DTranspose(
                first * 2**level,
                3,
                strides=2,
                padding="same",
                kernel_initializer="he_normal",
                name=f"decoder{level + 1}_up",
            )
            for level in levels[_DEPTH:]
        ]
        self.concatenates = [
            keras.layers.Concatenate(name=f"decoder{level + 1}_concatenate")
            for level in levels[_DEPTH:]
        ]
        self.classify = keras.layers.Conv2D(num_classes, 1, name="classes")
        self.float_logits = keras.layers.Activation("linear", dtype="float32", name="logits")
        self._wire()

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        """Decoder, and heads of early exits."""
        return [*super().multi_scale, *self.ups, *self.blocks[_DEPTH:]]

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        allowed = [(*("light", "once")[: block.unfoldings], "heavy") for block in self.blocks]
        return vector_name(parse_vector(vector, allowed, {}))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        return {"x": self.rescale(image)}

    def _block(self, index: int, state: State, vector: str) -> State:
        state = dict(state)
        x = state.pop("x")
        stage = index - _DEPTH
        if index in range(1, _DEPTH):
            x = self.pools[index - 1](x)
        elif stage >= 0:
            skip = state.pop(f"encoder{_DEPTH - 1 - stage}")
            x = self.concatenates[stage]([skip, self.ups[stage](x)])
        block = self.blocks[index]
        unfoldings = {"light": 0, "once": 1, "heavy": block.unfoldings}[BRANCHES[vector[index]]]
        x = block.connect(x, vector[:index], unfoldings)
        if index < _DEPTH - 1:
            state[f"encoder{index + 1}"] = x
        return {"x": x, **state}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        return self.float_logits(self.classify(state["x"]))

    # === Config ===

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "unfoldings": self.unfoldings,
            "where": self.where,
        }
