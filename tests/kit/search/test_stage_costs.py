"""Costs of running exits in turn, by hand."""

from typing import Any

import numpy as np
import pytest

from kit.errors import InputError
from kit.search import StageCosts

TRUNK, HEADS = [1.0, 2.0, 8.0], [0.5, 4.0, 0.25]
POLICIES = [[0.0, 0.125], [1.0, 16.0]]


@pytest.mark.parametrize(
    ("kind", "policies", "expected"),
    [
        ("sum", None, [1.5, 7.5, 15.75]),
        ("sum", [1, 0], [1.625, 8.625, 16.875]),
        ("max", None, [1.0, 4.0, 8.0]),
        ("max", [1, 1], [1.0, 16.0, 16.0]),
    ],
)
def test_exits_in_turn(kind: Any, policies: list[int] | None, expected: list[float]) -> None:
    costs = StageCosts(TRUNK, HEADS, kind=kind, policies=POLICIES)
    rows = None if policies is None else np.array([policies] * 2)
    paid = costs.running(np.array([[0, 1, 2]] * 2), np.array([[0, 1, 2]] * 2), rows)
    np.testing.assert_array_equal(paid, [expected] * 2)


def test_policies_cost_nothing_unless_they_are_given() -> None:
    exits = np.array([[1, 2]])
    paid = StageCosts(TRUNK, HEADS).running(exits, exits, np.array([[1]]))
    np.testing.assert_array_equal(paid, [[7.0, 15.25]])


def test_heads_are_left_as_they_were() -> None:
    costs = StageCosts(TRUNK, HEADS, policies=POLICIES)
    for _ in range(2):
        costs.running(np.array([[0, 2]]), np.array([[0, 2]]), np.array([[1]]))
    np.testing.assert_array_equal(costs.heads, HEADS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": [[1.0]]}, "`trunk` must have 1 axes"),
        ({"heads": []}, "`heads` must have 1 axes"),
        ({"policies": [1.0]}, "`policies` must have 2 axes"),
        ({"trunk": [1.0, -1.0]}, "`trunk` must be finite and 0 or more"),
        ({"heads": [np.nan]}, "`heads` must be finite and 0 or more"),
        ({"heads": [np.inf]}, "`heads` must be finite and 0 or more"),
        ({"kind": "mean"}, "`kind` must be sum or max; received: 'mean'"),
    ],
)
def test_wrong_costs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StageCosts(**{"trunk": TRUNK, "heads": HEADS, **changes})
