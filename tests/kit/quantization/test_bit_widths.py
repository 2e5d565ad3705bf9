"""Widths are checked where they are named."""

from typing import Any

import pytest

from kit.errors import InputError
from kit.quantization.bit_widths import BitWidths, parse_decay


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_bits": 0}, "`weight_bits` must be a whole number from 1 to 8; received: 0"),
        ({"activation_bits": 1}, "`activation_bits` must be a whole number from 2 to 8; re.*: 1"),
        ({"edge_bits": 9}, "`edge_bits` must be a whole number from 1 to 8; received: 9"),
        ({"weight_bits": 2.0}, r"`weight_bits` must be a whole number from 1 to 8; received: 2\.0"),
        ({"bits": 2}, "must be among activation_bits, edge_bits, weight_bits; received: bits"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BitWidths.parse(options)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "`bit_widths` must hold a pair or more; received: none"),
        ([8], r"`bit_widths` must be pairs \(weight_bits, activation_bits\); received: 8"),
        ([(2, 2), (2, 4)], "`bit_widths` must not rise; received: 2/2, then 2/4"),
        ([(8, 8), (1, 1)], "`activation_bits` must be"),
    ],
)
def test_wrong_decays_are_named(pairs: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_decay(pairs)


def test_what_is_eight_goes_without_saying() -> None:
    assert BitWidths().changed() == {}
    assert BitWidths(weight_bits=1, edge_bits=4).changed() == {"weight_bits": 1, "edge_bits": 4}
