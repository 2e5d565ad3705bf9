"""Fits, on the int8 file itself, the confidence from which an image leaves at each exit."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kit.data import Dataset
from kit.metrics import ConfusionMatrix
from kit.search import Candidate, ExitPolicy, ExitSearch, ExitTable, StageCosts
from kit.search.threshold_fit import fit_thresholds as fit
from mobile_export.benchmark import benchmark
from mobile_export.metadata import add_figures
from mobile_export.runtime import Bundle
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import resized, resized_mask
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.stages import Chain, read_chains
from mobile_export.runtime.tier_info import TierInfo, read_tiers


def bundle_table(
    path: str | os.PathLike[str],
    configuration: str,
    dataset: Dataset,
    stage_ms: Mapping[str, float],
) -> ExitTable:
    """What the chained stages of a configuration say of images, and what they cost.

    Args:
        path: the bundle.
        configuration: name of a configuration that has stages.
        dataset: labelled images; each label map is compared at its own size.
        stage_ms: latency of each stage signature, milliseconds.

    Returns:
        A table with one exit a stage. A stage's head is part of it: the trunk's costs are those of
        the stages, those of heads are 0.

    Raises:
        TiersegError: the bundle is corrupt, or the configuration has no stages.
    """
    bundle = Bundle.open(path)
    interpreter = Interpreter(bundle.model_bytes, threads=os.cpu_count() or 1, name=bundle.name)
    chain, tiers = _chain(bundle, interpreter, configuration)
    classes = len(dataset.classes)
    exits = len(tiers) - 1
    counts = np.zeros((len(tiers), len(dataset), classes, classes), np.int64)
    confidence = np.zeros((exits, len(dataset), 1), np.float32)
    for index in tqdm(range(len(dataset)), desc=f"run {configuration}", delay=2, disable=None):
        image, label = dataset.sample(index)
        given: dict[str, np.ndarray] = {"image": resized(image, chain.input_size)[None]}
        for place, stage in enumerate(chain.stages):
            outputs, _ = interpreter.run(stage, given)
            matrix = ConfusionMatrix(classes)
            matrix.update(label, resized_mask(outputs["mask"][0], label.shape))
            counts[place, index] = matrix.counts
            if place < exits:
                confidence[place, index] = outputs["confidence"][0] / np.float32(255)
            given = {name: outputs[name] for name in interpreter.signatures[stage].states}
    macs = np.diff([0.0, *(tier.figures["macs"] for tier in tiers)])
    heads = np.zeros(exits + 1)
    costs = {
        "latency_ms": StageCosts(np.array([stage_ms[stage] for stage in chain.stages]), heads),
        "macs": StageCosts(np.maximum(macs, 0), heads),
    }
    names = tuple(tier.name for tier in tiers[:-1])
    policy = ExitPolicy()  # a stand-in: what the file computes is one policy an exit
    return ExitTable(
        configuration, tuple(range(exits)), names, counts, confidence, (policy,), costs
    )


def fit_thresholds(
    path: str | os.PathLike[str],
    dataset: Dataset,
    *,
    max_drop: float = 0.5,
    rounds: int = 20,
) -> dict[str, dict[str, Any]]:
    """Writes into a bundle from which confidence on an image leaves at each of its exits.

    The thresholds are those of the least mean latency on this machine that lose no more than
    `max_drop`, by what the int8 stages say of the images. An exit that is never worth leaving at
    gets 1.

    Args:
        path: the bundle; its metadata is replaced at once or not at all.
        dataset: labelled images, which training has not seen.
        max_drop: points of mIoU (percentage points) that may be lost against the final exit.
        rounds: timed calls of each stage.

    Returns:
        For each configuration with stages: `thresholds`, by tier; `chosen`, the candidate's
        figures; `final`, those of running to the end.

    Raises:
        TiersegError: the bundle has no stages.
    """
    bundle = Bundle.open(path)
    interpreter = Interpreter(bundle.model_bytes, name=bundle.name)
    chains = read_chains(bundle.name, interpreter, read_tiers(bundle, interpreter.signatures))
    if not chains:
        raise TiersegError(f"{path} must have stages to fit thresholds for; got none")
    stage_ms = stage_latencies(path, rounds=rounds)
    infos = {info.name: info for info in read_tiers(bundle, interpreter.signatures)}
    found, figures = {}, {}
    for configuration, chain in chains.items():
        table = bundle_table(path, configuration, dataset, stage_ms)
        exits = tuple(range(1, table.num_exits + 1))
        policies = table.policies * table.num_exits
        fitted = fit(table, exits, policies, max_drop=max_drop, cost="latency_ms")
        # Written with four digits, below the value: confidences are 1/255 apart.
        values = tuple(math.floor(1e4 * value) / 1e4 for value in fitted)
        thresholds = dict(zip(chain.tiers[:-1], values, strict=True))
        for tier, value in thresholds.items():
            own = dict(infos[tier].figures.get("thresholds", {}))
            figures[tier] = {"thresholds": {**own, "image": value}}
        search = ExitSearch(table)
        found[configuration] = {
            "thresholds": thresholds,
            "chosen": search.score(Candidate("input-dependent", exits, policies, values)).to_dict(),
            "final": search.final().to_dict(),
        }
    add_figures(path, figures)
    return found


def stage_latencies(
    path: str | os.PathLike[str], *, rounds: int = 20, threads: int = 1
) -> dict[str, float]:
    """Median latency of each stage of a bundle on this machine, milliseconds, by signature.

    Args:
        path: the bundle.
        rounds: timed calls of each stage.
        threads: CPU threads.
    """
    names = [name for name in Bundle.open(path).signatures if "_stage" in name]
    timed = benchmark([Path(path)], threads, rounds=rounds, tiers=names)
    return {row.signature: row.p50_ms for row in timed.rows}


def _chain(
    bundle: Bundle, interpreter: Interpreter, configuration: str
) -> tuple[Chain, list[TierInfo]]:
    infos = read_tiers(bundle, interpreter.signatures)
    chains = read_chains(bundle.name, interpreter, infos)
    if configuration not in chains:
        raise TiersegError(
            f"`configuration` must be one with stages ({', '.join(chains) or 'there are none'}); "
            f"got {configuration!r}"
        )
    chain = chains[configuration]
    by_name = {info.name: info for info in infos}
    return chain, [by_name[name] for name in chain.tiers]
