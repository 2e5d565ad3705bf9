"""The error of a search that found nothing."""

from __future__ import annotations

from kit.errors import InputError
from kit.search.candidate import Candidate


class NoCandidateError(InputError):
    """Nothing that a search may choose meets the constraints.

    Args:
        message: One line that names the constraints and the nearest candidate.
        nearest: The candidate that is nearest to them, scored.
        excess: By which share it is beyond the limit that it misses most.
    """

    def __init__(self, message: str, nearest: Candidate, excess: float) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.excess = excess
