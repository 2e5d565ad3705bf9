"""Two masks of one picture against each other."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mobile_export.runtime import Label, label_of

_MARK = np.array([236, 72, 153], np.float32)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the pixels on which two masks agree, 0-1.

    Args:
        first: uint8 array `(height, width)` of class ids.
        second: another of that size.
    """
    return float((first == second).mean())


def disagreement_map(image: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A picture in grey, with the pixels on which two masks differ in pink.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        first: uint8 array `(height, width)` of class ids.
        second: another of that size.

    Returns:
        uint8 array `(height, width, 3)`, RGB.
    """
    grey = image.mean(axis=2, keepdims=True) * 0.55 + 80
    differ = (first != second)[..., None]
    return np.where(differ, 0.15 * grey + 0.85 * _MARK, grey).clip(0, 255).astype(np.uint8)


def class_table(
    first: np.ndarray, second: np.ndarray, labels: Iterable[Label]
) -> list[dict[str, Any]]:
    """How far two masks agree on each class.

    Args:
        first: uint8 array `(height, width)` of class ids.
        second: another of that size.
        labels: classes with their names.

    Returns:
        A row for each class that one of them holds, largest first: `class`, its share of the pixels
        in both masks (`first`, `second`, 0-1), and `iou`, intersection over union (0-1).
    """
    named = tuple(labels)
    rows = []
    for class_id in np.union1d(first, second):
        own, other = first == class_id, second == class_id
        rows.append(
            {
                "class": label_of(int(class_id), named).name,
                "first": float(own.mean()),
                "second": float(other.mean()),
                "iou": float((own & other).sum() / (own | other).sum()),
            }
        )
    return sorted(rows, key=lambda row: -row["first"] - row["second"])
