"""Colours that people can tell apart, for classes that have none yet."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from kit.data.own.label_scan import Color

# Twenty that stay apart for eyes and on photographs; then the hues of a golden spiral.
_FIRST: tuple[Color, ...] = (
    (68, 114, 196), (237, 125, 49), (112, 173, 71), (255, 210, 60), (200, 60, 70),
    (128, 90, 170), (70, 190, 200), (240, 120, 180), (150, 110, 70), (190, 220, 100),
    (30, 80, 110), (250, 180, 140), (20, 120, 90), (140, 160, 190), (120, 20, 60),
    (100, 220, 160), (220, 170, 230), (90, 90, 20), (0, 170, 255), (255, 90, 90),
)  # fmt: skip
_GOLDEN = 0.618034


def distinct_colors(count: int, taken: Iterable[Color] = ()) -> list[Color]:
    """Colours that differ from each other and from those that are taken; always the same ones.

    Args:
        count: How many, 0 or more.
        taken: Colours that must not come again.
    """
    used, found = set(taken), list[Color]()
    candidates = iter(_candidates())
    while len(found) < count:
        color = next(candidates)
        if color not in used:
            used.add(color)
            found.append(color)
    return found


def _candidates() -> Iterable[Color]:
    yield from _FIRST
    number = 0
    while True:
        value = (0.95, 0.7, 0.5)[number // 24 % 3]
        red, green, blue = colorsys.hsv_to_rgb(
            number * _GOLDEN % 1, 0.45 + 0.5 * (number % 2), value
        )
        yield round(255 * red), round(255 * green), round(255 * blue)
        number += 1
