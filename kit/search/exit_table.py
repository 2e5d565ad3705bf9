"""What was measured of a network with early exits: all that a search needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np

from kit.errors import InputError
from kit.files import replacing
from kit.search.exit_policy import ExitPolicy
from kit.search.stage_costs import StageCosts

_ARRAYS = ("counts", "confidence")
LEAST_TO_SPLIT = 8
"""Images of a table from which it can be split."""


@dataclass(frozen=True, eq=False)
class ExitTable:
    """One configuration of an overprovisioned network on one data set, by exit and image.

    Every head is evaluated once; every choice of exits, heads and thresholds is then scored from
    this table (MESS, arXiv 2106.03527). E early exits stand at P points of the trunk, several
    heads at one point; exit k = 1 … E is item k - 1 here, and the final exit is the last item
    where it has one. C classes, n images, T policies.

    Args:
        configuration: Name of the configuration.
        points: `(E,)`, the point of each early exit, 0 to P - 1, ascending.
        heads: `(E,)`, a name for each early exit's head.
        counts: int64 `(E + 1, n, C, C)`, pixels of each exit and image; row = true class, column =
            predicted class, as in `kit.metrics.ConfusionMatrix`.
        confidence: float32 `(E, n, T)`, 0 to 1: share of pixels that an early exit is sure of.
        policies: `(T,)`, different from each other.
        costs: Name to costs; one of them at least adds up and is paid by image.

    Raises:
        InputError: naming the argument.
    """

    configuration: str
    points: tuple[int, ...]
    heads: tuple[str, ...]
    counts: np.ndarray
    confidence: np.ndarray
    policies: tuple[ExitPolicy, ...]
    costs: Mapping[str, StageCosts]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "points", tuple(int(point) for point in self.points))
        set_(self, "heads", tuple(self.heads))
        set_(self, "policies", tuple(self.policies))
        set_(self, "costs", dict(self.costs))
        set_(self, "counts", _integers(np.asarray(self.counts)))
        set_(self, "confidence", np.asarray(self.confidence, np.float32))
        self._check_exits()
        self._check_arrays()
        self._check_costs()

    @property
    def num_exits(self) -> int:
        """E, the number of early exits."""
        return len(self.points)

    @property
    def num_images(self) -> int:
        """n, the number of images."""
        return self.counts.shape[1]

    @property
    def deadline_cost(self) -> str:
        """Name of the cost in which deadlines are set: `latency_ms`, else the first that can be."""
        fit = [n for n, cost in self.costs.items() if cost.per_image and cost.kind == "sum"]
        return "latency_ms" if "latency_ms" in fit else fit[0]

    def running_costs(
        self, name: str, exits: np.ndarray, policies: np.ndarray | None = None
    ) -> np.ndarray:
        """What has been paid of the cost `name` after each exit of a row; see `StageCosts.running`.

        Args:
            name: Of a cost.
            exits: int `(rows, stages)`, from 0; E is the final exit.
            policies: int `(rows, early exits)`, or `None` where no policy runs.

        Raises:
            InputError: if there is no such cost, listing the names.
        """
        if name not in self.costs:
            raise InputError(f"a cost must be one of {', '.join(self.costs)}; received: {name!r}")
        costs = self.costs[name]
        points = np.array([*self.points, len(costs.trunk) - 1])
        return costs.running(points[exits], exits, policies)

    def subset(self, images: Sequence[int] | np.ndarray) -> Self:
        """The same table of some of the images, by index, in the given order.

        Raises:
            InputError: if an index is out of range, or there is none.
        """
        indices = np.asarray(images)
        last = self.num_images - 1
        if indices.ndim != 1 or not indices.size or indices.dtype.kind not in "iu":
            raise InputError(f"`images` must be a list of indices; received: {images!r}")
        if indices.min() < 0 or indices.max() > last:
            raise InputError(
                f"`images` must be from 0 to {last}; received: {indices.min()} to {indices.max()}"
            )
        return replace(self, counts=self.counts[:, indices], confidence=self.confidence[:, indices])

    def split(self) -> tuple[Self, Self]:
        """First and second half of the images: one to choose on, the other to report on.

        The halves are blocks, not every other image: frames of a video that follow each other are
        alike, and would stand in both.

        Raises:
            InputError: if there are fewer than 8 images.
        """
        if self.num_images < LEAST_TO_SPLIT:
            raise InputError(
                f"a table must hold {LEAST_TO_SPLIT} images or more to be split into one half to "
                f"choose on and one to report on; received: {self.num_images}"
            )
        middle = self.num_images // 2
        return self.subset(np.arange(middle)), self.subset(np.arange(middle, self.num_images))

    def save(self, path: str | Path) -> None:
        """Write the table as `.npz`, with what is no array as JSON inside.

        Raises:
            InputError: if `path` does not end in `.npz`.
            OSError: if it cannot be written; a file of that name is then left as it was.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(f"`path` must end in .npz; received: {path}")
        content = {
            "configuration": self.configuration,
            "points": self.points,
            "heads": self.heads,
            "policies": [policy.to_dict() for policy in self.policies],
            "costs": {name: cost.to_dict() for name, cost in self.costs.items()},
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with replacing(path) as partial:
            np.savez_compressed(partial, content=np.array(json.dumps(content)), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a table that `save` wrote.

        Raises:
            InputError: if there is no such file, or it is no such table.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"`path` must be a table of exits (.npz); no file {path}")
        try:
            with np.load(path, allow_pickle=False) as file:
                content = json.loads(str(file["content"]))
                content["policies"] = [ExitPolicy.from_dict(item) for item in content["policies"]]
                content["costs"] = {
                    name: StageCosts.from_dict(item) for name, item in content["costs"].items()
                }
                return cls(**content, **{name: file[name] for name in _ARRAYS})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
            raise InputError(f"{path} must be a table of exits; received: {error}") from error

    def _check_exits(self) -> None:
        if not self.points or list(self.points) != sorted(self.points) or self.points[0] < 0:
            raise InputError(
                "`points` must be one point from 0 an early exit, ascending; "
                f"received: {self.points}"
            )
        if len(self.heads) != self.num_exits:
            raise InputError(
                f"`heads` must hold {self.num_exits} names, one an early exit; "
                f"received: {len(self.heads)}"
            )
        if not self.policies or len(set(self.policies)) != len(self.policies):
            raise InputError(f"`policies` must be one or more, all different; got {self.policies}")

    def _check_arrays(self) -> None:
        counts, confidence, exits = self.counts, self.confidence, self.num_exits
        if counts.ndim != 4 or counts.shape[0] != exits + 1 or counts.shape[2] != counts.shape[3]:
            raise InputError(
                f"`counts` must be ({exits + 1}, images, classes, classes); "
                f"received: {counts.shape}"
            )
        if counts.size and counts.min() < 0:
            raise InputError(f"`counts` must be 0 or more; received: {counts.min()}")
        if not counts.any():
            raise InputError("`counts` must hold pixels that are not void; received none")
        true = counts.sum(3)
        different = np.flatnonzero((true != true[-1]).any((1, 2)))
        if different.size:
            raise InputError(
                "`counts` must hold the same true pixels for every exit; early exit "
                f"{different[0] + 1} differs from the final one"
            )
        expected = (exits, counts.shape[1], len(self.policies))
        if confidence.shape != expected:
            raise InputError(f"`confidence` must be {expected}; received: {confidence.shape}")
        if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN is neither
            raise InputError(
                "`confidence` must be from 0 to 1; received: "
                f"{confidence.min()} to {confidence.max()}"
            )

    def _check_costs(self) -> None:
        shapes = {"heads": (self.num_exits + 1,), "policies": (self.num_exits, len(self.policies))}
        lengths = {len(cost.trunk) for cost in self.costs.values()}
        for name, cost in self.costs.items():
            if len(lengths) > 1 or len(cost.trunk) < self.points[-1] + 2:
                raise InputError(
                    f"`costs[{name!r}].trunk` must hold one segment more than there are points, "
                    f"{self.points[-1] + 2} or more and as many for every cost; "
                    f"received: {len(cost.trunk)}"
                )
            for part, shape in shapes.items():
                array = getattr(cost, part)
                if array is not None and array.shape != shape:
                    raise InputError(
                        f"`costs[{name!r}].{part}` must be {shape}; received: {array.shape}"
                    )
        if not any(cost.per_image and cost.kind == "sum" for cost in self.costs.values()):
            raise InputError(
                "`costs` must hold one that adds up and is paid by image, such as latency_ms or "
                f"macs; received: {', '.join(self.costs) or 'none'}"
            )


def _integers(counts: np.ndarray) -> np.ndarray:
    if counts.dtype.kind not in "iu":
        raise InputError(f"`counts` must be integers; received: {counts.dtype}")
    return counts.astype(np.int64, copy=False)
