"""One label map as its file holds it, whatever form that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from kit.data.images import open_whole
from kit.errors import InputError

Color = tuple[int, int, int]

MAX_COLORS = 254
"""Of one label map. More of them are a photograph, a JPEG or smoothed edges, and no classes."""


@dataclass(frozen=True)
class LabelScan:
    """What one label map holds.

    Args:
        path: Of the file.
        size: `(height, width)` in pixels.
        form: `"ids"`: one byte a pixel, as `FolderDataset` reads it; `"wide"`: ids, stored in
            another way (16 bits, or grey as RGB); `"colors"`: a colour a pixel.
        ids: Id to pixels, of `"ids"` and `"wide"`.
        colors: Colour to pixels, of `"colors"` and of palette images.
        places: Colour to the `(x, y)` of its first pixel, row by row, of `"colors"`.
        palette: Id to colour, of palette images those that occur.
    """

    path: Path
    size: tuple[int, int]
    form: str
    ids: dict[int, int] = field(default_factory=dict)
    colors: dict[Color, int] = field(default_factory=dict)
    places: dict[Color, tuple[int, int]] = field(default_factory=dict)
    palette: dict[int, Color] = field(default_factory=dict)


def scan_label(path: Path) -> LabelScan:
    """Read a label map of any form.

    Args:
        path: PNG file.

    Raises:
        InputError: the file is unreadable, of a form that holds no classes, or has more than
            `MAX_COLORS` colours.
    """
    image = open_whole(path, "a label map (PNG)")
    size = (image.height, image.width)
    if image.mode == "P":
        return _of_palette(path, image)
    if image.mode in ("1", "L", "I", "I;16", "I;16B", "LA"):
        values = id_array(image)
        form = "ids" if image.mode in ("1", "L") else "wide"
        return LabelScan(path, size, form, ids=_counts(values))
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(
            f"{path} must hold class ids (grey, palette) or class colours (RGB); got {image.mode}"
        )
    packed = packed_colors(image)
    found, first, counts = np.unique(packed, return_index=True, return_counts=True)
    if len(found) > MAX_COLORS:
        raise InputError(
            f"{path} must hold at most {MAX_COLORS} colours, one a class; got {len(found)} "
            "(a photograph, or edges that were smoothed or compressed)"
        )
    colors = [unpacked(int(value)) for value in found]
    by_color = dict(zip(colors, counts.tolist(), strict=True))
    if all(red == green == blue for red, green, blue in colors):
        return LabelScan(path, size, "wide", ids={c[0]: by_color[c] for c in colors})
    places = {
        color: (int(place) % image.width, int(place) // image.width)
        for color, place in zip(colors, first, strict=True)
    }
    return LabelScan(path, size, "colors", colors=by_color, places=places)


def id_array(image: Image.Image) -> np.ndarray:
    """Ids of a label map that holds ids, int64 `(height, width)`."""
    if image.mode == "1":
        return np.asarray(image).astype(np.int64)
    array = np.asarray(image).astype(np.int64)
    return array if array.ndim == 2 else array[..., 0]


def packed_colors(image: Image.Image) -> np.ndarray:
    """Colours of a label map as one number each, int64 `(height * width,)`; alpha is left out."""
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return ((rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]).ravel()


def unpacked(value: int) -> Color:
    """The colour that a number of `packed_colors` stands for."""
    return value >> 16, (value >> 8) & 255, value & 255


def _of_palette(path: Path, image: Image.Image) -> LabelScan:
    """An image whose bytes are ids, with a colour for each."""
    ids = _counts(np.asarray(image).astype(np.int64))
    stored = image.getpalette("RGB") or []
    padded = stored + [0] * (3 * 256 - len(stored))
    palette = {k: (padded[3 * k], padded[3 * k + 1], padded[3 * k + 2]) for k in ids}
    colors: dict[Color, int] = {}
    for number, count in ids.items():
        colors[palette[number]] = colors.get(palette[number], 0) + count
    return LabelScan(
        path, (image.height, image.width), "ids", ids=ids, colors=colors, palette=palette
    )


def _counts(values: np.ndarray) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return {int(value): int(count) for value, count in zip(found, counts, strict=True)}
