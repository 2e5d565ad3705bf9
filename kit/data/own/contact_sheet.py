"""Some images with their label maps painted over them: a wrong id is seen at once."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kit.data.images import read_image
from kit.data.labels import VOID
from kit.data.own.class_table import ClassTable
from kit.data.own.survey import Survey

IMAGES = 12

_CELL = (168, 224)  # height, width of one picture
_GAP, _TEXT = 8, 13
_COLUMNS = 3  # pairs beside each other
_WIDTH = _COLUMNS * (2 * _CELL[1] + 2 * _GAP) + _GAP
_INK, _PAPER, _VOID_INK = (32, 33, 36), (255, 255, 255), (255, 0, 255)


def contact_sheet(survey: Survey, table: ClassTable) -> Image.Image:
    """Draw up to `IMAGES` images, each beside itself with its label map, over a legend.

    Images are chosen so that every class is shown, if they can; void is magenta.

    Args:
        survey: Of a folder without faults.
        table: Its classes.

    Returns:
        RGB image.
    """
    stems = choose_images(survey)
    font = ImageFont.load_default(_TEXT)
    rows = -(-len(stems) // _COLUMNS)
    line = _TEXT + _GAP
    entries = _entries(table)
    per_row = max(_WIDTH // (2 * _CELL[1] // 2 + _GAP), 1)
    legend = line * (-(-len(entries) // per_row)) + _GAP
    height = rows * (_CELL[0] + line + _GAP) + _GAP + legend
    sheet = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, stem in enumerate(stems):
        left = _GAP + place % _COLUMNS * (2 * _CELL[1] + 2 * _GAP)
        top = _GAP + place // _COLUMNS * (_CELL[0] + line + _GAP)
        image, painted = _pair(survey, table, stem)
        sheet.paste(image, (left, top + line))
        sheet.paste(painted, (left + _CELL[1] + 2, top + line))
        draw.text((left, top), stem[-60:], _INK, font)
    top = height - legend
    step = _WIDTH // per_row
    for place, (color, text) in enumerate(entries):
        left, at = _GAP + place % per_row * step, top + place // per_row * line
        draw.rectangle((left, at, left + 2 * _TEXT, at + _TEXT), color, _INK)
        draw.text((left + 2 * _TEXT + 6, at - 1), text[:34], _INK, font)
    return sheet


def choose_images(survey: Survey) -> list[str]:
    """Names of images that together show every class, if they can, rarest classes first."""
    chosen: list[str] = []
    counts = survey.images_with
    shown: set[int] = set()
    for number in sorted(counts, key=lambda n: (counts[n], n)):
        if number in shown or len(chosen) == IMAGES:
            continue
        of_class = [stem for stem, scan in survey.scans.items() if number in scan.ids]
        best = max(of_class, key=lambda stem: survey.scans[stem].ids[number])
        chosen.append(best)
        shown |= set(survey.scans[best].ids)
    others = [stem for stem in survey.scans if stem not in chosen]
    missing = min(IMAGES - len(chosen), len(others))
    if missing > 0:
        chosen += [others[k * len(others) // missing] for k in range(missing)]
    return sorted(chosen)


def _entries(table: ClassTable) -> list[tuple[tuple[int, int, int], str]]:
    """Colour and text of each line of the legend."""
    entries = [
        (item.color, f"{number} {item.name} {100 * share:.2g} %")
        for number, (item, share) in enumerate(zip(table.classes, table.shares, strict=True))
    ]
    if table.void_pixels:
        entries.append((_VOID_INK, f"void {100 * table.void_share:.2g} %"))
    return entries


def _pair(survey: Survey, table: ClassTable, stem: str) -> tuple[Image.Image, Image.Image]:
    """An image, and the same with its label map over it, each within one cell."""
    array = read_image(survey.folder / "images" / f"{stem}{survey.suffixes[stem]}")
    with Image.open(survey.scans[stem].path) as opened:
        label = np.asarray(opened).astype(np.uint8)
    scale = min(_CELL[0] / array.shape[0], _CELL[1] / array.shape[1])
    size = max(round(array.shape[1] * scale), 1), max(round(array.shape[0] * scale), 1)
    image = Image.fromarray(array).resize(size, Image.Resampling.BILINEAR)
    small = Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
    palette = np.full((VOID + 1, 3), _VOID_INK, np.uint8)
    palette[: len(table.classes)] = [item.color for item in table.classes]
    painted = Image.blend(image, Image.fromarray(palette[np.asarray(small)]), 0.6)
    return image, painted
