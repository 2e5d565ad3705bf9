"""Fills the table that a search chooses from: what each exit says of labelled images, and costs."""

import math
from collections.abc import Sequence
from itertools import pairwise

import keras
import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork, Exit, Tier
from kit.data import Dataset
from kit.metrics import ConfusionMatrix
from kit.search import ExitPolicy, ExitTable, Profile, StageCosts, profile
from mobile_export.exit_latency import ExitLatencies
from mobile_export.prediction import predict_any
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import resized_mask

_PLAIN = ExitPolicy()


def measure_exits(
    network: AdaptiveNetwork,
    configuration: str,
    data: Dataset,
    policies: Sequence[ExitPolicy],
    *,
    latencies: ExitLatencies | None = None,
    tiers: Sequence[str | Tier] | None = None,
    batch: int = 4,
) -> ExitTable:
    """Runs every exit of one configuration on every image, once, in float32.

    Masks are those that a device would show, compared with each label map at its own size, as
    `evaluate_network` does. Memory is bounded by `batch`: of an image no more is kept than a
    confusion matrix an exit.

    Costs: `latency_ms`, if measured; `macs`, exact; `parameters`; `size_bytes`, one byte a
    parameter: int8 kernels take that, and the four values that BatchNorm has for a channel what
    its int32 bias takes, whereas scales (12 bytes a channel) and the graph's own bytes are left
    out; `memory_bytes`, the most that int8 activations take at once, weights and the runtime aside
    (`Profile.peak_activations`), in each segment and head. A head's include the states that wait
    beside it for what comes behind; where nothing does, as in the budgeted setting, less is needed.

    Args:
        network: the network, on any Keras backend.
        configuration: name of the configuration.
        data: labelled images.
        policies: how sure pixels are told, one or more; every exit is asked by each.
        latencies: of this configuration, as `time_exits` gives them; without them the table has no
            `latency_ms`.
        tiers: the early exits of the table, which numbers them anew from 1; all if None.
        batch: images that are worked on at a time.

    Raises:
        TiersegError: the network has no early exits, other classes than the data, or no such tier;
            the latencies are of other exits.
        InputError: the network has no such configuration, or the data nothing to compare with.
    """
    *known, final = network.exits_of(network.resolve(configuration))
    early = _chosen(known, tiers)
    if network.num_classes != len(data.classes):
        raise TiersegError(
            f"`network` has {network.num_classes} classes; expected the {len(data.classes)} of "
            f"{data.name}"
        )
    if batch < 1:
        raise TiersegError(f"`batch` must be 1 or more; got {batch}")
    judge = network.judge((*early, final), policies)
    counts = np.zeros((len(early) + 1, len(data), network.num_classes, network.num_classes), int)
    confidence = np.zeros((len(early), len(data), len(policies)), np.float32)
    with tqdm(
        total=len(data), desc=f"judge {configuration}", unit="image", delay=2, disable=None
    ) as bar:
        for start in range(0, len(data), batch):
            samples = [data.sample(i) for i in range(start, min(start + batch, len(data)))]
            images = [image for image, _ in samples]
            # Always as many: another number would be another graph to trace.
            images += images[-1:] * (batch - len(images))
            for exit_, said in enumerate(predict_any(judge, images)):
                for place, (_, label) in enumerate(samples):
                    matrix = ConfusionMatrix(network.num_classes)
                    matrix.update(label, resized_mask(said["mask"][place], label.shape))
                    counts[exit_, start + place] = matrix.counts
                if exit_ < len(early):
                    confidence[exit_, start : start + len(samples)] = said["confidence"][
                        : len(samples)
                    ]
            bar.update(len(samples))
    return ExitTable(
        configuration=final.configuration,
        points=tuple(points_of(network).index(_exit(network, tier).after) for tier in early),
        heads=tuple(_exit(network, tier).head.name for tier in early),
        counts=counts,
        confidence=confidence,
        policies=tuple(policies),
        costs=exit_costs(network, configuration, policies, latencies=latencies, tiers=tiers),
    )


def exit_costs(
    network: AdaptiveNetwork,
    configuration: str,
    policies: Sequence[ExitPolicy],
    *,
    latencies: ExitLatencies | None = None,
    tiers: Sequence[str | Tier] | None = None,
) -> dict[str, StageCosts]:
    """What the parts of one configuration cost; see `measure_exits`.

    Raises:
        TiersegError: the network has no early exits or no such tier, or the latencies are of other
            exits.
    """
    *known, final = network.exits_of(network.resolve(configuration))
    early = _chosen(known, tiers)
    points = points_of(network)
    ends = pairwise([0, *points, len(network.configurations[final.configuration])])
    segments = [network.segment_model(final, *pair) for pair in ends]
    trunk = [profile(segment) for segment in segments]
    heads = [profile(network.head_model(tier, _PLAIN)) for tier in (*early, final)]
    # Beside a head; nothing waits beside the final one.
    waiting = [_waiting(segments[points.index(_exit(network, tier).after)]) for tier in early]
    peaks = [
        head.peak_activations + beside for head, beside in zip(heads, [*waiting, 0], strict=True)
    ]
    parameters = _costs("parameters", trunk, heads)
    costs = {
        "macs": _costs("macs", trunk, heads, per_image=True),
        "parameters": parameters,
        "size_bytes": parameters,
        "memory_bytes": StageCosts(
            np.array([segment.peak_activations for segment in trunk]),
            np.array(peaks),
            kind="max",
            per_image=False,
        ),
    }
    if latencies is None:
        return costs
    theirs = (latencies.configuration, latencies.points, latencies.heads)
    ours = (final.configuration, points, tuple(exit_.head.name for exit_ in network.exits))
    if theirs != ours:
        raise TiersegError(
            f"`latencies` must be of {ours[0]} with the heads {', '.join(ours[2])} behind "
            f"{', '.join(map(str, ours[1]))} blocks; got {theirs[0]} with {', '.join(theirs[2])} "
            f"behind {', '.join(map(str, theirs[1]))}"
        )
    return {"latency_ms": latencies.costs(policies, [tier.exit or 0 for tier in early]), **costs}


def points_of(network: AdaptiveNetwork) -> tuple[int, ...]:
    """Number of blocks before each point at which exits stand, ascending."""
    return tuple(sorted({exit_.after for exit_ in network.exits}))


def _chosen(known: Sequence[Tier], tiers: Sequence[str | Tier] | None) -> list[Tier]:
    """The early exits to measure, shallowest first."""
    names = [tier.name for tier in known]
    if not known:
        raise TiersegError("`network` must have early exits to be measured; got one without")
    wanted = names if tiers is None else [str(tier) for tier in tiers]
    if not wanted or not set(wanted) <= set(names):
        raise TiersegError(
            f"`tiers` must be one or more of {', '.join(names)}; got {', '.join(wanted) or 'none'}"
        )
    return [tier for tier in known if tier.name in wanted]


def _exit(network: AdaptiveNetwork, tier: Tier) -> Exit:
    return network.exits[(tier.exit or 0) - 1]


def _costs(
    name: str, trunk: Sequence[Profile], heads: Sequence[Profile], per_image: bool = False
) -> StageCosts:
    return StageCosts(
        np.array([getattr(part, name) for part in trunk]),
        np.array([getattr(part, name) for part in heads]),
        per_image=per_image,
    )


def _waiting(segment: keras.Model) -> int:
    """Values of the states behind a segment that a head does not take."""
    return sum(
        math.prod(value.shape[1:]) for name, value in segment.output.items() if name != "state_x"
    )
