"""Slimming: the mapping from projected complexity, by hand."""

from typing import Any

import numpy as np
import pytest

from kit.data.slimming import Slimming
from kit.errors import InputError

M = np.array([0.0, 0.2, 0.3, 0.7, 0.8, 1.0])


def test_sizes_by_hand() -> None:
    assert Slimming().sizes_of((192, 256)) == [(96, 128), (160, 192), (192, 256)]
    assert Slimming(sizes=2, smallest=0.25, multiple=8).sizes_of((64, 96)) == [(16, 24), (64, 96)]
    assert Slimming(sizes=1).sizes_of((64, 96)) == [(64, 96)]
    assert Slimming(smallest=0.1).sizes_of((32, 64))[0] == (32, 32)


def test_each_image_has_the_nearest_ratio() -> None:
    np.testing.assert_array_equal(Slimming().size_number(M), [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(Slimming(sizes=1).size_number(M), [0] * 6)


@pytest.mark.parametrize(
    ("options", "chances"),
    [
        ({"keep_floor": 0.0}, M),
        ({"keep_floor": 0.25}, [0.25, 0.25, 0.3, 0.7, 0.8, 1.0]),
        ({"drop": "random", "keep_floor": 0.0}, [0.5] * 6),
        ({"drop": "random", "keep_floor": 0.25}, [0.55] * 6),
        ({"drop": "below_mean", "drop_ratio": 0.4}, [0.6, 0.6, 0.6, 1, 1, 1]),
        ({"drop": "none"}, [1] * 6),
    ],
    ids=str,
)
def test_chances_to_be_kept(options: dict[str, Any], chances: Any) -> None:
    np.testing.assert_allclose(Slimming(**options).chances(M), chances)


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({"weight_floor": 0.0}, M),
        ({"weight_floor": 0.25}, [0.25, 0.25, 0.3, 0.7, 0.8, 1.0]),
        ({"weight": "unbiased"}, [4, 2, 2, 2, 1, 1]),
        ({"weight": "equal"}, [1] * 6),
    ],
    ids=str,
)
def test_weights(options: dict[str, Any], weights: Any) -> None:
    kept = np.array([0.25, 0.5, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(Slimming(**options).weights(M, kept), weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "entropy"}, "`measure` must be one of"),
        ({"measure": "loss"}, "`measure` loss must go with `projection` empirical and `scored` im"),
        ({"scored": "tile"}, "`scored` must be one of image, crop; got 'tile'"),
        ({"projection": "log"}, "`projection` must be one of"),
        ({"grouping": "quarters"}, "`grouping` must be one of image, k_means, thirds; got"),
        ({"drop": "loss"}, "`drop` must be one of"),
        ({"weight": "m"}, "`weight` must be one of"),
        ({"resampling": "cubic"}, "`resampling` must be one of"),
        ({"sizes": 0}, "`sizes` must be 1 or more; got 0"),
        ({"multiple": 0}, "`multiple` must be 1 or more; got 0"),
        ({"smallest": 0.0}, "`smallest` must be above 0 and up to 1; got 0.0"),
        ({"smallest": 1.1}, "`smallest` must be above 0 and up to 1; got 1.1"),
        ({"keep_floor": -0.1}, "`keep_floor` must be from 0 to 1; got -0.1"),
        ({"weight_floor": 2}, "`weight_floor` must be from 0 to 1; got 2"),
        ({"drop_ratio": 1.0}, "`drop_ratio` must be from 0 to below 1; got 1.0"),
        ({"full_at_end": 1.0}, "`full_at_end` must be from 0 to below 1; got 1.0"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Slimming(**options)
    assert message in str(error.value)


def test_a_crop_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(InputError, match=r"multiples of `multiple`, 32; got \(64, 100\)"):
        Slimming().sizes_of((64, 100))
