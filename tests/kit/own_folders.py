"""Folders of one's own, as people bring them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[[np.ndarray, Path], None]


def rectangles(count: int, size: tuple[int, int] = (40, 48), classes: int = 3) -> list[np.ndarray]:
    """Label maps of ids, each class a block of columns; no two are alike."""
    height, width = size
    maps = []
    for number in range(count):
        columns = (np.arange(width) + number) * classes // width % classes
        maps.append(np.broadcast_to(columns, (height, width)).astype(np.uint8).copy())
    return maps


def write_own(
    folder: Path, labels: Sequence[np.ndarray], stems: Sequence[str] | None = None
) -> Path:
    """Write images whose colour follows the label map, and the label maps as they are."""
    for number, label in enumerate(labels):
        stem = stems[number] if stems else f"{number:03d}"
        for part in ("images", "labels"):
            (folder / part / stem).parent.mkdir(parents=True, exist_ok=True)
        plane = label if label.ndim == 2 else label[..., 0]
        tone = plane.astype(int) % 4
        image = np.stack([40 + 60 * tone, 240 - 50 * tone, 40 + 60 * tone], -1)
        image += np.random.default_rng(number).integers(0, 9, 3)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"{stem}.png")
        Image.fromarray(label).save(folder / "labels" / f"{stem}.png")
    return folder


def colored(label: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """A label map of ids as one of colours."""
    return np.array(colors, np.uint8)[label]
