"""The choices that nothing else beats in every respect."""

from __future__ import annotations

import numpy as np

from kit.errors import InputError

_BLOCK = 256


def pareto_front(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Indices of the points that no other point beats: as cheap or cheaper, and worth as much.

    Args:
        costs: `(n,)`, lower is better.
        values: `(n,)`, higher is better.

    Returns:
        int64 `(k,)`, from the cheapest to the dearest; costs and values both rise strictly along
        them. Of equal points the first stands for all. Empty for no points.

    Raises:
        InputError: if the arrays differ in shape, are not flat, or hold a NaN.
    """
    costs, values = np.asarray(costs), np.asarray(values)
    if costs.ndim != 1 or costs.shape != values.shape:
        raise InputError(
            "`costs` and `values` must be flat and of one length; "
            f"received: {costs.shape}, {values.shape}"
        )
    for name, array in (("costs", costs), ("values", values)):
        if np.isnan(array).any():
            raise InputError(f"`{name}` must hold no NaN; received {np.isnan(array).sum()} of them")
    if not costs.size:
        return np.zeros(0, np.int64)
    order = np.lexsort((-values, costs))
    ranked = values[order]
    better = ranked[1:] > np.maximum.accumulate(ranked)[:-1]
    return order[np.concatenate([[True], better])]


def undominated(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`pareto_front` for several costs: indices of the points that no other beats in all of them.

    Args:
        costs: `(n, k)`, lower is better.
        values: `(n,)`, higher is better.

    Returns:
        int64 `(m,)`, in no particular order. Of equal points the first stands for all.
    """
    if costs.shape[1] == 1:
        return pareto_front(costs[:, 0], values)
    # What beats a point comes before it in this order, so that one pass is enough.
    order = np.lexsort((*costs.T, -values))
    kept = np.zeros(0, np.int64)
    for block in np.array_split(order, max(1, len(order) // _BLOCK)):
        left = block[~_reached(costs[block], costs[kept]).any(1)]
        among = _reached(costs[left], costs[left])
        left = left[~np.tril(among, -1).any(1)]
        kept = np.concatenate([kept, left])
    return kept


def _reached(costs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bool `(points, others)`: whether each of the others is as cheap in every cost."""
    reached = np.ones((len(costs), len(others)), bool)
    for own, other in zip(costs.T, others.T, strict=True):
        reached &= other <= own[:, None]
    return reached
