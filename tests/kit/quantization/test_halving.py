"""Rates that stay powers of two."""

import pytest

from kit.errors import InputError
from kit.quantization import Halving


def test_halves_at_its_steps() -> None:
    rate = Halving(2.0**-4, [3, 5])
    found = [float(rate(step)) for step in range(7)]
    assert found == [0.0625] * 3 + [0.03125] * 2 + [0.015625] * 2
    assert Halving.from_config(rate.get_config()).get_config() == rate.get_config()


@pytest.mark.parametrize(
    ("initial", "steps", "message"),
    [
        (0.3, [1], "`initial` must be a power of two"),
        (0.5, [3, 2], r"`steps` must ascend .* received: \[3, 2\]"),
        (0.5, [0], "`steps` must ascend from 1"),
    ],
)
def test_wrong_halvings_are_named(initial: float, steps: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Halving(initial, steps)
