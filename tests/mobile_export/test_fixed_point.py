"""Integer arithmetic against exact fractions and against the real functions."""

from fractions import Fraction

import numpy as np
import pytest

from mobile_export.fixed_point import (
    Multiplier,
    divided,
    exponential,
    shifted,
    shifted_up,
    softmax,
    softmax_table,
)
from tests.mobile_export.integers import Integers

RNG = np.random.default_rng(0)
TIES = np.arange(-9, 10, dtype=np.int64)  # halves, quarters


def away_from_zero(value: Fraction) -> int:
    whole = int(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def test_ties_are_rounded_away_from_zero_or_upwards() -> None:
    assert shifted(TIES, 1).tolist() == [away_from_zero(Fraction(int(v), 2)) for v in TIES]
    assert shifted(TIES, 2).tolist() == [away_from_zero(Fraction(int(v), 4)) for v in TIES]
    assert shifted_up(TIES, 1).tolist() == [(int(v) + 1) // 2 for v in TIES]
    assert shifted_up(TIES, 2).tolist() == [(int(v) + 2) // 4 for v in TIES]
    assert shifted(TIES, 0).tolist() == shifted_up(TIES, 0).tolist() == TIES.tolist()


def test_division_leaves_the_fraction_out() -> None:
    assert divided(TIES, 4).tolist() == [int(int(v) / 4) for v in TIES]


def test_a_multiplier_is_the_factor_to_31_bits() -> None:
    for factor in (1e-9, 0.0037, 0.5, 1.0, 1.7, 300.0):
        multiplier = Multiplier.of(factor)
        found = Fraction(int(multiplier.significand), 2**31) * Fraction(2) ** int(multiplier.shift)
        assert abs(found / Fraction(factor) - 1) <= Fraction(1, 2**31)
        assert 2**30 <= int(multiplier.significand) < 2**31


def test_a_factor_just_below_a_power_of_two_is_the_power() -> None:
    multiplier = Multiplier.of(1 - 2.0**-40)
    assert (int(multiplier.significand), int(multiplier.shift)) == (2**30, 1)


def test_a_factor_that_shifts_cannot_hold_is_zero() -> None:
    assert Multiplier.of(2.0**-40)(np.asarray([2**30])).tolist() == [0]


def test_products_are_rounded_twice() -> None:
    """As gemmlowp defines it, on Python's whole numbers: the upper half, then the shift."""
    factors = RNG.uniform(1e-4, 2.5, 50)
    multiplier = Multiplier.of(factors)
    values = RNG.integers(-(2**20), 2**20, (200, 50))
    expected = [
        [
            away_from_zero(
                Fraction((int(v) * 2 ** max(shift, 0) * m + 2**30) // 2**31, 2 ** max(-shift, 0))
            )
            for v, m, shift in zip(
                row, multiplier.significand.tolist(), multiplier.shift.tolist(), strict=True
            )
        ]
        for row in values
    ]
    np.testing.assert_array_equal(multiplier(values), expected)
    assert np.abs(multiplier(values) - values * factors).max() <= 1


def test_an_exponential_is_the_real_one() -> None:
    steps = np.concatenate([np.arange(-300, 1), RNG.integers(-(2**31), 0, 2000)]).astype(np.int64)
    steps[:300] *= 2**20
    found = np.asarray(exponential(Integers.of(steps))) / 2**31
    np.testing.assert_allclose(found, np.exp(steps / 2**26), atol=3e-7)  # that of the expansion


@pytest.mark.parametrize("scale", [0.004, 0.05, 0.4])
@pytest.mark.parametrize("classes", [2, 11, 200])
def test_shares_are_those_of_the_real_softmax(scale: float, classes: int) -> None:
    table = softmax_table(Multiplier.of(scale * 2**26))
    distances = RNG.integers(0, 256, (300, classes))
    distances[:, 0] = 0
    exact = np.exp(-scale * distances)
    found = np.asarray(softmax(Integers.of(table[distances]))) / 256
    np.testing.assert_allclose(found, exact / exact.sum(-1, keepdims=True), atol=0.51 / 256)


def test_the_guard_sees_floats() -> None:
    array = Integers.of(range(4))
    for calculate in (lambda: array * 0.5, lambda: array / 2, lambda: np.mean(array)):
        with pytest.raises(AssertionError):
            calculate()
