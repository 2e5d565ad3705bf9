"""The Pareto front against comparing every pair."""

import numpy as np
import pytest

from kit.errors import InputError
from kit.search.pareto import pareto_front, undominated


def by_pairs(costs: np.ndarray, values: np.ndarray) -> set[int]:
    """Indices of points that no other beats; of equal points the first. Costs are `(n, k)`."""
    kept = set()
    for i in range(len(values)):
        beaten = False
        for j in range(len(values)):
            as_good = (costs[j] <= costs[i]).all() and values[j] >= values[i]
            equal = (costs[j] == costs[i]).all() and values[j] == values[i]
            beaten |= bool(as_good and (not equal or j < i))
        if not beaten:
            kept.add(i)
    return kept


def test_front_by_hand() -> None:
    costs = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 1.0, 4.0])
    values = np.array([0.6, 0.2, 0.5, 0.5, 0.6, 0.1, 0.9])
    assert pareto_front(costs, values).tolist() == [1, 2, 0, 6]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [4, 1000])  # few levels: many equal points
def test_front_is_that_of_all_pairs_and_rises(seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    costs, values = random.integers(0, levels, (2, 60)).astype(float)
    front = pareto_front(costs, values)
    assert set(front.tolist()) == by_pairs(costs[:, None], values)
    assert (np.diff(costs[front]) > 0).all()
    assert (np.diff(values[front]) > 0).all()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("levels", [4, 1000])
def test_several_costs(monkeypatch: pytest.MonkeyPatch, number: int, levels: int) -> None:
    monkeypatch.setattr("kit.search.pareto._BLOCK", 16)
    random = np.random.default_rng(number)
    costs = random.integers(0, levels, (90, number)).astype(float)
    values = random.integers(0, levels, 90).astype(float)
    kept = undominated(costs, values).tolist()
    assert len(kept) == len(set(kept))
    assert set(kept) == by_pairs(costs, values)


def test_no_points_have_no_front() -> None:
    assert pareto_front(np.zeros(0), np.zeros(0)).tolist() == []


@pytest.mark.parametrize(
    ("costs", "values", "message"),
    [
        ([1.0, 2.0], [1.0], r"of one length; received: \(2,\), \(1,\)"),
        ([[1.0]], [[1.0]], "must be flat"),
        ([1.0, np.nan], [1.0, 2.0], "`costs` must hold no NaN; received 1"),
        ([1.0, 2.0], [np.nan, np.nan], "`values` must hold no NaN; received 2"),
    ],
)
def test_wrong_points_are_refused(costs: list, values: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pareto_front(np.array(costs), np.array(values))
