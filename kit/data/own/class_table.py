"""The classes of a folder: those of its `classes.toml`, or what its label maps suggest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.data.folder import parse_classes, read_toml
from kit.data.labels import VOID, LabelClass
from kit.data.own.colors import distinct_colors
from kit.data.own.splits import Splits
from kit.data.own.survey import Survey

TABLE = "classes.toml"


@dataclass(frozen=True)
class ClassTable:
    """Classes, and how much of a survey is of each.

    Args:
        classes: In the order of their ids.
        void: Id of pixels that are ignored, beside 255.
        pixels: Of each class, in all label maps.
        images: Label maps that hold each class.
        void_pixels: In all label maps.
        is_own: Whether `classes.toml` was there already.
    """

    classes: tuple[LabelClass, ...]
    void: int
    pixels: tuple[int, ...]
    images: tuple[int, ...]
    void_pixels: int
    is_own: bool

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each class in the pixels that are not void, 0-1."""
        total = max(sum(self.pixels), 1)
        return tuple(count / total for count in self.pixels)

    @property
    def void_share(self) -> float:
        """Share of void in all pixels, 0-1."""
        return self.void_pixels / max(sum(self.pixels) + self.void_pixels, 1)

    @property
    def absent(self) -> list[int]:
        """Ids of classes that no label map holds."""
        return [number for number, count in enumerate(self.pixels) if not count]

    @property
    def balance(self) -> float:
        """Share of the largest class, divided by that of the smallest that occurs; 1 or more."""
        present = [count for count in self.pixels if count]
        return max(present) / min(present) if present else 1.0

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON has it."""
        return {
            "classes": [
                {
                    "id": number,
                    "name": item.name,
                    "color": list(item.color),
                    "share": round(self.shares[number], 6),
                    "images": self.images[number],
                }
                for number, item in enumerate(self.classes)
            ],
            "void": {"id": self.void, "share": round(self.void_share, 6)},
            "absent": self.absent,
            "balance": round(self.balance, 3),
        }

    def toml(self, name: str, splits: Splits) -> str:
        """The text of `classes.toml`.

        Args:
            name: Of the data set.
            splits: As `choose_splits` gave them.
        """
        lines = ["# Names and colours are yours to change; ids are what the label maps hold."]
        lines += [f"name = {json.dumps(name, ensure_ascii=False)}"]
        if self.void_pixels:
            lines += [f"void = {self.void}  # these pixels are ignored"]
        for number, item in enumerate(self.classes):
            title = json.dumps(item.name, ensure_ascii=False)
            lines += ["", "[[classes]]", f"id = {number}", f"name = {title}"]
            lines += [f"color = {list(item.color)}"]
        lines += ["", "[splits]"]
        for split, members in splits.items():
            if isinstance(members, float) or len(members) < 2:
                lines.append(f"{split} = {json.dumps(members, ensure_ascii=False)}")
                continue
            names = [f"    {json.dumps(member, ensure_ascii=False)}," for member in members]
            lines += [f"{split} = [", *names, "]"]
        return "\n".join(lines) + "\n"


def class_table(survey: Survey) -> ClassTable:
    """The classes of a surveyed folder of ids.

    Without `classes.toml` they are all ids from 0 to the largest but 255, called `class 0`, ..., in
    the colours of the label maps' palette, if they have one, or in colours of our own.

    Args:
        survey: Of the folder; an id that `classes.toml` does not list becomes one of its faults.

    Raises:
        InputError: `classes.toml` is wrong.
    """
    path = survey.folder / TABLE
    pixels, images = survey.pixels, survey.images_with
    is_own = path.exists()
    if is_own:
        classes, void = parse_classes(path, read_toml(path))
        _judge_ids(survey, path, len(classes), void)
    else:
        void = VOID
        count = max([number for number in pixels if number < VOID], default=-1) + 1
        classes = tuple(_named(survey, count))
    numbers = range(len(classes))
    return ClassTable(
        classes,
        void,
        tuple(pixels.get(number, 0) for number in numbers),
        tuple(images.get(number, 0) for number in numbers),
        sum(pixels.get(number, 0) for number in {void, VOID}),
        is_own,
    )


def _named(survey: Survey, count: int) -> list[LabelClass]:
    palette = {number: color for number, color in survey.palette.items() if number < count}
    own = iter(distinct_colors(count - len(palette), palette.values()))
    colors = [palette[number] if number in palette else next(own) for number in range(count)]
    return [LabelClass(f"class {number}", color) for number, color in enumerate(colors)]


def _judge_ids(survey: Survey, path: Path, count: int, void: int) -> None:
    for scan in survey.scans.values():
        unknown = [number for number in scan.ids if number >= count and number not in (void, VOID)]
        if unknown:
            survey.faults.append(
                f"{scan.path} must hold class ids 0 to {count - 1} or void ({void}), as {path} "
                f"says; got id {unknown[0]}"
            )
