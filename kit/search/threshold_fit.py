"""Image thresholds for exits and policies that were chosen already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kit.errors import InputError
from kit.search.candidate import Candidate
from kit.search.exit_policy import ExitPolicy
from kit.search.exit_scan import most_exits
from kit.search.exit_search import ExitSearch
from kit.search.exit_table import LEAST_TO_SPLIT, ExitTable
from kit.search.stage_costs import StageCosts

_ROUNDING = 1e-9  # points; sums of the same figures in another order differ

ALWAYS = 0.0
"""Of an exit beyond which no image goes."""

NEVER = 1.0
"""Of an exit that is not worth leaving at: an image leaves only if every pixel is sure."""


def fit_thresholds(
    table: ExitTable,
    exits: Sequence[int],
    policies: Sequence[ExitPolicy],
    *,
    max_drop: float = 0.5,
    cost: str | None = None,
) -> tuple[float, ...]:
    """The thresholds of least mean cost that lose no more than a drop, on each half of the images.

    They are chosen among the Pareto front of all images, cost against mIoU, cheapest first.
    A few scenes that an exit happens to do well on would otherwise decide: thresholds that hold on
    one half alone mostly do not hold on images that come later. Fewer than 8 images are not split.
    An exit that loses nothing to the final one, on any half, gets `ALWAYS`: going on would cost
    more and gain nothing, whatever images come. The number of images bounds how many exits are used
    together (`most_exits`): 3 for 53 to 202 images.

    Exits are the network's, not a configuration's: one that was not searched for them leaves at
    the same exits, by the same policies, but at thresholds of its own.

    Args:
        table: What was measured of a configuration.
        exits: Early exits that are deployed, numbered from 1, at different points, ascending.
        policies: One an exit.
        max_drop: Points of mIoU that may be lost against final-only.
        cost: Name of the cost; `ExitTable.deadline_cost` by default.

    Returns:
        One threshold an exit, 0 to 1; `NEVER` for one that is left out, or lies behind `ALWAYS`.

    Raises:
        InputError: if the table has no such exit or policy.
    """
    own = restricted(table, exits, policies)
    search = ExitSearch(own, max_exits=min(own.num_exits, most_exits(own.num_images)))
    front = search.search(
        "cost",
        max_drop=max_drop,
        cost=cost or table.deadline_cost,
        settings=("final", "input-dependent"),
    ).front  # the cheapest first
    parts = [own, *(own.split() if own.num_images >= LEAST_TO_SPLIT else ())]

    def loses(candidate: Candidate, drop: float) -> bool:
        most = max(search.score(candidate, part).drop for part in parts)
        return most > drop + _ROUNDING

    thresholds: dict[int, float] = {}
    for candidate in front:
        if not loses(candidate, max_drop):
            thresholds = dict(zip(candidate.exits, candidate.image_thresholds, strict=True))
            break
    for number in range(1, own.num_exits + 1):
        if not loses(Candidate("budgeted", (number,)), 0.0):
            before = {key: value for key, value in thresholds.items() if key < number}
            ended = {**before, number: ALWAYS}
            leaving = own.policies * len(ended)
            choice = Candidate("input-dependent", tuple(ended), leaving, tuple(ended.values()))
            if not loses(choice, max_drop):
                thresholds = ended
                break
    return tuple(thresholds.get(number, NEVER) for number in range(1, own.num_exits + 1))


def restricted(table: ExitTable, exits: Sequence[int], policies: Sequence[ExitPolicy]) -> ExitTable:
    """The table of some exits alone, each by one policy.

    Args:
        table: What was measured.
        exits: Early exits, numbered from 1, ascending.
        policies: One an exit.

    Returns:
        A table of as many exits, numbered anew, with one policy, which stands for each exit's own.

    Raises:
        InputError: if the table has no such exit or policy.
    """
    for number in exits:
        if not 1 <= number <= table.num_exits:
            raise InputError(f"`exits` must be from 1 to {table.num_exits}; received: {number}")
    for policy in policies:
        if policy not in table.policies:
            raise InputError(f"`policies` must be among those of the table; received: {policy}")
    rows = [number - 1 for number in exits]
    columns = [table.policies.index(policy) for policy in policies]
    with_final = [*rows, table.num_exits]

    def costs(whole: StageCosts) -> StageCosts:
        own = None if whole.policies is None else whole.policies[rows, columns][:, None]
        return replace(whole, heads=whole.heads[with_final], policies=own)

    return replace(
        table,
        points=tuple(table.points[row] for row in rows),
        heads=tuple(table.heads[row] for row in rows),
        counts=table.counts[with_final],
        confidence=np.stack(
            [table.confidence[row, :, column] for row, column in zip(rows, columns, strict=True)]
        )[..., None],
        policies=(ExitPolicy(),),
        costs={name: costs(whole) for name, whole in table.costs.items()},
    )
