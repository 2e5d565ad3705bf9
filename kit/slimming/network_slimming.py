"""Network slimming: how many channels go, and when."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kit.errors import InputError
from kit.slimming.channel_map import SCOPES, Scope

_POWER = 3


@dataclass(frozen=True)
class NetworkSlimming:
    """How a network loses channels while it is trained (DANCE, arXiv 2107.07706).

    From the first step `l1` pulls the scales of the normalisations towards zero (arXiv 1708.06519).
    At milestones, evenly spaced, the channels of smallest scale among all of the scope become zero
    and stay so; after the last they are removed, the pull ends, and training goes on with the
    smaller network. The share rises by Zhu & Gupta's polynomial (arXiv 1710.01878): fast at first,
    `share * (1 - (1 - i / milestones) ** 3)` at milestone i. The paper's schedule and ratios are
    not public; these are this project's.

    Args:
        share: Of the scope's channels that are removed, above 0 and below 1; channels that can only
            go together count once.
        scope: `"multi_scale"`, the heads and decoders alone, which are what the paper slims; or
            `"network"`. See `ChannelMap`.
        l1: Added to the gradient of each scale with the scale's sign, 0 or more.
        begin: Share of the epochs before the first milestone, above 0.
        end: Share of the epochs before the last one, up to 1; each is at the beginning of the next
            whole epoch.
        milestones: How many, 1 or more.
        floor: Share of the channels of each layer that is kept, 0 to below 1; one channel at least.
        coupling: How much more the network is slimmed where images are: the share is multiplied by
            1 + coupling × (1 - the share of pixels that data slimming leaves to an image). 0 or
            more.

    Raises:
        InputError: naming the argument.
    """

    share: float = 0.4
    scope: Scope = "multi_scale"
    l1: float = 1e-4
    begin: float = 0.1
    end: float = 0.5
    milestones: int = 5
    floor: float = 0.1
    coupling: float = 0.0

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(
                f"`scope` must be one of {', '.join(SCOPES)}; received: {self.scope!r}"
            )
        if not 0 < self.share < 1:
            raise InputError(f"`share` must be above 0 and below 1; received: {self.share}")
        if not 0 <= self.floor < 1:
            raise InputError(f"`floor` must be from 0 to below 1; received: {self.floor}")
        for name in ("l1", "coupling"):
            if getattr(self, name) < 0:
                raise InputError(f"`{name}` must be 0 or more; received: {getattr(self, name)}")
        if not 0 < self.begin <= self.end <= 1:
            raise InputError(
                "`begin` must be above 0 and up to `end`, which is 1 at most; "
                f"received: {self.begin} and {self.end}"
            )
        if self.milestones < 1:
            raise InputError(f"`milestones` must be 1 or more; received: {self.milestones}")
        if (most := self.share * (1 + self.coupling)) > 1 - self.floor:
            raise InputError(
                f"`share`, times 1 + `coupling`, must leave the `floor` of {self.floor} in each "
                f"layer; received: {most:g}"
            )

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Options by name.

        Raises:
            InputError: naming one that there is not.
        """
        known = [item.name for item in dataclasses.fields(cls)]
        if unknown := sorted(set(options) - set(known)):
            raise InputError(
                f"network slimming must have keys among {', '.join(known)}; "
                f"received: {', '.join(unknown)}"
            )
        return cls(**options)

    def epochs(self, epochs: int) -> list[int]:
        """The epoch, 0 the first, at whose beginning each milestone is; `epochs` is the end."""
        step = (self.end - self.begin) / max(self.milestones - 1, 1)
        begin = self.begin if self.milestones > 1 else self.end
        return [math.ceil((begin + i * step) * epochs - 1e-6) for i in range(self.milestones)]

    def target(self, epoch: int, epochs: int, pixels: float = 1.0) -> float:
        """Share of the channels that are zero from the beginning of an epoch on.

        Args:
            epoch: 0 the first; `epochs` is the end.
            epochs: Of the training.
            pixels: Share of the pixels that data slimming leaves to an image, 0 to 1.
        """
        passed = sum(begin <= epoch for begin in self.epochs(epochs))
        risen = 1 - (1 - passed / self.milestones) ** _POWER
        return self.share * risen * (1 + self.coupling * (1 - pixels))
