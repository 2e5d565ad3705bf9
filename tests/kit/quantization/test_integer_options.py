"""Options of integer training: what the paper says, what may be otherwise, what there is not."""

from typing import Any

import pytest

from kit.errors import InputError
from kit.quantization import IntegerOptions


def test_the_defaults_are_the_papers_table() -> None:
    bits = {key: value for key, value in vars(IntegerOptions()).items() if key.endswith("_bits")}
    assert bits == {
        "weight_bits": 8,
        "activation_bits": 8,
        "error_bits": 8,
        "norm_error_bits": 16,
        "gradient_bits": 8,
        "update_bits": 24,
        "statistics_bits": 16,
        "affine_bits": 8,
        "normed_bits": 16,
    }
    assert IntegerOptions().changed() == {}


@pytest.mark.parametrize(
    "options",
    [
        {"norm_error_bits": 8},
        {"magnitude": "discard"},
        {"strict": False, "normed_bits": 8, "power_of_two": True, "float_first_last": True},
    ],
)
def test_what_was_changed_makes_the_same_options_again(options: dict[str, Any]) -> None:
    made = IntegerOptions.parse(options)
    assert made.changed() == options
    assert IntegerOptions.parse(made.changed()) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_bits": 1}, "`weight_bits` must be a whole number from 2 to 8; received: 1"),
        ({"weight_bits": 9}, "`weight_bits` must be a whole number from 2 to 8; received: 9"),
        ({"activation_bits": 4.0}, r"`activation_bits` .* received: 4\.0"),
        ({"update_bits": 32}, "`update_bits` must be a whole number from 2 to 24; received: 32"),
        ({"magnitude": "halve"}, "`magnitude` must be auto, keep or discard; received: 'halve'"),
        ({"normed_bits": 8}, "`normed_bits` must be 16 unless `strict` is False; received: 8"),
        ({"fitted_spans": True}, "`fitted_spans` must be False unless `strict` is False"),
        ({"bits": 8}, "options of the policy `integer` must be among .*; received: bits"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        IntegerOptions.parse(options)
