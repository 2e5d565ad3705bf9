"""How far two machines agree on every signature of a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobile_export.runtime import Segmenter
from tests.machines.every_signature import LATENCIES


@dataclass(frozen=True)
class Agreement:
    """Where two machines that ran one bundle on the same images agree.

    Args:
        masks: of each signature, the share of equal pixels in the image on which it is least.
        confidence: largest difference of a confidence, steps of 1/255.
        states: largest difference in a state that a stage hands on, steps; 0 without stages.
    """

    masks: Mapping[str, float]
    confidence: int
    states: int

    @property
    def least(self) -> float:
        """The share of equal pixels in the mask on which it is least, 0-1."""
        return min(self.masks.values())


def agreement(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Agreement:
    """Compares what `every_signature` gave on two machines; both must have run the same."""
    names = [name for name in one if not name.startswith(LATENCIES)]
    assert {*names} == {name for name in other if not name.startswith(LATENCIES)}
    masks, furthest = {}, {"confidence": 0, "state": 0}
    for name in names:
        signature, _, output = name.rpartition("/")
        first, second = one[name], other[name]
        assert (first.shape, first.dtype) == (second.shape, second.dtype), name
        if output == "mask":
            masks[signature] = float((first == second).mean(axis=(1, 2)).min())
        else:
            kind = "confidence" if output == "confidence" else "state"
            steps = int(np.abs(first.astype(int) - second.astype(int)).max())
            furthest[kind] = max(furthest[kind], steps)
    return Agreement(masks, furthest["confidence"], furthest["state"])


def unlike_their_tier(bundle: Path, outputs: Mapping[str, np.ndarray]) -> list[str]:
    """The stages whose mask or confidence is not, byte for byte, that of the tier they end at."""
    segmenter = Segmenter(bundle, warm_up="none")
    ends = {
        segmenter.info(tier).signature: segmenter.info(tier).stages[-1]
        for tier in segmenter.tiers
        if segmenter.info(tier).stages
    }
    return [
        stage
        for tier, stage in ends.items()
        if not np.array_equal(outputs[f"{tier}/mask"], outputs[f"{stage}/mask"])
        or not np.array_equal(outputs[f"{tier}/confidence"], outputs[f"{stage}/confidence"])
    ]
