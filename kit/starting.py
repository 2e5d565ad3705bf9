"""From a folder of images and label maps to a data set that `tierseg train` takes."""

from __future__ import annotations

import contextlib
import re
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.data.folder import FolderDataset, split_stems
from kit.data.labels import VOID
from kit.data.own.class_table import TABLE, ClassTable, class_table
from kit.data.own.contact_sheet import contact_sheet
from kit.data.own.conversion import Conversion, check_colors
from kit.data.own.splits import choose_splits
from kit.data.own.survey import Survey, survey_folder
from kit.data.street_scenes import StreetScenes
from kit.errors import InputError
from kit.files import replacing, write_text
from kit.next_step import command
from kit.training.starter_recipe import StarterRecipe

RECIPE = "recipe.toml"
SHEET = "contact_sheet.png"

EXAMPLE_COUNTS = (200, 40, 40)
"""Street scenes of the example: train, val, test."""


@dataclass
class Start:
    """What was found in a folder, and what was written for it.

    Args:
        survey: Of the folder.
        table: Its classes; None where label maps hold colours.
        recipe: For it; None where there is a fault.
        splits: Images of each split, and half a sentence on how they were chosen.
        written: Files, in the order in which they were written.
        notes: What is worth a look and keeps nothing from going on.
    """

    survey: Survey
    table: ClassTable | None = None
    recipe: StarterRecipe | None = None
    splits: tuple[dict[str, int], str] | None = None
    written: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def fault(self) -> str | None:
        """What keeps the folder from being a data set, in one line; None if nothing does."""
        faults = self.survey.faults
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        return f"{faults[0]}{more}" if faults else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        content = self.survey.to_dict()
        if self.table is not None:
            content |= self.table.to_dict()
        if self.splits is not None:
            content["splits"] = self.splits[0]
        if self.recipe is not None:
            content["recipe"] = {
                "image_size": list(self.recipe.image_size),
                "crop_size": list(self.recipe.crop_size),
                "epochs": self.recipe.epochs,
                "minutes": round(self.recipe.minutes, 1),
            }
        return {
            **content,
            "notes": list(self.notes),
            "written": [str(path) for path in self.written],
        }


def write_example(folder: Path, counts: tuple[int, int, int] = EXAMPLE_COUNTS) -> Path:
    """Write generated street scenes as a folder of one's own.

    Args:
        folder: A new folder.
        counts: Of train, val and test.

    Raises:
        InputError: the folder exists.
    """
    return StreetScenes.write(folder, counts)


def start_folder(folder: Path, *, force: bool = False) -> Start:
    """Look at a folder, and write `classes.toml`, `recipe.toml` and `contact_sheet.png` into it.

    `classes.toml` is kept where there is one. Nothing is written where the folder has a fault
    (`Start.fault`).

    Args:
        folder: Holds `images/**.{jpg,png}` and `labels/**.png` of the same relative names.
        force: Write a new recipe and contact sheet over those that are there.

    Raises:
        InputError: there is no such folder, nothing in it, or a recipe already.
    """
    there = [name for name in (RECIPE, SHEET) if (folder / name).exists()]
    if there and not force:
        raise InputError(
            f"`DIR` must hold no {' and no '.join(there)} yet, unless --force writes them anew; "
            f"got {folder}"
        )
    survey = survey_folder(folder)
    start = _judged(survey)
    if survey.faults or start.table is None:
        return start
    if start.table.is_own:
        counts = {split: len(FolderDataset(folder, split)) for split in ("train", "val", "test")}
        start.splits = counts, f"as {TABLE} says"
    else:
        start.splits = _count(list(survey.scans))
    recipe = StarterRecipe.of(_name(folder), survey.image_sizes, start.splits[0]["train"])
    sheet = contact_sheet(survey, start.table)
    files: list[Path] = []
    with contextlib.ExitStack() as undo:
        if not start.table.is_own:
            splits, _ = choose_splits(list(survey.scans))
            _write(undo, files, folder / TABLE, start.table.toml(folder.resolve().name, splits))
        with replacing(folder / SHEET) as partial:
            sheet.save(partial, format="PNG")
        files.append(folder / SHEET)
        # The recipe comes last: where there is one, all is there.
        write_text(folder / RECIPE, recipe.toml())
        files.append(folder / RECIPE)
        undo.pop_all()
    return replace(start, recipe=recipe, written=tuple(files))


def convert_folder(folder: Path, new: Path, *, colors: Path | None = None) -> Start:
    """Write a folder anew with label maps of ids, and start it as `start_folder` does.

    Colours become ids by a table, or each colour that occurs becomes a class; ids become ids
    without a gap. The new folder appears whole or not at all.

    Args:
        folder: As of `start_folder`; it stays as it is.
        new: The folder to write.
        colors: A `classes.toml` with the colours of the label maps; that of `folder` if None and
            there is one.

    Raises:
        InputError: `new` exists, or `folder` has another fault than the form of its label maps.
    """
    if new.exists():
        raise InputError(f"`--convert` must be a new folder; got {new}, which exists")
    survey = survey_folder(folder)
    if survey.faults:
        return Start(survey)
    table = colors or _own_table(folder)
    has_colors = "colors" in survey.forms or (
        all(scan.palette for scan in survey.scans.values())
        and (colors is not None or survey.two_palettes is not None)
    )
    conversion = Conversion.of_colors(survey, table) if has_colors else Conversion.of_ids(survey)
    new.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=new.parent, suffix=".partial") as partial:
        root = Path(partial) / new.name
        conversion.write(survey, root)
        splits, _ = choose_splits(list(survey.scans))
        listed = ClassTable(
            conversion.classes, VOID, (1,) * len(conversion.classes), (), 1, is_own=False
        )
        (root / TABLE).write_text(listed.toml(new.resolve().name, splits), encoding="utf-8")
        start = start_folder(root)
        if start.fault() is None:
            root.rename(new)
    return replace(
        start,
        survey=replace(start.survey, folder=new),
        written=(new, *(new / path.name for path in start.written)) if start.written else (),
    )


def _judged(survey: Survey) -> Start:
    """Classes and notes of a survey, and the faults that lie in the label maps' form."""
    folder = survey.folder
    convert = command("tierseg", "init", folder, "--convert", f"{folder}_ids")
    labels = folder / "labels"
    forms = survey.forms
    if "colors" in forms:
        table = _own_table(folder)
        if table is not None and not survey.faults:
            conversion = Conversion.of_colors(survey, table)  # an unknown colour is named
            check_colors(survey.scans.values(), dict(conversion.ids), table)  # type: ignore[arg-type]
        survey.faults.append(
            f"{labels} must hold class ids, one byte a pixel; got RGB with {len(survey.colors)} "
            f"colours (write them as ids: {convert})"
        )
        return Start(survey)
    if "wide" in forms:
        survey.faults.append(
            f"{survey.scans[forms['wide']].path} must hold one byte a pixel, the class id; got "
            f"more (write them so: {convert})"
        )
    two = survey.two_palettes
    if two is not None and _own_table(folder) is None:
        survey.faults.append(
            f"{two[2]} must have the palette of the other label maps; id {two[0]} has another "
            f"colour in {two[1]} (make ids of the colours: {convert})"
        )
    table_ = class_table(survey)
    present = [number for number, count in enumerate(table_.pixels) if count]
    if not survey.faults and len(present) < 2:
        held = f"only {present[0] if present else 'no id'}"
        if table_.void_pixels:
            held += f" and {VOID}, which is void (if it is a class: {convert})"
        survey.faults.append(f"{labels} must hold two classes or more; got {held}")
    return Start(survey, table_, notes=tuple(_notes(survey, table_, convert)))


def _notes(survey: Survey, table: ClassTable, convert: str) -> list[str]:
    notes = []
    if survey.without_image:
        notes.append(
            f"{len(survey.without_image)} label maps have no image and are left out, "
            f"{survey.without_image[0]}.png first"
        )
    if table.absent:
        ids = ", ".join(map(str, table.absent[:8])) + (", ..." if len(table.absent) > 8 else "")
        notes.append(
            f"no label map holds id {ids}: a class that the network cannot learn "
            f"(ids without a gap: {convert})"
        )
    if table.balance > 1000:
        smallest = min((c, n) for n, c in enumerate(table.pixels) if c)[1]
        notes.append(
            f"class {smallest} has {100 * table.shares[smallest]:.2g} % of the pixels, in "
            f"{table.images[smallest]} images: look at the contact sheet whether it is meant"
        )
    return notes


def _count(stems: list[str]) -> tuple[dict[str, int], str]:
    """Images of each split that `choose_splits` makes, and how it made them."""
    splits, why = choose_splits(stems)
    table = {"splits": splits}
    counts = {name: len(split_stems(Path(TABLE), table, name, stems)) for name in splits}
    return counts, why


def _own_table(folder: Path) -> Path | None:
    path = folder / TABLE
    return path if path.exists() else None


def _name(folder: Path) -> str:
    """A name for files, of a folder's."""
    return re.sub(r"[^\w.-]+", "_", folder.resolve().name) or "own_data"


def _write(undo: contextlib.ExitStack, files: list[Path], path: Path, text: str) -> None:
    """Write a new file, which goes again if what follows fails."""
    tomllib.loads(text)
    write_text(path, text)
    undo.callback(path.unlink, missing_ok=True)
    files.append(path)
