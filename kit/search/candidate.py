"""One way to deploy a network with early exits, and what it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Self, get_args

from kit.errors import InputError
from kit.search.exit_policy import ExitPolicy

Setting = Literal["final", "budgeted", "input-dependent", "anytime"]
"""How a network is deployed; see `Candidate`."""

SETTINGS: tuple[Setting, ...] = get_args(Setting)
"""Every setting. Of equally good candidates, search takes that of the earlier setting."""


@dataclass(frozen=True)
class Candidate:
    """A choice of exits, heads and thresholds (MESS, arXiv 2106.03527), with its figures.

    B_i is the cost of the trunk up to exit i, H_i of its head, P_i of its policy, N the final exit:

    | setting | deployed | cost of an image | mIoU of |
    |---|---|---|---|
    | final | trunk, final head | B_N + H_N | the final exit |
    | budgeted | trunk up to exit i, its head | B_i + H_i | exit i |
    | anytime | trunk, chosen heads, final head | B_N + Σ_j H_j: all run in turn | the final exit |
    | input-dependent | the same | B_i + Σ_{j ≤ i} (H_j + P_j), leaving at i | where each leaves |

    An image leaves at the first exit whose confidence in it is at or above the threshold (compared
    as float32), and at the final exit at the latest. Costs that are not paid by image (parameters,
    bytes) are always those of all that is deployed.

    Args:
        setting: One of `SETTINGS`.
        exits: Early exits deployed, numbered from 1, ascending; exactly one if budgeted.
        policies: One an early exit if input-dependent, else none.
        image_thresholds: One an early exit if input-dependent, 0 to 1, else none.
        miou: Mean intersection over union, 0 to 1; NaN while not scored.
        dice: Mean Dice, 0 to 1.
        drop: Points of mIoU (percentage points) by which `quality` is below final-only's; negative
            where it is above.
        shares: Share of the images that leave at each deployed exit, the deepest last.
        mean: Each cost, as an image pays it on average.
        worst: Each cost of an image that no early exit is sure of. It is what a hard deadline
            needs, even where no image of the data set went that far.
        deadline_miou: Of the anytime setting: mIoU of the last exit done at a deadline, 0 before
            the first, averaged over deadlines. These are spread evenly from the cost of the
            network's cheapest exit alone to that of final-only, the deadlines that only early exits
            meet; the axis is the same for all choices, which makes them comparable. Where no early
            exit is cheaper than final-only, there are none, and it is `miou`.

    Raises:
        InputError: naming the argument.
    """

    setting: Setting
    exits: tuple[int, ...] = ()
    policies: tuple[ExitPolicy, ...] = ()
    image_thresholds: tuple[float, ...] = ()
    miou: float = math.nan
    dice: float = math.nan
    drop: float = math.nan
    shares: tuple[float, ...] = ()
    mean: Mapping[str, float] = field(default_factory=dict)
    worst: Mapping[str, float] = field(default_factory=dict)
    deadline_miou: float | None = None

    def __post_init__(self) -> None:
        for name in ("exits", "policies", "image_thresholds", "shares"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.setting not in SETTINGS:
            raise InputError(
                f"`setting` must be one of {', '.join(SETTINGS)}; received: {self.setting!r}"
            )
        wanted, least, most = {"final": ("none", 0, 0), "budgeted": ("one", 1, 1)}.get(
            self.setting, ("one or more", 1, len(self.exits))
        )
        ascending = all(a < b for a, b in pairwise((0, *self.exits)))
        if not ascending or not least <= len(self.exits) <= most:
            raise InputError(
                f"`exits` must be {wanted} of the early exits, numbered from 1, ascending, in the "
                f"setting {self.setting}; received: {self.exits}"
            )
        expected = len(self.exits) if self.setting == "input-dependent" else 0
        for name in ("policies", "image_thresholds"):
            if len(getattr(self, name)) != expected:
                raise InputError(
                    f"`{name}` must hold {expected} for the exits {self.exits} in the setting "
                    f"{self.setting}; received: {getattr(self, name)}"
                )
        check_thresholds(self.image_thresholds)

    @property
    def quality(self) -> float:
        """What search compares: `deadline_miou` of the anytime setting, else `miou`."""
        return self.miou if self.deadline_miou is None else self.deadline_miou

    def to_dict(self) -> dict[str, Any]:
        """The candidate as plain data for JSON; figures only where it was scored."""
        choice = {
            "setting": self.setting,
            "exits": list(self.exits),
            "policies": [policy.to_dict() for policy in self.policies],
            "image_thresholds": list(self.image_thresholds),
        }
        if math.isnan(self.miou):
            return choice
        return {
            **choice,
            "miou": self.miou,
            "dice": self.dice,
            "drop": self.drop,
            "shares": list(self.shares),
            "mean": dict(self.mean),
            "worst": dict(self.worst),
            "deadline_miou": self.deadline_miou,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """A candidate from what `to_dict` gave.

        Raises:
            InputError: if it is no such content.
        """
        try:
            policies = tuple(ExitPolicy.from_dict(item) for item in content.get("policies", ()))
            return cls(**{**content, "policies": policies})
        except (TypeError, AttributeError) as error:
            raise InputError(
                f"`content` must be what Candidate.to_dict gave; received: {error}"
            ) from error


def check_thresholds(image_thresholds: tuple[float, ...]) -> None:
    """Refuse image thresholds outside 0 to 1.

    Raises:
        InputError: naming them.
    """
    if not all(0 <= threshold <= 1 for threshold in image_thresholds):
        raise InputError(
            f"`image_thresholds` must be from 0 to 1; received: {list(image_thresholds)}"
        )
