"""Groups of a mini-batch, by hand."""

import numpy as np
import pytest

from kit.data.grouping import k_means, thirds


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([0.9, 0.1, 0.5, 0.15, 0.52, 0.95], [2, 0, 1, 0, 1, 2]),
        ([0.0, 0.1, 0.9, 1.0], [0, 0, 1, 1]),  # nothing in the middle: two groups
        ([0.0, 0.3, 0.4, 1.0], [0, 1, 1, 2]),
        ([0.4, 0.4, 0.4], [0, 0, 0]),
        ([0.7], [0]),
        ([0.2, 0.8], [0, 1]),
    ],
    ids=str,
)
def test_k_means(values: list[float], groups: list[int]) -> None:
    np.testing.assert_array_equal(k_means(np.array(values)), groups)


def test_k_means_ends_where_each_is_nearest_to_its_own_mean() -> None:
    values = np.random.default_rng(0).random(100)
    groups = k_means(values)
    means = np.array([values[groups == group].mean() for group in range(3)])
    assert list(means) == sorted(means)
    np.testing.assert_array_equal(np.abs(values[:, None] - means).argmin(axis=1), groups)


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([6, 1, 5, 2, 4, 3], [2, 0, 2, 0, 1, 1]),
        ([3, 2, 1, 0], [2, 1, 0, 0]),
        ([5, 5, 5], [0, 1, 2]),
        ([8], [0]),
    ],
    ids=str,
)
def test_thirds(values: list[int], groups: list[int]) -> None:
    np.testing.assert_array_equal(thirds(np.array(values)), groups)
