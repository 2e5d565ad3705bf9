"""When an exit counts a pixel as sure (MESS, arXiv 2106.03527)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from kit.errors import InputError
from kit.layers.confidence import MEASURES, Measure


@dataclass(frozen=True)
class ExitPolicy:
    """How an exit tells sure pixels; the share of them is its confidence in an image.

    `kit.layers.Confidence` computes that share. An image leaves at the exit if the share reaches
    the exit's image threshold, which is no part of the policy: it can be changed at run time.

    Args:
        measure: `"top1"`, the largest class probability, or `"entropy"`, 1 - H / log(classes).
        pixel_threshold: Measure from which a pixel counts as sure, in (0, 1).
        edge_aware: Whether pixels near the borders of predicted segments, where no network is
            sure, take the median of their neighbourhood.

    Raises:
        InputError: naming the argument.
    """

    measure: Measure = "top1"
    pixel_threshold: float = 0.5
    edge_aware: bool = False

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise InputError(
                f"`measure` must be {' or '.join(MEASURES)}; received: {self.measure!r}"
            )
        if not 0 < self.pixel_threshold < 1:
            raise InputError(
                f"`pixel_threshold` must be between 0 and 1; received: {self.pixel_threshold}"
            )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """A policy from what `to_dict` gave; a key that is left out takes its default.

        Raises:
            InputError: if a key is unknown or a value is out of range.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(content) - set(known)):
            raise InputError(
                f"a policy may have {', '.join(known)}; received: {', '.join(unknown)}"
            )
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """The policy as plain data."""
        return asdict(self)
