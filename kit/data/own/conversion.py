"""Label maps of another form, written anew as one byte a pixel."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from kit.data.folder import parse_classes, read_toml
from kit.data.images import open_whole
from kit.data.labels import VOID, LabelClass
from kit.data.own.colors import distinct_colors
from kit.data.own.label_scan import Color, LabelScan, id_array, packed_colors, unpacked
from kit.data.own.survey import Survey
from kit.errors import InputError

VOID_COLOR = "void_color"
"""Key of `classes.toml`, read here alone: `[red, green, blue]` of pixels that become void."""


@dataclass(frozen=True)
class Conversion:
    """How what label maps hold becomes ids.

    Args:
        classes: In the order of the new ids.
        ids: What a pixel holds, an old id or a colour, to its new id; 255 for void.
        is_by_color: Whether colours become ids, or ids other ids.
    """

    classes: tuple[LabelClass, ...]
    ids: dict[int, int] | dict[Color, int]
    is_by_color: bool

    @classmethod
    def of_colors(cls, survey: Survey, table: Path | None) -> Conversion:
        """Colours to ids: those of a table, or all that occur, in their order.

        Args:
            survey: Of coloured or palette label maps.
            table: A `classes.toml` whose `color` each class has in the label maps; it may hold
                `void_color` too. None takes every colour for a class.

        Raises:
            InputError: the table is wrong, or a label map holds a colour that it does not list.
        """
        if table is None:
            found: set[Color] = set()
            for scan in survey.scans.values():
                found |= set(scan.colors)
            if len(found) > VOID:
                raise InputError(
                    f"{survey.folder / 'labels'} must hold at most {VOID} colours in all, one a "
                    f"class; got {len(found)} (edges that were smoothed?)"
                )
            classes = [LabelClass(f"class {k}", color) for k, color in enumerate(sorted(found))]
            return cls(tuple(classes), {item.color: k for k, item in enumerate(classes)}, True)
        content = read_toml(table)
        listed, _ = parse_classes(table, content)
        ids = {item.color: number for number, item in enumerate(listed)}
        if len(ids) < len(listed):
            raise InputError(f"{table}: each class must have a `color` of its own; got one twice")
        if VOID_COLOR in content:
            ids[_void_color(table, content[VOID_COLOR])] = VOID
        check_colors(survey.scans.values(), ids, table)
        return cls(listed, ids, True)

    @classmethod
    def of_ids(cls, survey: Survey) -> Conversion:
        """Ids to ids without a gap, called by the old ones.

        255 stays void, unless there is but one other id: then the two are a class each.
        """
        values = list(survey.pixels)
        kept = [value for value in values if value != VOID]
        if len(kept) < 2:
            kept = values
        colors = distinct_colors(len(kept))
        classes = tuple(
            LabelClass(f"class {value}", color) for value, color in zip(kept, colors, strict=True)
        )
        return cls(classes, {VOID: VOID, **{v: k for k, v in enumerate(kept)}}, False)

    def write(self, survey: Survey, root: Path) -> None:
        """Write images (copied) and label maps (converted) of all pairs below a new folder."""
        for stem, scan in tqdm(
            survey.scans.items(), "convert", unit="image", delay=2, disable=None
        ):
            name = f"{stem}{survey.suffixes[stem]}"
            for part in ("images", "labels"):
                (root / part / stem).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(survey.folder / "images" / name, root / "images" / name)
            self.converted(scan).save(root / "labels" / f"{stem}.png")

    def converted(self, scan: LabelScan) -> Image.Image:
        """One label map as ids, with the colours of the classes for a palette."""
        image = open_whole(scan.path, "a label map (PNG)")
        values = packed_colors(image) if self.is_by_color else id_array(image).ravel()
        found, places = np.unique(values, return_inverse=True)
        known: dict = dict(self.ids)
        new = [known[unpacked(int(v)) if self.is_by_color else int(v)] for v in found]
        label = Image.fromarray(np.array(new, np.uint8)[places].reshape(scan.size))
        palette = [part for item in self.classes for part in item.color]
        label.putpalette(palette + [0] * (3 * 256 - len(palette)))
        return label


def check_colors(scans: Iterable[LabelScan], known: dict[Color, int], table: Path) -> None:
    """Refuse a colour that a table does not list.

    Raises:
        InputError: it names the label map, the pixel and the colour.
    """
    for scan in scans:
        for color in scan.colors:
            if color not in known:
                where = ""
                if color in scan.places:
                    x, y = scan.places[color]
                    where = f" at pixel x={x}, y={y}"
                raise InputError(
                    f"{scan.path} must hold the colours of {table} (or its `{VOID_COLOR}`); "
                    f"got {list(color)}{where}"
                )


def _void_color(table: Path, value: object) -> Color:
    if isinstance(value, list) and len(value) == 3 and all(v in range(256) for v in value):
        return value[0], value[1], value[2]
    raise InputError(f"{table}: `{VOID_COLOR}` must be [red, green, blue], 0-255; got {value!r}")
