"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kit.search.candidate import Candidate


@dataclass(frozen=True)
class SearchResult:
    """The choice of a search and what it was chosen from.

    Args:
        chosen: The best candidate that meets the constraints.
        baseline: Final-only.
        front: Pareto front of all that competed, constraints aside: quality against the mean of the
            objective's cost, from the cheapest to the dearest.
        count: Candidates scored.
        seconds: That the search took; a scan that an earlier one did is not repeated.
        thresholds: Image thresholds that each exit and policy was tried with at most; `None` where
            nothing input-dependent competed.
    """

    chosen: Candidate
    baseline: Candidate
    front: tuple[Candidate, ...]
    count: int
    seconds: float
    thresholds: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data for JSON."""
        return {
            "chosen": self.chosen.to_dict(),
            "baseline": self.baseline.to_dict(),
            "front": [candidate.to_dict() for candidate in self.front],
            "count": self.count,
            "seconds": self.seconds,
            "thresholds": self.thresholds,
        }
