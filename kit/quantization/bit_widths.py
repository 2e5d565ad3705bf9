"""Widths of fake quantization."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from kit.errors import InputError
from kit.quantization.options import check_bits, check_known

_LEAST = {"weight_bits": 1, "activation_bits": 2, "edge_bits": 1}
MOST_BITS = 8


@dataclass(frozen=True)
class BitWidths:
    """How many bits the policy `qat` gives to what.

    Args:
        weight_bits: Of the kernels, 1–8; below 8 with a scale that fits few levels, see
            `kernel_codes`.
        activation_bits: Of what convolutions read, 2–8; below 8 in a range that is learned, see
            `LowBitActivation`. Whatever else passes between layers has 8 bits.
        edge_bits: What the convolution that sees the image, and those that give logits, have at
            least in their kernels and in what they read, 1–8; 8 is usual (arXiv 1902.08153).

    Raises:
        InputError: naming the option.
    """

    weight_bits: int = MOST_BITS
    activation_bits: int = MOST_BITS
    edge_bits: int = MOST_BITS

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            check_bits(name, getattr(self, name), least, MOST_BITS)

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Widths by name.

        Raises:
            InputError: naming one that there is not.
        """
        check_known("qat", options, _LEAST)
        return cls(**options)

    def changed(self) -> dict[str, int]:
        """Those that differ from 8, by name."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value != MOST_BITS
        }

    def __str__(self) -> str:
        return f"{self.weight_bits}/{self.activation_bits}"


def parse_decay(bit_widths: Iterable[Sequence[int]]) -> tuple[BitWidths, ...]:
    """The widths of each part of a training that lowers them.

    Args:
        bit_widths: Pairs of `weight_bits` and `activation_bits`, of which none rises.

    Raises:
        InputError: naming the pair.
    """
    parts = []
    for pair in bit_widths:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(
                f"`bit_widths` must be pairs (weight_bits, activation_bits); received: {pair!r}"
            )
        parts.append(BitWidths(*pair))
    if not parts:
        raise InputError("`bit_widths` must hold a pair or more; received: none")
    for before, after in pairwise(parts):
        if after.weight_bits > before.weight_bits or after.activation_bits > before.activation_bits:
            raise InputError(f"`bit_widths` must not rise; received: {before}, then {after}")
    return tuple(parts)
