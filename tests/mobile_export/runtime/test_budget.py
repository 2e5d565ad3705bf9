"""The best tier for a time budget."""

from typing import Any

import pytest

from mobile_export.runtime import TierInfo, TiersegError
from mobile_export.runtime.budget import best_within

LATENCIES = {"light": 2.0, "heavy_exit1": 1.0, "heavy": 4.0}


def _infos(**figures: Any) -> dict[str, TierInfo]:
    """Three tiers; `figures` gives one value for each, None where it was not measured."""
    return {
        tier: TierInfo(
            tier,
            tier,
            (8, 8),
            (8, 8),
            tier,
            figures={"name": tier, **{name: values[place] for name, values in figures.items()}},
        )
        for place, tier in enumerate(LATENCIES)
    }


@pytest.mark.parametrize(
    ("figures", "budget_ms", "tier"),
    [
        ({"miou": (0.3, 0.5, 0.7)}, 9, "heavy"),
        ({"miou": (0.3, 0.5, 0.7)}, 3, "heavy_exit1"),
        ({"miou": (0.3, 0.5, 0.7), "dice": (0.9, 0.1, 0.1)}, 3, "heavy_exit1"),
        ({"miou": (0.3, None, 0.7), "dice": (0.9, 0.1, 0.1)}, 3, "light"),
        ({"miou": (0.5, 0.5, 0.5)}, 9, "heavy_exit1"),  # as good and faster
        ({"miou": (0.5, None, 0.5)}, 9, "heavy"),  # the last that fits
        ({}, 2, "heavy_exit1"),
        ({}, 1, "heavy_exit1"),
    ],
)
def test_the_best_known_tier_that_fits(figures: Any, budget_ms: float, tier: str) -> None:
    assert best_within(budget_ms, _infos(**figures), LATENCIES) == tier


def test_the_slowest_where_nothing_is_known() -> None:
    infos = {name: TierInfo(name, name, (8, 8), (8, 8), name) for name in LATENCIES}
    assert best_within(3, infos, LATENCIES) == "light"
    assert best_within(4, infos, LATENCIES) == "heavy"


def test_a_budget_that_no_tier_fits_names_the_nearest() -> None:
    message = r"`budget_ms` must be at least 1\.00, .*\(heavy_exit1\).*; got 0\.5"
    with pytest.raises(TiersegError, match=message):
        best_within(0.5, _infos(), LATENCIES)
