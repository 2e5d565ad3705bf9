"""What a segmentation head at an exit is made of, and the grammar of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kit.errors import InputError

_NAME = re.compile(r"(?P<head>fcn|deeplab)(?:-r(?P<r>[1-9]\d*))?(?:-b(?P<b>\d)(?P<d>d?))?")
_GRAMMAR = (
    "a head is named `fcn` or `deeplab`, then `-r<2|4|8>` for a channel reduction, then "
    "`-b<1..3>` for extra blocks, with a `d` behind for rapid dilation increase (fcn-r2-b1d)"
)


@dataclass(frozen=True)
class HeadConfig:
    """One point of MESS's search space of exit heads (arXiv 2106.03527).

    Args:
        head: `"fcn"` or `"deeplab"`.
        reduction: The channels that enter the head are divided by it: 1 (off), 2, 4 or 8.
        blocks: Extra trainable blocks in front of the head, 0–3.
        dilate: Rapid dilation increase: the blocks dilate by 2, 4, 8 instead of 1. Without blocks
            it would mean nothing and must be off.

    Raises:
        InputError: naming the argument.
    """

    head: Literal["fcn", "deeplab"] = "fcn"
    reduction: int = 1
    blocks: int = 0
    dilate: bool = False

    def __post_init__(self) -> None:
        if self.head not in ("fcn", "deeplab"):
            raise InputError(f"`head` must be fcn or deeplab; received: {self.head!r}")
        if self.reduction not in (1, 2, 4, 8):
            raise InputError(f"`reduction` must be 1, 2, 4 or 8; received: {self.reduction}")
        if not 0 <= self.blocks <= 3:
            raise InputError(f"`blocks` must be 0 to 3; received: {self.blocks}")
        if self.dilate and not self.blocks:
            raise InputError("`dilate` needs one block or more; received: 0 blocks")

    @classmethod
    def parse(cls, name: str | HeadConfig) -> HeadConfig:
        """The head that `name` names; a `HeadConfig` is returned as it is.

        Raises:
            InputError: if the name does not fit the grammar.
        """
        if isinstance(name, HeadConfig):
            return name
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{_GRAMMAR}; received: {name!r}")
        return cls(
            "fcn" if match["head"] == "fcn" else "deeplab",
            reduction=int(match["r"] or 1),
            blocks=int(match["b"] or 0),
            dilate=bool(match["d"]),
        )

    @classmethod
    def search_space(cls) -> tuple[HeadConfig, ...]:
        """Every head: both kinds × reductions 1, 2, 4 × (no block, or 1–3 blocks × dilation)."""
        blocks = [(0, False), *((count, dilate) for count in (1, 2, 3) for dilate in (False, True))]
        return tuple(
            cls(head, reduction, count, dilate)
            for head in ("fcn", "deeplab")
            for reduction in (1, 2, 4)
            for count, dilate in blocks
        )

    @property
    def name(self) -> str:
        """The shortest name that `parse` reads."""
        reduction = f"-r{self.reduction}" if self.reduction > 1 else ""
        blocks = f"-b{self.blocks}{'d' * self.dilate}" if self.blocks else ""
        return f"{self.head}{reduction}{blocks}"

    def __str__(self) -> str:
        return self.name
