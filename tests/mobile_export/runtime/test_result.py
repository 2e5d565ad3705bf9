"""What a result says of its mask."""

import numpy as np
import pytest

from mobile_export.runtime import Result


def test_shares_come_largest_first_and_sum_to_one() -> None:
    mask = np.array([[4, 4, 4, 0], [255, 0, 4, 4]], np.uint8)
    shares = Result(mask, 0.5, "light", 1.0, 2.0).shares()
    assert list(shares.items()) == [(4, 5 / 8), (0, 2 / 8), (255, 1 / 8)]
    assert sum(shares.values()) == pytest.approx(1)


def test_a_one_shot_result_has_no_steps() -> None:
    assert Result(np.zeros((2, 2), np.uint8), 0.5, "light", 1.0, 2.0).steps == ()
