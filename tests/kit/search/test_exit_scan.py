"""How much a scan takes, and what it does when there is too much of it."""

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from kit.errors import InputError
from kit.search import ExitPolicy, ExitSearch, ExitTable
from kit.search.exit_scan import ExitScan
from tests.kit.search.exit_tables import random_table

MILLION = 1_000_000


def large_table(policies: int = 8) -> ExitTable:
    """Eight exits at four points and 40 images, no two equally sure."""
    table = random_table(points=(0, 0, 1, 1, 2, 2, 3, 3), images=40, policies=policies)
    confidence = np.random.default_rng(0).random(table.confidence.shape)
    return replace(table, confidence=confidence)


def test_a_million_candidates_take_seconds_and_little_memory() -> None:
    table = replace(
        large_table(),
        costs=random_table(points=(0, 0, 1, 1, 2, 2, 3, 3), policies=8, policy_costs=False).costs,
    )
    tracemalloc.start()
    started = time.perf_counter()
    result = ExitSearch(table).search("cost", max_drop=1.0)
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.count > MILLION
    assert result.thresholds == 40
    assert seconds < 10
    assert peak < 100 * 2**20


@pytest.mark.parametrize("limit", [300, 20_000])
def test_too_many_candidates_are_thinned_until_they_fit(limit: int) -> None:
    table = large_table(policies=2)
    all_of_them = ExitSearch(table).search("error", {})
    result = ExitSearch(table, max_candidates=limit).search("error", {})
    simple = 1 + 8 + 8 + 24
    assert limit / 3 < result.count - simple <= limit < all_of_them.count
    assert result.thresholds is not None
    assert all_of_them.thresholds is not None
    assert 1 <= result.thresholds < all_of_them.thresholds
    assert result.chosen.quality <= all_of_them.chosen.quality


def test_kept_thresholds_spread_over_the_ranks() -> None:
    table = large_table(policies=1)
    scan = ExitScan(table, 1, None, 4, MILLION)
    ranks = np.sort(table.confidence[0, :, 0])[[5, 15, 25, 35]]
    np.testing.assert_array_equal(scan._ways[0].thresholds, ranks)


def test_what_cannot_be_thinned_is_refused() -> None:
    table = large_table(policies=1)
    with pytest.raises(InputError, match=r"`max_candidates` must be .* received: 20$"):
        ExitSearch(table, max_candidates=20).search()
    grid = np.linspace(0, 1, 30)
    with pytest.raises(InputError, match=r"`max_candidates` must be .* received: 5000$"):
        ExitSearch(table, 2, grid, max_candidates=5000).search()


def test_too_many_images_for_the_number_of_exits_are_refused() -> None:
    table = random_table(points=(0, 1, 2, 3), images=203, policies=1)
    with pytest.raises(InputError, match="`table` must hold at most 202 images for 3 early exits"):
        ExitScan(table, 3, None, 2, MILLION)
    ExitScan(table, 2, None, 2, MILLION)


def test_more_exits_than_points_are_as_many_as_points() -> None:
    table = random_table(points=(0, 0, 1), images=5)
    policies = (ExitPolicy(), ExitPolicy("entropy"))
    scan = ExitScan(replace(table, policies=policies), 7, None, 64, MILLION)
    assert [choices.exits.shape[1] for choices in scan.run(["latency_ms"])] == [1, 2]
