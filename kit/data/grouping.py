"""Groups of alike images within a mini-batch, by one number an image."""

import numpy as np

_ITERATIONS = 30


def k_means(values: np.ndarray, clusters: int = 3) -> np.ndarray:
    """Clusters numbers, from centres spread evenly over their range.

    Where a cluster ends empty, there is one cluster fewer, as in arXiv 2107.07706.

    Args:
        values: `(n,)`, n of 1 or more.
        clusters: 1 or more, at most so many.

    Returns:
        int `(n,)`: the group of each value, 0 the lowest.
    """
    for count in range(clusters, 1, -1):
        centres = np.linspace(values.min(), values.max(), count)
        for _ in range(_ITERATIONS):
            groups = np.abs(values[:, None] - centres).argmin(axis=1)
            sizes = np.bincount(groups, minlength=count)
            if not sizes.all():
                break
            moved = np.bincount(groups, values, minlength=count) / sizes
            if (moved == centres).all():
                break
            centres = moved
        if sizes.all():
            return groups
    return np.zeros(len(values), int)


def thirds(values: np.ndarray) -> np.ndarray:
    """Sorts numbers and cuts them in three; arguments and result as of `k_means`."""
    ranks = np.empty(len(values), int)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return 3 * ranks // len(values)
