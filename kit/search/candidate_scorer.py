"""The figures of candidates on one table."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from kit.errors import InputError
from kit.metrics import ConfusionMatrix
from kit.search.candidate import Candidate
from kit.search.choices import Choices
from kit.search.exit_table import ExitTable


class CandidateScorer:
    """Scores candidates on what was measured of one network on one data set.

    Args:
        table: What was measured.
    """

    def __init__(self, table: ExitTable) -> None:
        self.table = table
        # of each exit alone, the final one's last
        self._miou = np.array([_matrix(counts.sum(0)).mean_iou() for counts in table.counts])

    def score(self, candidate: Candidate) -> Candidate:
        """The same choice with the figures that it has on this table.

        Raises:
            InputError: if the table has no such exit or policy, or two of the exits stand at the
                same point.
        """
        table = self.table
        exits = self._exits(candidate)
        policies = self._policies(candidate)
        images = np.arange(table.num_images)
        stages = exits if candidate.setting == "budgeted" else np.append(exits, table.num_exits)
        stage = np.full(table.num_images, len(stages) - 1)
        # from the deepest exit to the first, which has the last word
        for at in reversed(range(len(policies))):
            confidence = table.confidence[exits[at], :, policies[at]]
            stage[confidence >= np.float32(candidate.image_thresholds[at])] = at
        matrix = _matrix(table.counts[stages[stage], images].sum(0))
        miou, deadline_miou = matrix.mean_iou(), None
        if candidate.setting == "anytime":
            deadline_miou = float(self._deadline_miou(exits[None])[0])
        quality = miou if deadline_miou is None else deadline_miou
        choice = Choices(
            candidate.setting,
            exits[None],
            np.bincount(stage, minlength=len(stages))[None],
            np.array([quality]),
            policies[None] if policies.size else None,
        )
        costs = {name: choice.costs(table, name) for name in table.costs}
        return replace(
            candidate,
            miou=miou,
            dice=matrix.mean_dice(),
            drop=100 * float(self._miou[-1] - quality),
            shares=tuple(choice.shares[0].tolist()),
            mean={name: float(mean[0]) for name, (mean, _) in costs.items()},
            worst={name: float(worst[0]) for name, (_, worst) in costs.items()},
            deadline_miou=deadline_miou,
        )

    def final(self) -> Choices:
        """The final exit alone, one row."""
        none = np.zeros((1, 0), np.int64)
        return Choices("final", none, np.array([[self.table.num_images]]), self._miou[-1:])

    def budgeted(self) -> Choices:
        """Every early exit alone."""
        exits = np.arange(self.table.num_exits)[:, None]
        return Choices(
            "budgeted", exits, np.full(exits.shape, self.table.num_images), self._miou[:-1]
        )

    def anytime(self, max_exits: int) -> list[Choices]:
        """Every subset of 1 to `max_exits` early exits at different points, run in turn."""
        points, found = self.table.points, []
        for number in range(1, min(max_exits, len(set(points))) + 1):
            subsets = [
                chosen
                for chosen in combinations(range(len(points)), number)
                if all(points[a] < points[b] for a, b in pairwise(chosen))
            ]
            exits = np.array(subsets)
            leaving = np.zeros((len(exits), number + 1), np.int64)
            leaving[:, -1] = self.table.num_images
            found.append(Choices("anytime", exits, leaving, self._deadline_miou(exits)))
        return found

    def _deadline_miou(self, exits: np.ndarray) -> np.ndarray:
        """`Candidate.deadline_miou` of rows of early exits."""
        table, name = self.table, self.table.deadline_cost
        alone = table.running_costs(name, np.arange(table.num_exits + 1)[:, None])[:, 0]
        first, last = alone[:-1].min(), alone[-1]
        final = np.full((len(exits), 1), table.num_exits)
        stages = np.concatenate([exits, final], axis=1)
        if first >= last:
            return np.full(len(exits), self._miou[-1])
        done = np.clip(table.running_costs(name, stages), first, last)
        spans = np.diff(done, axis=1, append=last)
        return (self._miou[stages] * spans).sum(1) / (last - first)

    def _exits(self, candidate: Candidate) -> np.ndarray:
        points, exits = self.table.points, np.array(candidate.exits, np.int64) - 1
        if exits.size and exits.max() >= len(points):
            raise InputError(
                f"`exits` must be from 1 to {len(points)}; received: {candidate.exits}"
            )
        at = [points[exit_] for exit_ in exits]
        if len(set(at)) < len(at):
            raise InputError(
                f"`exits` must stand at different points; received: exits {candidate.exits} at "
                f"the points {tuple(at)}"
            )
        return exits

    def _policies(self, candidate: Candidate) -> np.ndarray:
        known = self.table.policies
        for policy in candidate.policies:
            if policy not in known:
                raise InputError(
                    f"`policies` must be among the {len(known)} of the table; received: {policy}"
                )
        return np.array([known.index(policy) for policy in candidate.policies], np.int64)


def _matrix(counts: np.ndarray) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(counts))
    matrix.counts += counts
    return matrix
