"""The best exits, heads and thresholds for a purpose (MESS, arXiv 2106.03527)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from kit.errors import InputError
from kit.search.candidate import SETTINGS, Candidate, Setting, check_thresholds
from kit.search.candidate_scorer import CandidateScorer
from kit.search.choices import Choices
from kit.search.constraints import Constraints
from kit.search.exit_scan import ExitScan
from kit.search.exit_table import ExitTable
from kit.search.no_candidate_error import NoCandidateError
from kit.search.pareto import pareto_front
from kit.search.search_result import SearchResult

Objective = Literal["error", "cost"]

_DIGITS = 12  # beyond them, sums of the same figures in another order differ


class ExitSearch:
    """Chooses how to deploy a network with early exits, from what was measured of it once.

    The search is exhaustive: it scores final-only, every early exit alone (budgeted), every subset
    of at most `max_exits` early exits at different points run in turn (anytime), and each such
    subset × a policy and an image threshold for each exit (input-dependent). `ExitScan` says which
    thresholds, and why nothing is lost.

        chosen_on, reported_on = table.split()
        search = ExitSearch(chosen_on)
        result = search.search("cost", max_drop=1.0)      # fastest within a point of mIoU
        search.score(result.chosen, reported_on)          # its figures on images it never saw

    Args:
        table: What was measured of one configuration, on the images to choose on.
        max_exits: Early exits that are deployed together at most, 1 or more.
        image_thresholds: From 0 to 1, for all exits and policies; `None` for the confidences that
            occur, which no grid betters.
        max_thresholds: Kept of each exit and policy where more confidences occur; 1 or more.
        max_candidates: Input-dependent candidates at most. Beyond, thresholds are thinned further;
            a grid in `image_thresholds` is not thinned but refused. The default takes about a
            minute on one core.

    Raises:
        InputError: naming the argument.
    """

    def __init__(
        self,
        table: ExitTable,
        max_exits: int = 2,
        image_thresholds: Sequence[float] | None = None,
        *,
        max_thresholds: int = 64,
        max_candidates: int = 200_000_000,
    ) -> None:
        for name, value in (
            ("max_exits", max_exits),
            ("max_thresholds", max_thresholds),
            ("max_candidates", max_candidates),
        ):
            if value < 1:
                raise InputError(f"`{name}` must be 1 or more; received: {value}")
        if image_thresholds is not None:
            image_thresholds = tuple(image_thresholds)
            check_thresholds(image_thresholds)
            if not image_thresholds:
                raise InputError("`image_thresholds` must hold one or more, or be None; got none")
        self.table = table
        self.max_exits = max_exits
        self._scorer = CandidateScorer(table)
        self._scan_options = (max_exits, image_thresholds, max_thresholds, max_candidates)
        self._scan: ExitScan | None = None
        self._scanned: list[Choices] = []
        self._scanned_costs: frozenset[str] = frozenset()

    def final(self) -> Candidate:
        """Final-only, with which everything is compared."""
        return self._scorer.score(Candidate("final"))

    def budgeted(self) -> list[Candidate]:
        """Every early exit alone, the first exit first."""
        return self._candidates(self._scorer.budgeted())

    def anytime(self) -> list[Candidate]:
        """Every subset of at most `max_exits` early exits at different points, run in turn."""
        choices = self._scorer.anytime(self.max_exits)
        return [candidate for part in choices for candidate in self._candidates(part)]

    def score(self, candidate: Candidate, table: ExitTable | None = None) -> Candidate:
        """The figures of a choice, on the images of another table if given.

        Args:
            candidate: Its setting, exits, policies and thresholds count; figures are replaced.
            table: Of the same exits: another half, the test set.

        Raises:
            InputError: if a table's exits differ, or it has no such exit or policy.
        """
        if table is None or table is self.table:
            return self._scorer.score(candidate)
        if (table.points, table.heads) != (self.table.points, self.table.heads):
            raise InputError(
                f"`table` must have the exits that were searched: {self.table.heads} at the points "
                f"{self.table.points}; received: {table.heads} at {table.points}"
            )
        return CandidateScorer(table).score(candidate)

    def search(
        self,
        objective: Objective = "error",
        constraints: Mapping[str, float] | None = None,
        *,
        worst: Mapping[str, float] | None = None,
        max_drop: float | None = None,
        cost: str = "latency_ms",
        settings: Sequence[Setting] | None = None,
    ) -> SearchResult:
        """Find the best candidate that meets all constraints.

        Of candidates that are equal in the objective, the one that is better in the other respect
        is taken, then that of the earlier setting in `SETTINGS` and with fewer exits.

        Args:
            objective: `"error"` for the highest quality (mIoU, see `Candidate.quality`), or
                `"cost"` for the lowest mean of `cost`.
            constraints: Cost to the highest mean allowed, above 0. `None` is the paper's with
                `"error"`, a mean of `cost` not above final-only's, and none with `"cost"`; `{}` is
                none at all.
            worst: Cost to the highest worst case allowed: a hard deadline.
            max_drop: Points of mIoU (percentage points) that may be lost against final-only; needed
                with `"cost"`.
            cost: Name of the objective's cost, and of the front's.
            settings: Those that compete; all if `None`.

        Returns:
            The choice, and the Pareto front of all that competed, whether it meets the constraints
            or not.

        Raises:
            InputError: naming the argument.
            NoCandidateError: if nothing meets the constraints, naming the candidate that is nearest
                to them.
        """
        started = time.perf_counter()
        competing = self._competing(settings)
        baseline = self.final()
        limits = self._limits(objective, constraints, worst, max_drop, cost, baseline)
        pool = self._pool(competing, {cost, *limits.mean})

        def figures(name: str) -> tuple[np.ndarray, np.ndarray]:
            parts = [choices.costs(self.table, name) for choices in pool]
            mean, worst = (np.concatenate(part) for part in zip(*parts, strict=True))
            return mean, worst

        quality = np.concatenate([choices.quality for choices in pool])
        excess = limits.excess(figures, quality, baseline.miou)
        means = np.round(figures(cost)[0] / (baseline.mean[cost] or 1.0), _DIGITS)
        losses = np.round(-quality, _DIGITS)
        ranking = (means, losses) if objective == "error" else (losses, means)  # last counts first
        best = int(np.lexsort((*ranking, excess))[0])
        chosen = self._candidate(pool, best)
        if excess[best]:
            many = "s" if len(chosen.exits) > 1 else ""
            exits = f" with exit{many} {', '.join(map(str, chosen.exits))}" if chosen.exits else ""
            raise NoCandidateError(
                f"no candidate meets the constraints ({limits.describe()}); the nearest is "
                f"{chosen.setting}{exits}: {limits.describe(chosen)}",
                nearest=chosen,
                excess=float(excess[best]),
            )
        scan = self._scan if "input-dependent" in competing else None
        simple = sum(len(part) for part in pool if part.setting != "input-dependent")
        return SearchResult(
            chosen=chosen,
            baseline=baseline,
            front=tuple(self._candidate(pool, row) for row in pareto_front(means, -losses)),
            count=simple + (scan.count if scan else 0),
            seconds=time.perf_counter() - started,
            thresholds=scan.thresholds if scan else None,
        )

    @staticmethod
    def _competing(settings: Sequence[Setting] | None) -> list[Setting]:
        unknown = [setting for setting in settings or () if setting not in SETTINGS]
        if unknown or (settings is not None and not settings):
            raise InputError(
                f"`settings` must be one or more of {', '.join(SETTINGS)}; received: {settings!r}"
            )
        return [setting for setting in SETTINGS if settings is None or setting in settings]

    def _limits(
        self,
        objective: str,
        constraints: Mapping[str, float] | None,
        worst: Mapping[str, float] | None,
        max_drop: float | None,
        cost: str,
        baseline: Candidate,
    ) -> Constraints:
        if objective not in get_args(Objective):
            raise InputError(f"`objective` must be error or cost; received: {objective!r}")
        if objective == "cost" and max_drop is None:
            raise InputError(
                "`max_drop` must be given with the objective cost: without it the cheapest exit "
                "wins, however bad; received: None"
            )
        for argument, names in (
            ("cost", [cost]),
            ("constraints", constraints or ()),
            ("worst", worst or ()),
        ):
            for name in names:
                if name not in self.table.costs:
                    raise InputError(
                        f"`{argument}` must name one of {', '.join(self.table.costs)}; "
                        f"received: {name!r}"
                    )
        if constraints is None:
            constraints = {cost: baseline.mean[cost]} if objective == "error" else {}
        return Constraints(dict(constraints), dict(worst or {}), max_drop)

    def _pool(self, competing: Sequence[Setting], costs: set[str]) -> list[Choices]:
        """All that competes, in the order of `SETTINGS`; of the scan, what can be wanted."""
        pool: list[Choices] = []
        if "final" in competing:
            pool.append(self._scorer.final())
        if "budgeted" in competing:
            pool.append(self._scorer.budgeted())
        if "input-dependent" in competing:
            if self._scan is None:
                self._scan = ExitScan(self.table, *self._scan_options)
            # What is not paid by image is the same for all choices of the same exits.
            by_image = {name for name in costs if self.table.costs[name].per_image}
            by_image = by_image or {self.table.deadline_cost}
            if not by_image <= self._scanned_costs:
                self._scanned_costs |= by_image
                self._scanned = self._scan.run(sorted(self._scanned_costs))
            pool += self._scanned
        if "anytime" in competing:
            pool += self._scorer.anytime(self.max_exits)
        return pool

    def _candidate(self, pool: Sequence[Choices], row: int) -> Candidate:
        """Row `row` of all rows of the pool, scored."""
        for choices in pool:
            if row < len(choices):
                break
            row -= len(choices)
        return self._scorer.score(choices.candidate(self.table, row))

    def _candidates(self, choices: Choices) -> list[Candidate]:
        return [self._candidate([choices], row) for row in range(len(choices))]
