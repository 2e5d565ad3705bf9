"""Every input-dependent choice of exits, heads and thresholds, scored from the stored tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, groupby, pairwise
from math import prod

import numpy as np

from kit.errors import InputError
from kit.search.choices import Choices
from kit.search.exit_table import ExitTable
from kit.search.pareto import undominated
from kit.search.ways_to_leave import WaysToLeave, ways_to_leave

_BLOCK = 2**15  # choices scored together: what is computed of them stays in the processor's cache
_PORTION = 2**17  # kept choices in one array: bounds what is needed beside them
_MOST_CELLS = 2**23


def most_exits(images: int) -> int:
    """How many early exits a choice may hold at most, so that so many images can be scanned."""
    exits = 1
    while (images + 1) ** (exits + 1) <= _MOST_CELLS:
        exits += 1
    return exits


class ExitScan:
    """Scores every input-dependent choice of at most `max_exits` early exits at different points.

    Choices of one exit by which the same images leave are one (`WaysToLeave`); every subset of
    exits × every choice that remains is scored, none is skipped. mIoU needs the right pixels and
    the union of each class only, and these add up over the images: they are sums over (who leaves
    where) × (pixels of each image), one matrix product a class. All of them are integers below 2^53
    and exact.

    What is kept: among choices of the same exits, what is deployed and the worst case are the same,
    and mean costs depend only on how many images go on to each next exit. So the best choice for
    each of these numbers is enough, and of these those that no other is as good as in mIoU and in
    all mean costs that count. For every objective and every set of limits on these means, on
    worst cases and on mIoU, a best choice is among them.

    Args:
        table: What was measured.
        max_exits: 1 or more.
        image_thresholds: For all exits and policies; `None` for the confidences that occur. They
            separate the images in every possible way, so that no other thresholds add anything.
        max_thresholds: Thresholds that are kept of each exit and policy where more confidences
            occur, evenly spread over their ranks.
        max_candidates: Where there are more choices, fewer of the occurring confidences are kept
            until there are not.

    Attributes:
        count: Number of choices that `run` scores.
        thresholds: Thresholds kept at most of each exit and policy; below `max_thresholds` where
            `max_candidates` asked for it.

    Raises:
        InputError: if there are too many images for `max_exits`, or more than `max_candidates`
            choices that cannot be thinned out.
    """

    def __init__(
        self,
        table: ExitTable,
        max_exits: int,
        image_thresholds: Sequence[float] | None,
        max_thresholds: int,
        max_candidates: int,
    ) -> None:
        self.table = table
        self.max_exits = min(max_exits, len(set(table.points)))
        self._check_size()
        grid, self.thresholds = None, min(max_thresholds, table.num_images)
        if image_thresholds is not None:
            grid = np.unique(np.array(image_thresholds, np.float32))
            self.thresholds = len(grid)
        while True:
            self._ways = ways_to_leave(table, grid, self.thresholds)
            self.count = self._count()
            if self.count <= max_candidates:
                break
            if grid is not None or self.thresholds == 1:
                raise InputError(
                    f"`max_candidates` must be {self.count} or more for these exits and "
                    f"thresholds (or pass fewer of them); received: {max_candidates}"
                )
            shrink = (max_candidates / self.count) ** (1 / self.max_exits)
            self.thresholds = max(1, min(int(self.thresholds * shrink), self.thresholds - 1))

        # Columns of what is summed: right pixels of each class that the labels hold, the union of
        # truth and prediction of these, and that of the classes which only predictions hold.
        counts = table.counts
        true, predicted = counts.sum(3), counts.sum(2)
        right = np.diagonal(counts, axis1=2, axis2=3)
        union = true + predicted - right
        held = true[-1].any(0)
        predicted_only = union.any((0, 1)) & ~held
        columns = (right[..., held], union[..., held], union[..., predicted_only])
        self._pixels = np.concatenate(columns, axis=-1).astype(np.float64)
        self._held = int(held.sum())

    def run(self, costs: Sequence[str]) -> list[Choices]:
        """Score all choices.

        Args:
            costs: Names of the costs whose means count, at least one.

        Returns:
            What is kept of the choices of 1, 2, … early exits, in portions.
        """
        scanned = []
        for number in range(1, self.max_exits + 1):
            parts, rows = [], 0
            for chosen in combinations(self._ways, number):
                if any(a.point >= b.point for a, b in pairwise(chosen)):
                    continue
                parts.append(self._scan(chosen, costs))
                rows += len(parts[-1][0])
                if rows >= _PORTION:
                    scanned.append(_joined(parts))
                    parts, rows = [], 0
            if parts:
                scanned.append(_joined(parts))
        return scanned

    def _check_size(self) -> None:
        images = self.table.num_images
        most = int(_MOST_CELLS ** (1 / self.max_exits) + 1e-9) - 1
        if images > most:
            raise InputError(
                f"`table` must hold at most {most} images for {self.max_exits} early exits at a "
                f"time (take a `subset`); received: {images}"
            )

    def _count(self) -> int:
        """Choices of all subsets: the sums of products over 1, 2, … different points."""
        sums = [1] + [0] * self.max_exits
        for _, group in groupby(self._ways, lambda ways: ways.point):
            size = sum(len(ways) for ways in group)
            for number in range(self.max_exits, 0, -1):
                sums[number] += sums[number - 1] * size
        return sum(sums[1:])

    def _scan(
        self, chosen: tuple[WaysToLeave, ...], costs: Sequence[str]
    ) -> tuple[np.ndarray, ...]:
        """What is kept of the choices for one subset of exits: the fields of `Choices`."""
        *before, last = chosen
        side = self.table.num_images + 1
        shape = tuple(len(ways) for ways in before)
        best = np.full(side ** len(chosen), -1.0)
        first = np.zeros(best.size, np.int64)
        leave = last.leaves.T.astype(np.float64)
        rows = max(1, _BLOCK // len(last))
        buffers = np.empty((3, rows, len(last)))
        for start in range(0, prod(shape), rows):
            index = np.arange(start, min(start + rows, prod(shape)))
            stay, sums, cell = self._before(
                before, np.unravel_index(index, (1, *shape))[1:], index.size
            )
            miou = self._miou(stay, sums, last.exit, leave, buffers[:, : index.size]).ravel()
            gone = np.matmul(stay, leave, out=buffers[1, : index.size])
            cells = ((cell * side + stay.sum(1))[:, None] - gone).astype(np.int64).ravel()
            better = np.flatnonzero(miou > best[cells])
            # Of several values for a cell the last one is kept: the highest, and of equals the
            # first choice.
            better = better[np.argsort(-miou[better], kind="stable")[::-1]]
            best[cells[better]] = miou[better]
            first[cells[better]] = start * len(last) + better
        return self._keep(chosen, costs, best, first)

    def _before(
        self, before: list[WaysToLeave], index: tuple[np.ndarray, ...], rows: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the exits before the last one of a subset leave to it.

        Returns:
            The images that go on to it, 0 or 1 `(rows, n)`; the pixels of those that have left
            `(rows, columns)`; and, as the digits of one number, how many went on after each exit
            before the last `(rows,)`.
        """
        images = self.table.num_images
        stay = np.ones((rows, images))
        sums = np.zeros((rows, self._pixels.shape[-1]))
        cell = np.zeros(rows)
        for ways, which in zip(before, index, strict=True):
            left = stay * ways.leaves[which]
            sums += left @ self._pixels[ways.exit]
            stay -= left
            cell = cell * (images + 1) + stay.sum(1)
        return stay, sums, cell

    def _miou(
        self, stay: np.ndarray, sums: np.ndarray, exit_: int, leave: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """The mIoU of every row × every choice of the last exit; `out` is `(3, rows, choices)`."""
        total, right, union = out
        final = self._pixels[-1]
        gain = self._pixels[exit_] - final
        sums = sums + stay @ final

        def add_up(column: int, out: np.ndarray) -> np.ndarray:
            np.matmul(stay * gain[:, column], leave, out=out)
            return np.add(out, sums[:, column, None], out=out)

        total[:] = 0
        for column in range(self._held):
            add_up(column, right)
            right /= add_up(self._held + column, union)
            total += right
        classes: np.ndarray | int = self._held
        for column in range(2 * self._held, gain.shape[1]):
            classes = classes + (add_up(column, union) > 0)
        return np.divide(total, classes, out=total)

    def _keep(
        self,
        chosen: tuple[WaysToLeave, ...],
        costs: Sequence[str],
        best: np.ndarray,
        first: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        """Of the best choice of each cell, drop those that another one beats in every respect."""
        images = self.table.num_images
        cells = np.flatnonzero(best >= 0)
        going_on = np.unravel_index(cells, (images + 1,) * len(chosen))
        steps = [np.full(cells.size, images), *going_on, np.zeros(cells.size, np.int64)]
        leaving = -np.diff(np.stack(steps, axis=1), axis=1)
        exits = np.array([[*(ways.exit for ways in chosen), self.table.num_exits]])
        policies = np.array([[ways.policies[0] for ways in chosen]])  # one price, any policy
        paid = [self.table.running_costs(name, exits, policies)[0] for name in costs]
        kept = undominated(leaving @ np.stack(paid, axis=1), best[cells])
        which = np.unravel_index(first[cells[kept]], tuple(len(ways) for ways in chosen))
        return (
            np.tile(exits[:, :-1].astype(np.int32), (kept.size, 1)),
            leaving[kept].astype(np.int32),
            best[cells[kept]],
            _pick([ways.policies for ways in chosen], which),
            _pick([ways.thresholds for ways in chosen], which),
        )


def _joined(parts: list[tuple[np.ndarray, ...]]) -> Choices:
    fields = [np.concatenate(field) for field in zip(*parts, strict=True)]
    return Choices("input-dependent", *fields)


def _pick(arrays: list[np.ndarray], which: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack([array[index] for array, index in zip(arrays, which, strict=True)], axis=1)
