"""Chooses a tier for a time budget."""

from collections.abc import Mapping

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.tier_info import TierInfo


def best_within(
    budget_ms: float, infos: Mapping[str, TierInfo], latencies: Mapping[str, float]
) -> str:
    """The best tier whose inference fits a time budget.

    The best is the one of highest measured mIoU (else Dice) where the bundle gives it for every
    tier; else the last of the list, which goes from light to heavy; else, where the bundle says
    nothing of its tiers, the slowest.

    Args:
        budget_ms: longest inference time, milliseconds.
        infos: every tier by name, in the bundle's order.
        latencies: time of each tier's inference, milliseconds.

    Returns:
        Name of the tier.

    Raises:
        TiersegError: no tier fits; the message names the nearest.
    """
    fitting = [tier for tier in infos if latencies[tier] <= budget_ms]
    if not fitting:
        nearest = min(infos, key=latencies.__getitem__)
        raise TiersegError(
            f"`budget_ms` must be at least {latencies[nearest]:.2f}, what the fastest tier "
            f"({nearest}) takes on this device; got {budget_ms}"
        )
    quality = qualities(infos, latencies)
    return max(fitting, key=lambda tier: (quality[tier], -latencies[tier]))


def qualities(infos: Mapping[str, TierInfo], latencies: Mapping[str, float]) -> Mapping[str, float]:
    """A number per tier that is higher for a better mask, as `best_within` compares them.

    Args:
        infos: every tier by name, in the bundle's order.
        latencies: time of each tier's inference, milliseconds.
    """
    for name in ("miou", "dice"):
        figures = {tier: info.figure(name) for tier, info in infos.items()}
        known = {tier: value for tier, value in figures.items() if value is not None}
        if len(known) == len(infos):
            return known
    if not any(info.figures for info in infos.values()):
        return latencies
    return {tier: float(place) for place, tier in enumerate(infos)}
