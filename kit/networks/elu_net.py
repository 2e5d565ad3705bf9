"""ELU-Net: a U-Net whose decoder sees every encoder map of its scale and of coarser ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from kit.errors import InputError
from kit.layers.conv_norm import ConvNorm
from kit.layers.stacked_upsample import StackedUpsample
from kit.layers.tail_config import TailConfig
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.networks.tier_graphs import State
from kit.tiers import parse_vector, vector_name

_CHANNELS = 16
_DEPTH = 5
_STRIDE = 2 ** (_DEPTH - 1)

PLAIN: Mapping[str, str] = {"plain": "h" * (2 * _DEPTH - 1)}
"""The one configuration: five blocks of the encoder and four of the decoder."""


@keras.saving.register_keras_serializable(package="tierseg")
class ELUNet(AdaptiveNetwork):
    """ELU-Net (Deng et al., IEEE Access 2022) as the base of J-Net (arXiv 2403.05340).

    Each block of the encoder is two 3×3 convolutions, the channels doubled and, but for the first,
    the size halved before by a maximum. Each block of the decoder concatenates projections
    (`StackedUpsample`) of the block before it and of every encoder map of its own and of coarser
    scales, the deepest left out; two 3×3 convolutions follow. The block before and the encoder map
    of its scale have one projection, with the same weights: so the published code has 3,194,081
    parameters for grey images and one logit.

    Besides colour images and one logit a class, it differs in the biases that normalisation takes
    away again, which it has not. `with_tail` makes it J-Net.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels, multiples of 16.
        width: Multiplier of all channels, of which the first block has 16.
        configurations: `PLAIN`, the only ones.
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
        >>> network = ELUNet(num_classes=2, image_size=(32, 32)).with_tail((256, 256))
        >>> network.tier("plain").output_shape
        (None, 256, 256, 2)
    """

    size_multiple = _STRIDE

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        width: float = 1.0,
        configurations: Mapping[str, str] | None = None,
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str = "elu_net",
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if width * _CHANNELS < 1:
            raise InputError(
                f"`width` must be 1/{_CHANNELS} or more, one channel; received: {width}"
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
        first = round(_CHANNELS * width)
        widths = [first * 2**level for level in range(_DEPTH)]
        self.rescale = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        self.pools = [keras.layers.MaxPooling2D(2, name=f"pool{n}") for n in range(1, _DEPTH)]
        # Flat, two a block: of lists within lists, Keras saves nothing.
        self.convs = [
            ConvNorm(filters, 3, conv_name=f"{block}_conv{n}", norm_name=f"{block}_conv{n}_BN")
            for block, filters in (
                *((f"encoder{level + 1}", widths[level]) for level in range(_DEPTH)),
                *((f"decoder{level + 1}", widths[level]) for level in range(_DEPTH - 2, -1, -1)),
            )
            for n in (1, 2)
        ]
        self.projections: list[StackedUpsample] = []
        for level in range(_DEPTH - 2, -1, -1):
            for source in (level + 1, level, *range(level + 2, _DEPTH - 1)):
                name = f"decoder{level + 1}_from{source + 1}"
                scale = 2 ** max(source - level, 0)
                self.projections.append(
                    StackedUpsample(scale, widths[source], widths[level], name=name)
                )
        self.concatenates = [
            keras.layers.Concatenate(name=f"decoder{level + 1}_concatenate")
            for level in range(_DEPTH - 2, -1, -1)
        ]
        self.classify = keras.layers.Conv2D(num_classes, 1, name="classes")
        self.float_logits = keras.layers.Activation("linear", dtype="float32", name="logits")
        self._wire()

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        """Decoder, and heads of early exits."""
        return [*super().multi_scale, *self.convs[2 * _DEPTH :]]

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        return vector_name(parse_vector(vector, [("heavy",)] * (2 * _DEPTH - 1), PLAIN))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        return {"x": self.rescale(image)}

    def _block(self, index: int, state: State, vector: str) -> State:
        state = dict(state)
        x = state.pop("x")
        if index < _DEPTH:
            x = self.pools[index - 1](x) if index else x
        else:
            level = 2 * (_DEPTH - 1) - index
            made = {projection.name: projection for projection in self.projections}
            taken = [(level + 2, x)]
            taken += [(k, state[f"encoder{k}"]) for k in range(level + 1, _DEPTH)]
            projected = [
                made[f"decoder{level + 1}_from{k}_unit"].connect(value) for k, value in taken
            ]
            x = self.concatenates[index - _DEPTH](projected)
        for unit in self.convs[2 * index : 2 * index + 2]:
            x = unit.connect(x, vector[:index])
        if index < _DEPTH - 1:
            state[f"encoder{index + 1}"] = x
        # What the last block has used, the final exit does not need.
        return {"x": x, **(state if index < 2 * (_DEPTH - 1) else {})}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        return self.float_logits(self.classify(state["x"]))

    # === Config ===

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "width": self.width}
