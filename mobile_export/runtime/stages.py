"""Runs the exits of a configuration one after the other, each on what the one before computed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.latencies import Latencies
from mobile_export.runtime.result import Step
from mobile_export.runtime.signature import Signature, Tensor
from mobile_export.runtime.tier_info import TierInfo


class Chain:
    """The exits of one configuration as chained stages (MESS, arXiv 2106.03527).

    A stage computes the part of the network between two exits, so that a run that goes on past an
    exit repeats nothing. What a run costs depends on the image: it may end at every exit.

    Args:
        interpreter: runs the stages.
        tiers: the configuration's tiers that list stages, shallowest exit first. The stages of each
            begin with those of the one before.

    Attributes:
        tiers: names of the exits, shallowest first.
        stages: names of the stage signatures, in order.
        input_size: (height, width) of the image that the first stage takes, pixels.
    """

    def __init__(self, interpreter: Interpreter, tiers: Sequence[TierInfo]) -> None:
        self.tiers = tuple(tier.name for tier in tiers)
        self.stages = tiers[-1].stages
        self.input_size = tiers[0].input_size
        self._interpreter = interpreter
        self._fitted = [tier.image_threshold for tier in tiers]
        ends = [0, *(len(tier.stages) for tier in tiers)]
        self._steps = [self.stages[start:end] for start, end in pairwise(ends)]
        self._latencies = Latencies()

    def thresholds(self, given: float | None) -> list[float]:
        """The confidence (0-1) at which a run leaves, for each exit; 0 for the last.

        Args:
            given: one threshold for all exits; each exit's own, as the bundle has it, if None.

        Raises:
            TiersegError: `given` is not 0-1; or it is None, and an exit has no threshold.
        """
        if given is not None:
            if not 0 <= given <= 1:
                raise TiersegError(f"`threshold` must be a share of pixels 0-1, got {given}")
            return [given] * (len(self.tiers) - 1) + [0]
        for tier, threshold in zip(self.tiers[:-1], self._fitted, strict=False):
            if threshold is None:
                raise TiersegError(
                    f"`threshold` must be given (0-1, the share of sure pixels at which to leave), "
                    f"since the bundle has none for {tier}; got None"
                )
        return [threshold or 0 for threshold in self._fitted[:-1]] + [0]

    def run(
        self, image: np.ndarray, goes_on: Callable[[int, float], bool]
    ) -> tuple[np.ndarray, tuple[Step, ...]]:
        """Runs exit after exit until one is enough.

        Args:
            image: uint8 array `(height, width, 3)` of `input_size`.
            goes_on: is told the place of an exit in `tiers` and its confidence (0-1), and says
                whether to run the next one; not asked after the last.

        Returns:
            The mask of the last exit that ran, uint8 `(height, width)`, and every exit that ran.
        """
        outputs: Mapping[str, np.ndarray] = {}
        states: Mapping[str, np.ndarray] = {"image": image[None]}
        steps: list[Step] = []
        for place, (tier, stages) in enumerate(zip(self.tiers, self._steps, strict=True)):
            spent_ms = 0.0
            for stage in stages:
                outputs, latency_ms = self._interpreter.run(stage, states)
                self._latencies.add(stage, latency_ms)
                spent_ms += latency_ms
                states = {key: outputs[key] for key in self._interpreter.signatures[stage].states}
            start = time.perf_counter()
            confidence = float(outputs["confidence"][0]) / 255
            leaves = place + 1 == len(self.tiers) or not goes_on(place, confidence)
            spent_ms += 1000 * (time.perf_counter() - start)
            steps.append(Step(tier, confidence, spent_ms))
            if leaves:
                break
        return outputs["mask"][0], tuple(steps)

    def usual_ms(self) -> list[float]:
        """Time from the exit before to each exit on this device, milliseconds.

        It is the running median of what ran; a chain of which a stage never ran is run once.
        """
        medians = self._latencies.medians()
        if not medians.keys() >= set(self.stages):
            self.run(np.zeros((*self.input_size, 3), np.uint8), lambda place, confidence: True)
            medians = self._latencies.medians()
        return [sum(medians[stage] for stage in stages) for stages in self._steps]


def read_chains(
    bundle: str, interpreter: Interpreter, tiers: Iterable[TierInfo]
) -> dict[str, Chain]:
    """The chain of each configuration whose tiers list stages.

    Args:
        bundle: what messages call the bundle.
        interpreter: has the stages' signatures.
        tiers: every tier of the bundle.

    Raises:
        TiersegError: a tier lists a stage that the model lacks, a stage that does not take what the
            one before gives, or stages that do not begin with those of the exit before.
    """
    groups: dict[str, list[TierInfo]] = {}
    for tier in by_depth(tiers):
        if tier.stages:
            groups.setdefault(tier.configuration, []).append(tier)
    for group in groups.values():
        for tier in group:
            fault = _fault(tier, interpreter.signatures)
            if fault:
                raise TiersegError(f"{bundle}: {fault}")
        for shallow, deep in pairwise(group):
            shared = deep.stages[: len(shallow.stages)]
            if shared != shallow.stages or shared == deep.stages:
                raise TiersegError(
                    f"{bundle}: the stages of {deep.name} must be those of {shallow.name} "
                    f"({', '.join(shallow.stages)}) and more; got {', '.join(deep.stages)}"
                )
    return {name: Chain(interpreter, group) for name, group in groups.items()}


def by_depth(tiers: Iterable[TierInfo]) -> list[TierInfo]:
    """The tiers, shallowest exit first and final exits last; else in the given order."""
    return sorted(tiers, key=lambda tier: (tier.exit is None, tier.exit or 0))


def _fault(tier: TierInfo, signatures: Mapping[str, Signature]) -> str:
    """What of a tier's stages is wrong, in words; empty if nothing is."""
    giver = f"the tier {tier.name}"
    given = {"image": Tensor((1, *tier.input_size, 3), np.dtype(np.uint8))}
    for stage in tier.stages:
        if stage not in signatures:
            return (
                f"the tier {tier.name} lists a stage that the model lacks; expected one of the "
                f"signatures {', '.join(signatures)}, got {stage!r}"
            )
        signature = signatures[stage]
        if signature.inputs != given:
            return (
                f"{giver} and the stage {stage} do not fit each other; expected {stage} to take "
                f"{_listed(given)}, got {_listed(signature.inputs)}"
            )
        if signature.fault:
            return f"signature {stage!r}: {signature.fault}"
        giver, given = f"the stage {stage}", signature.states
    if signature.outputs["mask"].shape[1:] != tier.mask_size:
        return (
            f"{giver} and the tier {tier.name} do not fit each other; expected a mask of "
            f"{tier.mask_size} pixels, got {signature.outputs['mask']}"
        )
    return ""


def _listed(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {tensor}" for name, tensor in sorted(tensors.items())) or "nothing"
