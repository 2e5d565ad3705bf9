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

KINDS = ("learned", "pixel_shuffle", "bilinear")
"""What may enlarge them: `HighResTail`, `PixelShuffleTail`, `BilinearTail`."""


@dataclass(frozen=True)
class TailConfig:
    """The make of a `Tail`.

    Args:
        scale: Height and width of its logits, divided by those that it takes in: 2, 4, 8 or 16.
        depthwise: Whether a learned one enlarges each class by itself, for many classes.
        kind: `"learned"` (J-Net's), or a control of it: `"pixel_shuffle"`, or `"bilinear"`, which
            has no parameters.

    Raises:
        InputError: naming the argument.
    """

    scale: int
    depthwise: bool = False
    kind: str = KINDS[0]

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise InputError(
                f"`scale` must be one of {', '.join(map(str, SCALES))}; received: {self.scale}"
            )
        if self.kind not in KINDS:
            raise InputError(f"`kind` must be one of {', '.join(KINDS)}; received: {self.kind!r}")
        if self.depthwise and self.kind != KINDS[0]:
            raise InputError(
                f"`depthwise` must be off unless `kind` is {KINDS[0]}; received: {self.kind!r}"
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
        if not {"scale"} <= set(content) <= {"scale", "depthwise", "kind"}:
            raise InputError(
                "`tail` must hold `scale`, and may hold `kind` and `depthwise`; "
                f"received: {', '.join(content) or 'nothing'}"
            )
        return cls(**content)

    @classmethod
    def between(
        cls, image_size: tuple[int, int], output_size: tuple[int, int], **make: Any
    ) -> Self:
        """What enlarges one size to another.

        Args:
            image_size: `(height, width)` of the logits that it takes in, pixels.
            output_size: `(height, width)` of those that it gives.
            **make: Other arguments of the class.

        Raises:
            InputError: if the sizes do not fit.
        """
        for scale in SCALES:
            if tuple(output_size) == tuple(scale * side for side in image_size):
                return cls(scale, **make)
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
