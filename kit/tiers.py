"""Tiers: the operating points of one network, and the only grammar of their names.

A *configuration* chooses one branch for every PTA block (arXiv 2301.06358), an *exit* a
segmentation head at some depth, an *input size* the resolution that the network reads. Their
product is a *tier*:

    <configuration>[_<height>x<width>][_exit<k>]          light, heavy_exit2, light_176x240_exit1

A configuration's name is a preset's name, or the vector itself, one letter a block (see
`BRANCHES`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit.errors import InputError

BRANCHES: Mapping[str, str] = {
    "s": "skip",
    "l": "light",
    "h": "heavy",
    "b": "both",
    "o": "once",
}
"""Letters of a vector and the branch that each one selects."""

_LETTERS = {branch: letter for letter, branch in BRANCHES.items()}
_TIER = re.compile(
    r"(?P<configuration>[a-z][a-z0-9]*)"
    r"(?:_(?P<height>[1-9]\d*)x(?P<width>[1-9]\d*))?"
    r"(?:_exit(?P<exit>[1-9]\d*))?"
)


@dataclass(frozen=True)
class Tier:
    """One operating point a user can choose: configuration × exit × input size.

    Args:
        configuration: Name of the configuration, lower-case letters and digits.
        exit: 1 for the shallowest early exit; `None` for the final one.
        input_size: `(height, width)` in pixels; `None` for the network's native size.

    Raises:
        InputError: if `configuration` does not fit the grammar.
    """

    configuration: str
    exit: int | None = None
    input_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if _TIER.fullmatch(self.name) is None or "_" in self.configuration:
            raise InputError(
                "a tier is named `<configuration>[_<height>x<width>][_exit<k>]` in lower case; "
                f"received: {self.name!r}"
            )

    @classmethod
    def parse(cls, name: str | Tier) -> Tier:
        """The tier that `name` names; a `Tier` is returned as it is."""
        if isinstance(name, Tier):
            return name
        match = _TIER.fullmatch(name)
        if match is None:
            raise InputError(
                "a tier is named `<configuration>[_<height>x<width>][_exit<k>]` in lower case; "
                f"received: {name!r}"
            )
        height, width, exit_ = match["height"], match["width"], match["exit"]
        return cls(
            match["configuration"],
            exit=int(exit_) if exit_ else None,
            input_size=(int(height), int(width)) if height else None,
        )

    @property
    def final(self) -> Tier:
        """The final exit of the same configuration and input size."""
        return Tier(self.configuration, input_size=self.input_size)

    @property
    def native(self) -> Tier:
        """The same configuration and exit at the network's native size."""
        return Tier(self.configuration, self.exit)

    @property
    def _base(self) -> str:
        size = "_{}x{}".format(*self.input_size) if self.input_size else ""
        return f"{self.configuration}{size}"

    @property
    def name(self) -> str:
        """The tier's name, which is also its signature's."""
        return self._base + ("" if self.exit is None else f"_exit{self.exit}")

    def stage_name(self, stage: int) -> str:
        """Name of the signature that runs stage `stage` (1 is the first) of this configuration."""
        return f"{self._base}_stage{stage}"

    def __str__(self) -> str:
        return self.name


def vector_name(branches: Sequence[str]) -> str:
    """Branches to letters: `("heavy", "light")` becomes `"hl"`."""
    return "".join(_LETTERS[branch] for branch in branches)


def parse_vector(
    vector: str | Sequence[str], allowed: Sequence[Sequence[str]], presets: Mapping[str, str]
) -> tuple[str, ...]:
    """Check a configuration against the blocks of a network.

    Args:
        vector: A preset's name, one letter a block, or the branches' names in the blocks' order.
        allowed: For each block, the branches that it has.
        presets: Name to letters.

    Returns:
        The branch of every block.

    Raises:
        InputError: naming the presets, the expected length, or the block and its branches.
    """
    letters = presets.get(vector, vector) if isinstance(vector, str) else vector
    branches = [BRANCHES.get(item, item) for item in letters]
    known = f"one of the presets {', '.join(presets)}" if presets else "a vector"
    if len(branches) != len(allowed) or not set(branches) <= set(_LETTERS):
        raise InputError(
            f"`configuration` must be {known}, or {len(allowed)} branches, one a block, as letters "
            f"({', '.join(f'{k} = {v}' for k, v in BRANCHES.items())}); received: {vector!r}"
        )
    for index, (branch, choices) in enumerate(zip(branches, allowed, strict=True)):
        if branch not in choices:
            raise InputError(
                f"block {index + 1} of the configuration must be one of {', '.join(choices)}; "
                f"received: {branch!r} in {vector!r}"
            )
    return tuple(branches)
