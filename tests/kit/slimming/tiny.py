"""The smallest network in which channels hang together in every way that the kit knows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

import kit
from kit.layers import ConvNorm, DeepLabHead, PTAInvertedResidual
from kit.networks.tier_graphs import State
from kit.tiers import BRANCHES, parse_vector, vector_name

CLASSES = 3
SIZE = (16, 32)


@keras.saving.register_keras_serializable(package="tests")
class TinyNetwork(kit.AdaptiveNetwork):
    """A stem, two PTA blocks, of which the first may be skipped, and DeepLabV3's head."""

    size_multiple = 4

    def __init__(
        self,
        num_classes: int = CLASSES,
        image_size: tuple[int, int] = SIZE,
        configurations: Mapping[str, str] | None = None,
        exits: Iterable[Any] = (),
        name: str = "tiny",
        **options: Any,
    ) -> None:
        super().__init__(
            num_classes,
            image_size,
            configurations or {"light": "lh", "heavy": "hh"},
            exits,
            name=name,
            **options,
        )
        self.rescale = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        self.stem = ConvNorm(8, 3, strides=2, conv_name="stem", norm_name="stem_BN")
        self.blocks = [
            PTAInvertedResidual(8, 8, strides=1, expansion=2, name="block_1"),
            PTAInvertedResidual(8, 12, strides=2, expansion=2, name="block_2"),
        ]
        self.head = DeepLabHead(8, num_classes, 4, name="deeplab")
        self._wire()

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        return [*super().multi_scale, self.head]

    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        return vector_name(parse_vector(vector, [block.choices for block in self.blocks], {}))

    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        return {"x": self.stem.connect(self.rescale(image), "")}

    def _block(self, index: int, state: State, vector: str) -> State:
        branch = BRANCHES[vector[index]]
        return {"x": self.blocks[index].connect(state["x"], branch, vector[:index])}

    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        return self.head.connect(state["x"], vector)


def some_images(size: tuple[int, int], count: int = 4) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (count, *size, 3)).astype("float32")


def logits_of(network: kit.AdaptiveNetwork, images: np.ndarray) -> dict[str, np.ndarray]:
    """Of every tier, in the network's own numbers."""
    found: dict[str, np.ndarray] = {}
    for final in network.final_tiers:
        tiers = network.exits_of(final)
        logits = network.joint_model(tiers)(images)
        values = logits if len(tiers) > 1 else [logits]
        pairs = zip(tiers, values, strict=True)
        found |= {str(t): keras.ops.convert_to_numpy(v) for t, v in pairs}
    return found
