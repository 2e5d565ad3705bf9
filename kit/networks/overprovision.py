"""From a segmentation network to one with many candidate exits (MESS, arXiv 2106.03527)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from kit.errors import InputError
from kit.layers.head_config import HeadConfig
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.exit import Exit
from kit.search.profiling import profile

Network = TypeVar("Network", bound=AdaptiveNetwork)


def overprovision(
    network: Network,
    points: int | Iterable[int] = 6,
    heads: Iterable[HeadConfig | str] | None = None,
) -> Network:
    """The same network with every one of some heads at every one of some points.

    Weights of trunk, final exit and of heads that are there already stay as they are; other heads
    start from nothing and are trained by `kit.training.ExitHeads`.

    Args:
        network: Of any family.
        points: How many parts the trunk is cut into (`exit_points`), or the points themselves: the
            number of blocks before each.
        heads: Heads, or their names; the whole search space by default.

    Raises:
        InputError: if a point is no block boundary, or no head is named.

    Example:
        >>> network = overprovision(network, points=6, heads=["fcn", "fcn-r2-b1d", "deeplab-r4"])
    """
    places = exit_points(network, points) if isinstance(points, int) else tuple(points)
    configs = HeadConfig.search_space() if heads is None else [HeadConfig.parse(h) for h in heads]
    if not places or not configs:
        raise InputError("`points` and `heads` must hold one or more; received: none")
    return network.with_exits(Exit(after, head) for after in sorted(places) for head in configs)


def exit_points(network: AdaptiveNetwork, parts: int = 6) -> tuple[int, ...]:
    """Points that cut the trunk of the heaviest configuration into parts of equal multiply-adds.

    For each i of `parts`, the block boundary nearest to i / `parts` of the trunk's multiply-adds;
    one that is nearest twice counts once.

    Args:
        network: Of any family.
        parts: 2 or more.

    Returns:
        Number of blocks before each point, ascending.
    """
    if parts < 2:
        raise InputError(f"`parts` must be 2 or more; received: {parts}")
    name = network.default_tier.configuration
    macs = [
        profile(network.trunk_model(name, blocks)).macs
        for blocks in range(len(network.configurations[name]) + 1)
    ]
    targets = [macs[-1] * part / parts for part in range(1, parts)]
    inner = range(1, len(macs) - 1)
    return tuple(sorted({min(inner, key=lambda n: abs(macs[n] - target)) for target in targets}))
