"""Thresholds of given exits and policies against loops over every threshold that occurs."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from kit.errors import InputError
from kit.search import Candidate, ExitSearch, ExitTable
from kit.search.exit_scan import most_exits
from kit.search.threshold_fit import ALWAYS, NEVER, fit_thresholds, restricted
from tests.kit.search.exit_tables import Reference, random_table, reference


def cheapest(
    table: ExitTable, exits: tuple[int, ...], policies: tuple[int, ...], max_drop: float, cost: str
) -> Reference:
    """The cheapest choice of thresholds by loops; exits may be left out."""
    final = reference(table, "final")
    found = [final]
    pairs = list(zip(exits, policies, strict=True))
    for number in range(1, len(pairs) + 1):
        for chosen in combinations(pairs, number):
            of_exits, of_policies = zip(*chosen, strict=True)
            levels = [
                sorted({float(c) for c in table.confidence[exit_ - 1, :, policy]})
                for exit_, policy in chosen
            ]
            found += [
                reference(table, "input-dependent", of_exits, of_policies, thresholds)
                for thresholds in product(*levels)
            ]
    kept = [item for item in found if 100 * (final.miou - item.miou) <= max_drop + 1e-9]
    return min(kept, key=lambda item: (round(item.mean[cost], 12), -item.miou))


@pytest.mark.parametrize("cost", ["latency_ms", "macs"])
@pytest.mark.parametrize("max_drop", [0.0, 2.0, 8.0])
@pytest.mark.parametrize(
    ("exits", "policies"), [((1, 4), (1, 0)), ((3,), (1,)), ((2, 3, 4), (0, 0, 1))]
)
def test_the_cheapest_thresholds_are_found(
    cost: str, max_drop: float, exits: tuple[int, ...], policies: tuple[int, ...]
) -> None:
    table = random_table(images=7, seed=4)
    of = [table.policies[policy] for policy in policies]
    given = fit_thresholds(table, exits, of, max_drop=max_drop, cost=cost)
    wanted = cheapest(table, exits, policies, max_drop, cost)
    assert len(given) == len(exits)
    # One that no image needs to reach may be the end.
    used = [place for place, value in enumerate(given) if value != NEVER]
    assert {exits[place] for place in used if given[place] != ALWAYS} <= set(wanted.exits)
    if used:
        own = reference(
            table,
            "input-dependent",
            tuple(exits[place] for place in used),
            tuple(policies[place] for place in used),
            tuple(given[place] for place in used),
        )
        assert own.mean[cost] == pytest.approx(wanted.mean[cost])
        assert own.miou == pytest.approx(wanted.miou)


def test_the_drop_is_kept_on_each_half_of_the_images() -> None:
    """Where one half alone would let more images leave, the other one is heard too."""
    overruled = 0
    for seed in range(6):
        table = random_table(images=24, seed=seed)
        own = restricted(table, (2, 4), table.policies)
        search = ExitSearch(own)
        fitted = fit_thresholds(table, (2, 4), table.policies, max_drop=1.0)
        used = tuple(number for number in (1, 2) if fitted[number - 1] != NEVER)
        choice = Candidate("final")
        if used:
            kept = tuple(fitted[number - 1] for number in used)
            choice = Candidate("input-dependent", used, own.policies * len(used), kept)
        for part in (own, *own.split()):
            assert search.score(choice, part).drop <= 1.0 + 1e-9
        careless = search.search("cost", max_drop=1.0, settings=["final", "input-dependent"])
        drops = [search.score(careless.chosen, half).drop for half in own.split()]
        overruled += max(drops) > 1.0
    assert overruled


def test_no_image_goes_beyond_an_exit_that_is_as_good_as_the_end() -> None:
    """Whatever its confidence, and though no image of the table had to go there."""
    table = random_table(points=(0, 2, 3), images=24)
    counts = table.counts.copy()
    counts[1] = counts[-1]  # the second exit says what the final one says
    table = replace(table, counts=counts)
    fitted = fit_thresholds(table, (1, 2, 3), table.policies[:1] * 3, max_drop=0.0)
    assert fitted[1:] == (ALWAYS, NEVER)


def test_more_exits_than_so_many_images_let_be_combined() -> None:
    """Of four exits three leave, at most."""
    table = random_table(points=(0, 1, 2, 3), images=60)
    assert most_exits(60) == 3
    fitted = fit_thresholds(table, (1, 2, 3, 4), table.policies[:1] * 4, max_drop=8.0)
    assert len(fitted) == 4
    assert NEVER in fitted
    assert min(fitted) < NEVER


@pytest.mark.parametrize("images", [52, 53, 202, 203, 2895, 2896])
def test_the_most_exits_are_those_that_a_search_takes(images: int) -> None:
    table, most = random_table(points=(0, 1, 2, 3, 4), images=images), most_exits(images)
    ExitSearch(table, max_exits=most, max_thresholds=2).search("error")
    with pytest.raises(InputError, match="`table` must hold at most"):
        ExitSearch(table, max_exits=most + 1).search("error")


def test_a_restricted_table_holds_each_exit_by_its_policy() -> None:
    table = random_table()
    own = restricted(table, (2, 4), (table.policies[1], table.policies[0]))
    assert (own.points, own.heads) == ((0, 3), ("head1", "head3"))
    np.testing.assert_array_equal(own.counts, table.counts[[1, 3, 4]])
    np.testing.assert_array_equal(own.confidence[0, :, 0], table.confidence[1, :, 1])
    np.testing.assert_array_equal(own.confidence[1, :, 0], table.confidence[3, :, 0])
    costs, whole = own.costs["memory_bytes"], table.costs["memory_bytes"]
    np.testing.assert_array_equal(costs.trunk, whole.trunk)
    np.testing.assert_array_equal(costs.heads, whole.heads[[1, 3, 4]])
    assert costs.policies is not None
    assert whole.policies is not None
    np.testing.assert_array_equal(costs.policies, [[whole.policies[1, 1]], [whole.policies[3, 0]]])
    assert (costs.kind, costs.per_image) == ("max", False)
    assert random_table(policy_costs=False).costs["macs"].policies is None


def test_wrong_exits_and_policies_are_named() -> None:
    table = random_table()
    with pytest.raises(InputError, match="`exits` must be from 1 to 4; received: 5"):
        fit_thresholds(table, (1, 5), table.policies)
    other = random_table(policies=3).policies[2]
    with pytest.raises(InputError, match="`policies` must be among those of the table"):
        fit_thresholds(table, (1,), (other,))
