"""Many candidates as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.search.candidate import Candidate, Setting
from kit.search.exit_table import ExitTable


@dataclass(frozen=True, eq=False)
class Choices:
    """Candidates of one setting with one number of early exits m, one a row.

    Args:
        setting: Of all rows; see `Candidate`.
        exits: int `(rows, m)`, early exits from 0.
        leaving: int `(rows, m + 1)`, images that leave at each exit, the final exit last;
            `(rows, 1)` if budgeted, where there is none.
        quality: float64 `(rows,)`, as `Candidate.quality`.
        policies: int `(rows, m)`, position of each exit's policy in the table; `None` unless
            input-dependent.
        thresholds: float32 `(rows, m)`, image thresholds; `None` unless input-dependent.
    """

    setting: Setting
    exits: np.ndarray
    leaving: np.ndarray
    quality: np.ndarray
    policies: np.ndarray | None = None
    thresholds: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.quality)

    @property
    def shares(self) -> np.ndarray:
        """Share of the images that leave at each exit, float64, in the shape of `leaving`."""
        return self.leaving / self.leaving.sum(1, keepdims=True)

    def costs(self, table: ExitTable, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and worst cost of each row; see `Candidate`.

        Args:
            table: What was measured.
            name: Of the cost.

        Returns:
            Mean and worst, float64 `(rows,)` each.
        """
        exits = self.exits
        if self.setting != "budgeted":
            final = np.full((len(exits), 1), table.num_exits, exits.dtype)
            exits = np.concatenate([exits, final], axis=1)
        paid = table.running_costs(name, exits, self.policies)
        worst = paid[:, -1]
        return (self.shares * paid).sum(1) if table.costs[name].per_image else worst, worst

    def candidate(self, table: ExitTable, row: int) -> Candidate:
        """The choice of one row, without figures."""
        if self.policies is None or self.thresholds is None:
            return Candidate(self.setting, tuple(int(exit_) + 1 for exit_ in self.exits[row]))
        return Candidate(
            self.setting,
            tuple(int(exit_) + 1 for exit_ in self.exits[row]),
            tuple(table.policies[policy] for policy in self.policies[row]),
            tuple(float(threshold) for threshold in self.thresholds[row]),
        )
