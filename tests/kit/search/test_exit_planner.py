"""The choice over all configurations against loops over every candidate of every table."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from kit import Tier
from kit.errors import InputError
from kit.networks import Exit
from kit.search import (
    ExitPlan,
    ExitPolicy,
    ExitTable,
    NoCandidateError,
    SearchGoal,
    plan_exits,
    reported,
)
from kit.search.threshold_fit import fit_thresholds
from tests.kit.search.exit_tables import Reference, every_reference, random_table, reference

POINTS = (0, 0, 1, 2)
HEADS = ("fcn-r2", "fcn", "deeplab", "fcn")
# What a plan wants to know of a network, without one that would have to be made.
NETWORK: Any = SimpleNamespace(
    name="made_up",
    configurations={"light": "ll", "medium": "hl", "heavy": "hh"},
    default_tier=Tier("heavy"),
    exits=tuple(Exit(5 * (point + 1), head) for point, head in zip(POINTS, HEADS, strict=True)),
    exit_heads=[],
    weights=[],
)


@cache
def tables() -> dict[str, ExitTable]:
    """Three configurations, the heaviest first, which does not matter."""
    return {
        name: replace(random_table(POINTS, images=14, seed=seed), configuration=name, heads=HEADS)
        for name, seed in (("heavy", 5), ("light", 6), ("medium", 7))
    }


@cache
def candidates() -> list[tuple[str, Reference]]:
    """Every candidate of the first half of every table."""

    def each() -> Iterator[tuple[str, Reference]]:
        for name in NETWORK.configurations:
            for item in every_reference(tables()[name].split()[0], 2):
                yield name, item

    return list(each())


def drop(item: Reference) -> float:
    """Points lost against the heaviest configuration's final exit."""
    return 100 * (reference(tables()["heavy"].split()[0], "final").miou - item.quality)


GOALS: dict[str, tuple[SearchGoal, Any]] = {
    "default": (
        SearchGoal("error"),
        lambda item: (
            item.mean["latency_ms"]
            <= reference(tables()["heavy"].split()[0], "final").mean["latency_ms"]
        ),
    ),
    "latency": (
        SearchGoal("error", mean={"latency_ms": 2.4}),
        lambda item: item.mean["latency_ms"] <= 2.4,
    ),
    "deadline": (
        SearchGoal("error", worst={"latency_ms": 3.2}),
        lambda item: item.worst["latency_ms"] <= 3.2,
    ),
    "drop": (SearchGoal("cost", max_drop=3.0), lambda item: drop(item) <= 3.0 + 1e-9),
    "leaving early": (
        SearchGoal("cost", max_drop=5.0, settings=("input-dependent",)),
        lambda item: drop(item) <= 5.0 + 1e-9 and item.setting == "input-dependent",
    ),
    "budgeted": (
        SearchGoal("error", mean={"macs": 2.8}, settings=("budgeted",)),
        lambda item: item.mean["macs"] <= 2.8 and item.setting == "budgeted",
    ),
}


@cache
def planned(name: str) -> ExitPlan:
    return plan_exits(NETWORK, tables(), GOALS[name][0])


@pytest.mark.parametrize("name", GOALS)
def test_the_best_of_all_configurations_is_chosen(name: str) -> None:
    goal, meets = GOALS[name]
    plan, chosen = planned(name), planned(name).chosen
    kept = [(of, item) for of, item in candidates() if meets(item)]

    def rank(item: Reference) -> tuple[float, float]:
        figures = -round(item.quality, 12), round(item.mean["latency_ms"], 12)
        return figures if goal.objective == "error" else figures[::-1]

    _, best = min(kept, key=lambda pair: rank(pair[1]))
    assert chosen.quality == pytest.approx(best.quality)
    assert chosen.mean["latency_ms"] == pytest.approx(best.mean["latency_ms"])
    assert chosen.drop == pytest.approx(drop(best))
    own = reference(
        tables()[plan.configuration].split()[0],
        plan.setting,
        chosen.exits,
        tuple(tables()["heavy"].policies.index(policy) for policy in chosen.policies),
        chosen.image_thresholds,
    )
    assert own.quality == pytest.approx(best.quality)


@pytest.mark.parametrize("name", GOALS)
def test_it_is_reported_on_the_other_half(name: str) -> None:
    plan = planned(name)
    second = tables()[plan.configuration].split()[1]
    policies = tuple(second.policies.index(policy) for policy in plan.chosen.policies)
    own = reference(second, plan.setting, plan.chosen.exits, policies, plan.chosen.image_thresholds)
    final = reference(tables()["heavy"].split()[1], "final")
    told = plan.report["second_half"]
    assert told.quality == pytest.approx(own.quality)
    assert told.mean["macs"] == pytest.approx(own.mean["macs"])
    assert told.drop == pytest.approx(100 * (final.miou - own.quality))
    assert plan.search["baseline"]["configuration"] == "heavy"
    assert plan.search["baseline"]["second_half"]["miou"] == pytest.approx(final.miou)


def test_exits_are_those_of_the_network_with_the_chosen_policies() -> None:
    plan = planned("leaving early")
    for content, number, policy in zip(
        plan.exits, plan.chosen.exits, plan.chosen.policies, strict=True
    ):
        assert Exit.parse(content) == replace(NETWORK.exits[number - 1], policy=policy)
    assert plan.default_tier == plan.configuration
    assert plan.network["exits"] == [exit_.to_dict() for exit_ in NETWORK.exits]
    assert plan.constraints["max_drop"] == 5.0


def test_thresholds_are_fitted_for_every_configuration() -> None:
    plan = planned("leaving early")
    chosen = plan.chosen
    expected = {}
    for name in NETWORK.configurations:
        half = tables()[name].split()[0]
        values = fit_thresholds(half, chosen.exits, chosen.policies, max_drop=5.0)
        if name == plan.configuration:
            values = chosen.image_thresholds
        expected |= {f"{name}_exit{place + 1}": value for place, value in enumerate(values)}
    assert plan.image_thresholds == expected


def test_one_exit_alone_is_the_tier_to_begin_with() -> None:
    plan = planned("budgeted")
    assert plan.default_tier == f"{plan.configuration}_exit1"
    assert plan.image_thresholds == {}
    assert [exit_["policy"] for exit_ in plan.exits] == [ExitPolicy().to_dict()]


def test_nothing_on_the_front_is_beaten() -> None:
    front = planned("default").search["front"]
    points = [(item["mean"]["latency_ms"], item["deadline_miou"] or item["miou"]) for item in front]
    assert points == sorted(points)
    assert len({item["configuration"] for item in front}) > 1
    for _, item in candidates():
        cost = item.mean["latency_ms"]
        assert any(ms <= cost + 1e-9 and miou >= item.quality - 1e-4 for ms, miou in points), (
            item.identity
        )


def test_further_images_are_added_to_the_report() -> None:
    plan = planned("latency")
    more = {
        name: replace(random_table(POINTS, images=5, seed=9), configuration=name, heads=HEADS)
        for name in ("heavy", plan.configuration)
    }
    told = reported(plan, "test", more[plan.configuration], more["heavy"])
    assert list(told.report) == ["second_half", "test"]
    final = reference(more["heavy"], "final").miou
    assert told.report["test"].drop == pytest.approx(100 * (final - told.report["test"].quality))
    assert told.search["baseline"]["test"]["miou"] == pytest.approx(final)
    assert list(plan.report) == ["second_half"]


def test_what_is_out_of_reach_names_the_nearest_of_all() -> None:
    goal = SearchGoal("error", mean={"latency_ms": 0.3})
    with pytest.raises(NoCandidateError) as caught:
        plan_exits(NETWORK, tables(), goal)
    nearest = min(item.mean["latency_ms"] for _, item in candidates())
    of = next(name for name, item in candidates() if item.mean["latency_ms"] == nearest)
    assert str(caught.value).startswith(
        "no candidate meets the constraints (mean latency_ms at most 0.3); "
        f"the nearest is {of} budgeted with exits "
    )
    assert str(caught.value).endswith(f"mean latency_ms {nearest:.6g}")
    assert caught.value.nearest.mean["latency_ms"] == pytest.approx(nearest)


def test_one_configuration_is_its_own_baseline() -> None:
    plan = plan_exits(NETWORK, {"light": tables()["light"]}, SearchGoal("cost", max_drop=0))
    assert plan.search["baseline"]["configuration"] == plan.configuration == "light"
    assert plan.chosen.drop <= 1e-9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "`tables` must be of one or more of light, medium, heavy; received: none"),
        ({"other": random_table()}, "received: other"),
        ({"light": random_table(POINTS)}, "`tables` must be of the exits of `network`, fcn-r2"),
        ({"light": tables()["light"].subset(range(7))}, "must hold 8 images or more"),
    ],
)
def test_wrong_tables_are_refused(changed: dict[str, ExitTable], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_exits(NETWORK, changed, SearchGoal())


def test_the_lowest_cost_needs_a_drop() -> None:
    with pytest.raises(InputError, match="`max_drop` must be given"):
        plan_exits(NETWORK, tables(), SearchGoal("cost"))
