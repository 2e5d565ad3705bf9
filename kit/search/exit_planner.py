"""From measured tables of a network's configurations to a plan of what to deploy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import InputError
from kit.search.candidate import Candidate, Setting
from kit.search.candidate_scorer import CandidateScorer
from kit.search.constraints import Constraints
from kit.search.exit_plan import ExitPlan, fingerprint
from kit.search.exit_search import ExitSearch, Objective
from kit.search.exit_table import ExitTable
from kit.search.no_candidate_error import NoCandidateError
from kit.search.pareto import pareto_front
from kit.search.search_result import SearchResult
from kit.search.threshold_fit import fit_thresholds

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

MAX_DROP = 0.5
"""Points of mIoU that images which leave early may cost, where nothing else was asked for."""


@dataclass(frozen=True)
class SearchGoal:
    """What a search is to find.

    Args:
        objective: `"error"` for the best quality within the limits, `"cost"` for the lowest mean
            of the table's `deadline_cost` (`latency_ms`, if measured).
        mean: Cost to the highest mean allowed. If there is no limit at all, `"error"` keeps to the
            cost of final-only.
        worst: Cost to the highest worst case allowed.
        max_drop: Points of mIoU that may be lost against final-only; `"cost"` needs it.
        settings: Those that compete; all if `None`.
        max_exits: Early exits that are deployed together at most.
    """

    objective: Objective = "error"
    mean: Mapping[str, float] = field(default_factory=dict)
    worst: Mapping[str, float] = field(default_factory=dict)
    max_drop: float | None = None
    settings: Sequence[Setting] | None = None
    max_exits: int = 2


def plan_exits(
    network: AdaptiveNetwork,
    tables: Mapping[str, ExitTable],
    goal: SearchGoal,
) -> ExitPlan:
    """Search every configuration, take the best of all, and plan its deployment.

    All configurations are compared with final-only of one, the heaviest: it is what `max_drop` is
    lost against, on each set of images anew. The choice is made on the first half of the images.
    Configurations that were not chosen get thresholds of their own for the chosen exits and
    policies, fitted on the same half with `max_drop` (or `MAX_DROP`) against their own final-only.

    Args:
        network: That was measured.
        tables: Name of each configuration that competes to its table, all of the same images.
        goal: What is searched for.

    Returns:
        The plan; its report has the `second_half`, and `reported` adds others.

    Raises:
        InputError: if a table is not of this network, or an argument is wrong.
        NoCandidateError: if nothing meets the constraints.
    """
    started = time.perf_counter()
    names = [name for name in network.configurations if name in tables]
    if not names:
        raise InputError(
            f"`tables` must be of one or more of {', '.join(network.configurations)}; "
            f"received: {', '.join(tables) or 'none'}"
        )
    for name in names:
        _check(network, tables[name])
    halves = {name: tables[name].split() for name in names}
    default = network.default_tier.configuration
    reference = default if default in names else names[-1]
    cost = tables[reference].deadline_cost
    baseline = _final(halves[reference][0])
    mean = dict(goal.mean)
    if goal.objective == "error" and not mean and not goal.worst and goal.max_drop is None:
        mean = {cost: baseline.mean[cost]}
    limits = Constraints(mean, dict(goal.worst), goal.max_drop)
    results = {name: _search(halves[name][0], goal, limits, cost, baseline) for name in names}
    found = {name: item for name, item in results.items() if isinstance(item, SearchResult)}
    if not found:
        raise _nothing(results, limits)

    def rank(name: str) -> tuple[float, float]:
        chosen = found[name].chosen
        figures = -chosen.quality, chosen.mean[cost]
        return figures if goal.objective == "error" else (figures[1], figures[0])

    best = min(found, key=rank)
    chosen = found[best].chosen
    firsts = {name: half for name, (half, _) in halves.items()}
    plan = ExitPlan(
        network={
            "name": network.name,
            "exits": [exit_.to_dict() for exit_ in network.exits],
            "fingerprint": fingerprint(network),
        },
        configuration=best,
        setting=chosen.setting,
        exits=tuple(_exits(network, chosen)),
        image_thresholds=_thresholds(chosen, best, firsts, goal, cost),
        default_tier=f"{best}_exit1" if chosen.setting == "budgeted" else best,
        chosen=_against(baseline, chosen),
        constraints={
            "objective": goal.objective,
            "cost": cost,
            **asdict(limits),
            "settings": None if goal.settings is None else list(goal.settings),
            "max_exits": goal.max_exits,
        },
        search={
            "count": sum(item.count for item in found.values()),
            "seconds": round(time.perf_counter() - started, 3),
            "configurations": names,
            "baseline": {"configuration": reference, "first_half": baseline.to_dict()},
            "front": _front(found, cost, baseline),
        },
    )
    return reported(plan, "second_half", halves[best][1], halves[reference][1])


def reported(plan: ExitPlan, name: str, table: ExitTable, reference: ExitTable) -> ExitPlan:
    """The plan with its choice scored on further images.

    Args:
        plan: Of the network that was measured.
        name: What the images are called.
        table: Of the plan's configuration on these images.
        reference: Of the configuration that all were compared with (`search["baseline"]`).
    """
    baseline = _final(reference)
    scored = _against(baseline, CandidateScorer(table).score(plan.chosen))
    baselines = {**plan.search["baseline"], name: baseline.to_dict()}
    return replace(
        plan,
        report={**plan.report, name: scored},
        search={**plan.search, "baseline": baselines},
    )


def _search(
    table: ExitTable, goal: SearchGoal, limits: Constraints, cost: str, baseline: Candidate
) -> SearchResult | NoCandidateError:
    """The best of one configuration, against the baseline of all."""
    search = ExitSearch(table, goal.max_exits)
    drop = goal.max_drop
    if drop is not None:
        drop += 100 * (search.final().miou - baseline.miou)
    try:
        return search.search(
            goal.objective,
            limits.mean,
            worst=limits.worst,
            max_drop=drop,
            cost=cost,
            settings=goal.settings,
        )
    except NoCandidateError as error:
        error.nearest = _against(baseline, error.nearest)
        return error


def _nothing(
    results: Mapping[str, SearchResult | NoCandidateError], limits: Constraints
) -> NoCandidateError:
    """Names the nearest candidate of all configurations."""
    errors = {name: item for name, item in results.items() if isinstance(item, NoCandidateError)}
    name = min(errors, key=lambda name: errors[name].excess)
    nearest = errors[name].nearest
    exits = f" with exits {', '.join(map(str, nearest.exits))}" if nearest.exits else ""
    return NoCandidateError(
        f"no candidate meets the constraints ({limits.describe()}); the nearest is {name} "
        f"{nearest.setting}{exits}: {limits.describe(nearest)}",
        nearest,
        errors[name].excess,
    )


def _final(table: ExitTable) -> Candidate:
    return CandidateScorer(table).score(Candidate("final"))


def _against(baseline: Candidate, candidate: Candidate) -> Candidate:
    """The candidate with the drop that it has against the baseline of all configurations."""
    return replace(candidate, drop=100 * (baseline.miou - candidate.quality))


def _exits(network: AdaptiveNetwork, chosen: Candidate) -> list[dict[str, Any]]:
    exits = [network.exits[number - 1] for number in chosen.exits]
    if chosen.policies:
        pairs = zip(exits, chosen.policies, strict=True)
        exits = [replace(exit_, policy=policy) for exit_, policy in pairs]
    return [exit_.to_dict() for exit_ in exits]


def _thresholds(
    chosen: Candidate,
    best: str,
    tables: Mapping[str, ExitTable],
    goal: SearchGoal,
    cost: str,
) -> dict[str, float]:
    """Image thresholds by tier, in the plan's numbers."""
    if chosen.setting != "input-dependent":
        return {}
    drop = MAX_DROP if goal.max_drop is None else goal.max_drop
    found: dict[str, float] = {}
    for name, table in tables.items():
        values = (
            chosen.image_thresholds
            if name == best
            else fit_thresholds(table, chosen.exits, chosen.policies, max_drop=drop, cost=cost)
        )
        found |= {f"{name}_exit{place}": value for place, value in enumerate(values, start=1)}
    return found


def _front(
    found: Mapping[str, SearchResult], cost: str, baseline: Candidate
) -> list[dict[str, Any]]:
    """Of the configurations' fronts, what no other one beats."""
    pairs = [(name, item) for name, result in found.items() for item in result.front]
    costs = np.array([item.mean[cost] for _, item in pairs])
    kept = pareto_front(costs, np.array([item.quality for _, item in pairs]))
    return [
        {"configuration": pairs[k][0], **_against(baseline, pairs[k][1]).to_dict()} for k in kept
    ]


def _check(network: AdaptiveNetwork, table: ExitTable) -> None:
    """Refuse a table of other exits: its choice would be of others."""
    depths = sorted({exit_.after for exit_ in network.exits})
    points = tuple(depths.index(exit_.after) for exit_ in network.exits)
    heads = tuple(exit_.head.name for exit_ in network.exits)
    if (table.points, table.heads) != (points, heads):
        raise InputError(
            f"`tables` must be of the exits of `network`, {', '.join(heads)} at the points "
            f"{points}; received: {', '.join(table.heads)} at {table.points}"
        )
