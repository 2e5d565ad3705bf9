"""The search against loops over every candidate."""

from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from kit.errors import InputError
from kit.metrics import ConfusionMatrix
from kit.search import Candidate, ExitPolicy, ExitSearch, ExitTable
from kit.search.candidate import SETTINGS
from tests.kit.search.exit_tables import ONLY_PREDICTED, Reference, every_reference, random_table

OPTIONS: dict[str, dict[str, Any]] = {
    "two": {"seed": 0},
    "plain": {"seed": 1, "policy_costs": False},
    "three": {"points": (0, 1, 2), "images": 6, "policies": 1, "seed": 2},
    "one": {"points": (0,), "images": 5, "policies": 3, "seed": 3},
}
MAX_EXITS = {"three": 3}

QUESTIONS: dict[str, dict[str, Any]] = {
    "paper": {"objective": "error"},
    "paper, macs": {"objective": "error", "cost": "macs"},
    "no limit": {"objective": "error", "constraints": {}},
    "two means": {"objective": "error", "constraints": {"latency_ms": 0.8, "macs": 0.9}},
    "deployed": {"objective": "error", "constraints": {"latency_ms": 0.9, "memory_bytes": 1.0}},
    "deadline": {"objective": "error", "constraints": {}, "worst": {"latency_ms": 0.95}},
    "cheapest, no loss": {"objective": "cost", "max_drop": 0.0},
    "cheapest": {"objective": "cost", "max_drop": 4.0},
    "cheapest macs": {"objective": "cost", "max_drop": 4.0, "cost": "macs"},
    "smallest": {"objective": "cost", "max_drop": 8.0, "cost": "size_bytes"},
    "cheapest by a deadline": {"objective": "cost", "max_drop": 9.0, "worst": {"macs": 0.9}},
    "input-dependent": {
        "objective": "error",
        "constraints": {"latency_ms": 0.9},
        "settings": ["input-dependent"],
    },
    "anytime": {
        "objective": "error",
        "constraints": {"latency_ms": 1.3},
        "settings": ["anytime"],
    },
}


@cache
def searched(name: str) -> tuple[ExitTable, ExitSearch, list[Reference]]:
    """A table, its search, and every candidate by loops."""
    table = random_table(**OPTIONS[name])
    max_exits = MAX_EXITS.get(name, 2)
    return table, ExitSearch(table, max_exits), list(every_reference(table, max_exits))


def as_candidate(table: ExitTable, wanted: Reference) -> Candidate:
    policies = tuple(table.policies[policy] for policy in wanted.policies)
    return Candidate(wanted.setting, wanted.exits, policies, wanted.thresholds)


def absolute(question: dict[str, Any], final: Reference) -> dict[str, Any]:
    """Limits are written as shares of final-only's figures."""
    limits = {
        key: {name: share * final.mean[name] for name, share in question[key].items()}
        for key in ("constraints", "worst")
        if key in question
    }
    return {**question, **limits}


def excess(question: dict[str, Any], candidate: Reference, final: Reference) -> float:
    """By which share a candidate misses the limit that it misses most."""
    default = {question.get("cost", "latency_ms"): final.mean[question.get("cost", "latency_ms")]}
    means = question.get("constraints", default if question["objective"] == "error" else {})
    found = [candidate.mean[name] / limit - 1 for name, limit in means.items()]
    found += [
        candidate.worst[name] / limit - 1 for name, limit in question.get("worst", {}).items()
    ]
    if "max_drop" in question:
        found.append(1 - candidate.quality / (final.miou - question["max_drop"] / 100))
    worst = max([0.0, *found])
    return worst if worst > 1e-9 else 0.0


def competing(question: dict[str, Any], candidates: list[Reference]) -> list[Reference]:
    return [c for c in candidates if c.setting in question.get("settings", SETTINGS)]


@pytest.mark.parametrize("name", OPTIONS)
def test_figures_of_every_kind_of_candidate(name: str) -> None:
    table, search, candidates = searched(name)
    final = candidates[0]
    for wanted in candidates[:60] + candidates[60::37]:
        got = search.score(as_candidate(table, wanted))
        assert got.miou == pytest.approx(wanted.miou, rel=1e-12)
        assert got.dice == pytest.approx(wanted.dice, rel=1e-12)
        assert got.shares == pytest.approx(wanted.shares)
        assert got.mean == pytest.approx(wanted.mean, rel=1e-12)
        assert got.worst == pytest.approx(wanted.worst, rel=1e-12)
        assert got.quality == pytest.approx(wanted.quality, abs=2e-4)
        assert got.drop == pytest.approx(100 * (final.miou - wanted.quality), abs=2e-2)
        if wanted.setting != "input-dependent":
            assert got.mean == got.worst


def test_miou_is_exactly_that_of_the_confusion_matrix() -> None:
    table, search, _ = searched("two")
    everywhere = [len(table.points), *range(len(table.points))]
    chosen = [search.final(), *search.budgeted()]
    for exit_, candidate in zip(everywhere, chosen, strict=True):
        matrix = ConfusionMatrix(table.counts.shape[-1])
        matrix.counts = table.counts[exit_].sum(0)
        assert candidate.miou == matrix.mean_iou()
        assert candidate.dice == matrix.mean_dice()
    # the rule on absent classes is at work: some exits predict a class that no label holds
    held = [bool(table.counts[exit_, ..., ONLY_PREDICTED].any()) for exit_ in everywhere]
    assert len(set(held)) == 2


@pytest.mark.parametrize("name", OPTIONS)
def test_lists_of_the_settings_without_thresholds(name: str) -> None:
    table, search, candidates = searched(name)
    for setting, found in (("budgeted", search.budgeted()), ("anytime", search.anytime())):
        wanted = [candidate for candidate in candidates if candidate.setting == setting]
        assert [candidate.exits for candidate in found] == [w.exits for w in wanted]
        for candidate in found:
            assert candidate == search.score(Candidate(setting, candidate.exits))
            points = [table.points[exit_ - 1] for exit_ in candidate.exits]
            assert len(set(points)) == len(points)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", OPTIONS)
def test_the_best_of_all_candidates_is_found(name: str, question: str) -> None:
    _, search, candidates = searched(name)
    asked = absolute(QUESTIONS[question], candidates[0])
    cost = asked.get("cost", "latency_ms")
    ranked = [
        (excess(asked, c, candidates[0]), c.mean[cost], -c.quality)
        if asked["objective"] == "cost"
        else (excess(asked, c, candidates[0]), -c.quality, c.mean[cost])
        for c in competing(asked, candidates)
    ]
    best = min(ranked)
    if best[0]:
        with pytest.raises(InputError, match="no candidate meets the constraints"):
            search.search(**asked)
        return
    chosen = search.search(**asked).chosen
    got = (chosen.mean[cost], -chosen.quality)
    assert got[:: 1 if asked["objective"] == "cost" else -1] == pytest.approx(best[1:], abs=2e-4)
    assert chosen == search.score(chosen)


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "anytime"])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_front_is_that_of_all_candidates(name: str, question: str) -> None:
    _, search, candidates = searched(name)
    asked = absolute(QUESTIONS[question], candidates[0])
    cost = asked.get("cost", "latency_ms")
    points = sorted((round(c.mean[cost], 9), -c.quality) for c in competing(asked, candidates))
    wanted: list[tuple[float, float]] = []
    for mean, loss in points:
        if not wanted or loss < wanted[-1][1] - 1e-9:
            wanted.append((mean, loss))
    # constraints do not touch the front; here they do not matter at all, so that it is shown
    asked = {**asked, "constraints": {}, "worst": {}, "max_drop": 100.0}
    front = search.search(**asked).front
    assert [(c.mean[cost], -c.quality) for c in front] == [pytest.approx(w) for w in wanted]


@pytest.mark.parametrize(("block", "seed"), [(1, 8), (7, 10), (40, 11)])
def test_costs_that_disagree_and_blocks_of_choices(
    monkeypatch: pytest.MonkeyPatch, block: int, seed: int
) -> None:
    """The second part of the trunk is much of the time and few of the multiply-adds."""
    monkeypatch.setattr("kit.search.exit_scan._BLOCK", block)
    table = random_table(points=(0, 1), images=14, seed=seed, policy_costs=False)
    trunks = {"latency_ms": [1.0, 5.0, 0.0, 5.0], "macs": [1.0, 0.1, 0.0, 5.0]}
    costs = {
        name: replace(table.costs[name], trunk=trunk, heads=table.costs[name].heads / 10)
        for name, trunk in trunks.items()
    }
    table = replace(table, costs=costs)
    candidates = list(every_reference(table, 2, anytime=False))
    search = ExitSearch(table)
    deployed = set()
    for cost, share, other_share in product(trunks, (0.3, 0.5, 0.7), (0.6, 2.0)):
        other = "macs" if cost == "latency_ms" else "latency_ms"
        asked: dict[str, Any] = {
            "objective": "error",
            "constraints": {
                cost: share * candidates[0].mean[cost],
                other: other_share * candidates[0].mean[other],
            },
            "settings": ["input-dependent"],
        }
        best = max(
            (c for c in competing(asked, candidates) if not excess(asked, c, candidates[0])),
            key=lambda c: (round(c.miou, 12), -c.mean[cost]),
        )
        chosen = search.search(cost=cost, **asked).chosen
        assert chosen.miou == pytest.approx(best.miou, rel=1e-12)
        assert chosen.mean[cost] == pytest.approx(best.mean[cost], rel=1e-12)
        deployed.add(len(chosen.exits))
    assert deployed == {1, 2}


def test_count_is_that_of_choices_by_which_different_images_leave() -> None:
    table, search, candidates = searched("plain")
    ways = [
        {
            tuple(table.confidence[exit_, :, policy] >= threshold)
            for policy in range(len(table.policies))
            for threshold in table.confidence[exit_, :, policy]
        }
        for exit_ in range(4)
    ]
    a, b, c, d = (len(way) for way in ways)  # a and b stand at one point
    pairs = a * c + a * d + b * c + b * d + c * d
    simple = sum(candidate.setting != "input-dependent" for candidate in candidates)
    assert search.search().count == simple + a + b + c + d + pairs
    assert search.search(settings=["final", "budgeted"]).count == 5


def test_a_grid_of_thresholds() -> None:
    table = random_table(images=12, seed=5)
    grid = (0.75, 0.25, 0.5)
    candidates = list(every_reference(table, 2, anytime=False, grid=grid))
    best = max(candidates, key=lambda c: (c.miou, -c.mean["latency_ms"]))
    result = ExitSearch(table, image_thresholds=grid).search(constraints={})
    assert result.chosen.miou == pytest.approx(best.miou)
    assert result.chosen.mean["latency_ms"] == pytest.approx(best.mean["latency_ms"])
    assert set(result.chosen.image_thresholds) <= set(grid)
    assert result.thresholds == 3


def test_confidences_that_occur_are_at_least_as_good_as_any_grid() -> None:
    table = random_table(images=12, seed=6)
    asked: dict[str, Any] = {"objective": "cost", "max_drop": 3.0}
    exact = ExitSearch(table).search(**asked).chosen
    grid = ExitSearch(table, image_thresholds=np.linspace(0, 1, 41)).search(**asked).chosen
    assert exact.mean["latency_ms"] <= grid.mean["latency_ms"] * (1 + 1e-12)


def test_two_exits_are_at_least_as_good_as_one() -> None:
    table, search, _ = searched("two")
    one = ExitSearch(table, 1).search(constraints={})
    assert max(len(candidate.exits) for candidate in one.front) == 1
    assert search.search(constraints={}).chosen.miou >= one.chosen.miou


def test_equally_good_candidates_go_to_the_simpler_setting() -> None:
    table = random_table(points=(0,), images=8, policies=1)
    # the early exit is as good as the final one, and free
    counts = table.counts.copy()
    counts[0] = counts[1]
    same = replace(table, counts=counts)
    result = ExitSearch(same).search("cost", max_drop=0.0)
    assert result.chosen.setting == "budgeted"
    assert [candidate.setting for candidate in result.front] == ["budgeted"]
    assert ExitSearch(same).search("error", {}).chosen.setting == "budgeted"


def test_a_hard_deadline_counts_the_worst_case_not_the_mean() -> None:
    _, search, _ = searched("two")
    free = search.search("error", {}, settings=["input-dependent"]).chosen
    limit = (free.mean["latency_ms"] + free.worst["latency_ms"]) / 2
    by_mean = search.search("error", {"latency_ms": limit}, settings=["input-dependent"]).chosen
    assert by_mean == free
    # every input-dependent network may run to the end, with more heads than final-only
    final = search.final().mean["latency_ms"]
    with pytest.raises(InputError, match="no candidate meets"):
        search.search("error", {}, worst={"latency_ms": final}, settings=["input-dependent"])
    strict = search.search("error", {}, worst={"latency_ms": limit}).chosen
    assert strict.worst["latency_ms"] <= limit < free.worst["latency_ms"]


def test_nothing_meets_the_constraints_and_the_nearest_is_named() -> None:
    _, search, candidates = searched("two")
    fastest = min(candidates, key=lambda c: (c.mean["latency_ms"], -c.quality))
    exit_, cost = fastest.exits[0], fastest.mean["latency_ms"]
    message = (
        rf"no candidate meets the constraints \(mean latency_ms at most {0.5 * cost:.6g}, worst "
        rf"macs at most 1e\+06\); the nearest is budgeted with exit {exit_}: mean latency_ms "
        rf"{cost:.6g}, worst macs {fastest.worst['macs']:.6g}$"
    )
    with pytest.raises(InputError, match=message):
        search.search("error", {"latency_ms": 0.5 * cost}, worst={"macs": 1e6})


def test_the_nearest_weighs_all_constraints() -> None:
    _, search, candidates = searched("two")
    final = candidates[0]
    asked: dict[str, Any] = {
        "objective": "error",
        "constraints": {"latency_ms": 0.6 * final.mean["latency_ms"]},
        "worst": {"size_bytes": 0.5 * final.mean["size_bytes"]},
        "max_drop": -1.0,
    }
    nearest = min(candidates, key=lambda c: excess(asked, c, final))
    assert excess(asked, nearest, final) > 0
    figures = f"mean latency_ms {nearest.mean['latency_ms']:.6g}, .*drop .* points$"
    with pytest.raises(InputError, match=f"the nearest is {nearest.setting} with .*{figures}"):
        search.search(**asked)


def test_a_choice_is_scored_on_the_other_half() -> None:
    first, second = random_table(images=16, seed=4).split()
    search = ExitSearch(first)
    chosen = search.search("cost", max_drop=2.0).chosen
    other = search.score(chosen, second)
    assert (other.setting, other.exits) == (chosen.setting, chosen.exits)
    assert other == ExitSearch(second).score(chosen)
    assert other.miou != chosen.miou


def test_a_choice_is_not_scored_on_another_network() -> None:
    table, search, _ = searched("two")
    with pytest.raises(InputError, match="`table` must have the exits that were searched"):
        search.score(Candidate("final"), replace(table, heads=("a", "b", "c", "d")))
    with pytest.raises(InputError, match=r"`exits` must be from 1 to 4; received: \(5,\)"):
        search.score(Candidate("budgeted", (5,)))
    with pytest.raises(InputError, match="`exits` must stand at different points"):
        search.score(Candidate("anytime", (1, 2)))
    strange = Candidate("input-dependent", (1,), (ExitPolicy("entropy", 0.9),), (0.5,))
    with pytest.raises(InputError, match="`policies` must be among the 2 of the table"):
        search.score(strange)


def test_deadlines_that_only_the_final_exit_meets_are_none() -> None:
    table = random_table(points=(0,), policy_costs=False)
    dear = replace(table.costs["latency_ms"], heads=np.array([100.0, 1.0]))
    search = ExitSearch(replace(table, costs={"latency_ms": dear}))
    assert search.anytime()[0].deadline_miou == search.final().miou


def test_a_later_search_does_not_scan_again(monkeypatch: pytest.MonkeyPatch) -> None:
    search = ExitSearch(random_table(seed=7))
    first = search.search("error", {})
    monkeypatch.setattr("kit.search.exit_scan.ExitScan._scan", None)
    assert search.search("error", {"latency_ms": first.baseline.mean["latency_ms"]}).chosen
    assert search.search("error", {}).to_dict()["front"] == first.to_dict()["front"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "speed"}, "`objective` must be error or cost; received: 'speed'"),
        ({"objective": "cost"}, "`max_drop` must be given with the objective cost"),
        ({"cost": "joules"}, "`cost` must name one of latency_ms, macs, size_bytes, memory_bytes"),
        ({"constraints": {"joules": 1.0}}, "`constraints` must name one of latency_ms, .*'joules'"),
        ({"worst": {"joules": 1.0}}, "`worst` must name one of latency_ms, .*'joules'"),
        ({"constraints": {"macs": 0.0}}, "`constraints` must be finite and above 0.* 0.0 for macs"),
        ({"worst": {"macs": float("nan")}}, "`worst` must be finite and above 0"),
        ({"max_drop": float("inf")}, "`max_drop` must be finite; received: inf"),
        ({"settings": []}, "`settings` must be one or more of final, budgeted"),
        ({"settings": ["early"]}, "`settings` must be one or more of final.* received: .'early'"),
    ],
)
def test_wrong_questions_are_refused(arguments: dict[str, Any], message: str) -> None:
    _, search, _ = searched("two")
    with pytest.raises(InputError, match=message):
        search.search(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_exits": 0}, "`max_exits` must be 1 or more; received: 0"),
        ({"max_thresholds": 0}, "`max_thresholds` must be 1 or more"),
        ({"max_candidates": 0}, "`max_candidates` must be 1 or more"),
        ({"image_thresholds": []}, "`image_thresholds` must hold one or more"),
        ({"image_thresholds": [0.5, 1.5]}, "`image_thresholds` must be from 0 to 1.*1.5"),
        ({"image_thresholds": [-0.5]}, "`image_thresholds` must be from 0 to 1.*-0.5"),
        ({"image_thresholds": [float("nan")]}, "`image_thresholds` must be from 0 to 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExitSearch(random_table(), **arguments)
