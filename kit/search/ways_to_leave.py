"""By which policies and thresholds images can leave at an exit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.search.exit_table import ExitTable


@dataclass(frozen=True, eq=False)
class WaysToLeave:
    """Policies and image thresholds of one early exit by which different images leave.

    Args:
        exit: The early exit, from 0.
        point: Where it stands.
        policies: int `(ways,)`, position of each one's policy in the table. All policies cost the
            same.
        thresholds: float32 `(ways,)`, each one's image threshold.
        leaves: bool `(ways, n)`, whether an image that comes to the exit leaves there.
    """

    exit: int
    point: int
    policies: np.ndarray
    thresholds: np.ndarray
    leaves: np.ndarray

    def __len__(self) -> int:
        return len(self.policies)


def ways_to_leave(table: ExitTable, grid: np.ndarray | None, most: int) -> list[WaysToLeave]:
    """All ways to leave at every early exit.

    Of several ways by which the same images leave at the same cost, the first policy and then the
    lowest threshold stand for all.

    Args:
        table: What was measured.
        grid: float32, image thresholds for all exits and policies; `None` for the confidences that
            occur.
        most: How many of these are kept of an exit and policy, evenly spread over their ranks.

    Returns:
        By ascending exit; where policies differ in cost, one item for each cost.
    """
    found = []
    for exit_, point in enumerate(table.points):
        confidence = table.confidence[exit_]
        for group in _policies_by_cost(table, exit_):
            cuts = [_cuts(confidence[:, i], most) if grid is None else grid for i in group]
            policies = np.repeat(group, [cut.size for cut in cuts]).astype(np.int32)
            thresholds = np.concatenate(cuts)
            leaves = confidence.T[policies] >= thresholds[:, None]
            _, first = np.unique(np.packbits(leaves, axis=1), axis=0, return_index=True)
            first.sort()
            found.append(
                WaysToLeave(exit_, point, policies[first], thresholds[first], leaves[first])
            )
    return found


def _policies_by_cost(table: ExitTable, exit_: int) -> list[np.ndarray]:
    """Positions of the policies that cost the same at an exit, in every cost."""
    costs = [cost.policies[exit_] for cost in table.costs.values() if cost.policies is not None]
    if not costs:
        return [np.arange(len(table.policies))]
    _, group = np.unique(np.array(costs), axis=1, return_inverse=True)
    return [np.flatnonzero(group == number) for number in range(group.max() + 1)]


def _cuts(confidence: np.ndarray, most: int) -> np.ndarray:
    """The different confidences, or `most` of them."""
    cuts = np.unique(confidence)
    if cuts.size > most:
        cuts = cuts[((np.arange(most) + 0.5) * cuts.size / most).astype(np.int64)]
    return cuts
