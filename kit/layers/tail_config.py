"""What a high-resolution tail is made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kit.errors import InputError

SCALES = (2, 4, 8, 16)
"""By how much a tail can enlarge logits."""


@dataclass(frozen=True)
class TailConfig:
    """The make of a `HighResTail`.

    Args:
        scale: Height and width of its logits, divided by those that it takes in: 2, 4, 8 or 16.
        depthwise: Whether each class is enlarged by itself, for many classes.

    Raises:
        InputError: naming the argument.
    """

    scale: int
    depthwise: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise InputError(
                f"`scale` must be one of {', '.join(map(str, SCALES))}; received: {self.scale}"
            )

    @classmethod
    def parse(cls, value: TailConfig | Mapping[str, Any]) -> Self:
        """A configuration, or what `to_dict` gave.

        Raises:
            InputError: if keys are missing or unknown.
        """
        if isinstance(value, cls):
            return value
        content: dict[str, Any] = dict(value)  # type: ignore[arg-type]
        if not {"scale"} <= set(content) <= {"scale", "depthwise"}:
            raise InputError(
                "`tail` must hold `scale`, and may hold `depthwise`; "
                f"received: {', '.join(content) or 'nothing'}"
            )
        return cls(**content)

    @classmethod
    def between(
        cls, image_size: tuple[int, int], output_size: tuple[int, int], *, depthwise: bool = False
    ) -> Self:
        """What enlarges one size to another.

        Args:
            image_size: `(height, width)` of the logits that it takes in, pixels.
            output_size: `(height, width)` of those that it gives.
            depthwise: As of the class.

        Raises:
            InputError: if the sizes do not fit.
        """
        for scale in SCALES:
            if tuple(output_size) == tuple(scale * side for side in image_size):
                return cls(scale, depthwise)
        raise InputError(
            f"`output_size` must be {', '.join(map(str, SCALES[:-1]))} or {SCALES[-1]} times the "
            f"images' {tuple(image_size)}; received: {tuple(output_size)}"
        )

    @property
    def levels(self) -> int:
        """How often the logits are doubled."""
        return int(math.log2(self.scale))

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain data."""
        return dataclasses.asdict(self)
