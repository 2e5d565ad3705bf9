"""A data set of one's own: a folder of images, label maps and `classes.toml`."""

import fnmatch
import tomllib
from pathlib import Path
from typing import Any

from kit.data.dataset import SPLITS, check_split
from kit.data.labels import VOID, LabelClass
from kit.data.paired_files import PairedFiles, find_images
from kit.data.stable_place import stable_place
from kit.errors import InputError

FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}
"""Share of each split where `classes.toml` names no splits."""


class FolderDataset(PairedFiles):
    """Reads a folder with `images/**.{jpg,png}`, `labels/**.png` and `classes.toml`.

    A label map has the relative name of its image, one byte per pixel (the class id), and the size
    of the image as displayed, that is after its EXIF rotation. `classes.toml` reads::

        name = "my_streets"              # optional, defaults to the folder's name
        void = 255                       # optional: an id that is ignored, as 255 always is

        [[classes]]                      # ids 0, 1, 2, ... each once
        id = 0
        name = "sky"
        color = [128, 128, 128]

        [splits]                         # optional
        train = ["drive1/*", "drive2/0001"]
        val = ["drive3/*"]
        test = ["drive4/*"]

    A split is a list of names relative to `images`, without suffix, or of patterns (`*` matches `/`
    too); images that no split names are left out. It may also be a share, all three between 0
    and 1 with a sum of at most 1: an image then falls into a split by the SHA-256 of its name, so
    that it stays there when others come. Without `[splits]` the shares are 0.8, 0.1 and 0.1. Where
    neighbouring images look alike, as in a video, name whole drives, for shares would leak.

    Args:
        folder: the folder.
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        InputError: the folder, `classes.toml` or a label map is missing or wrong, or the split is
            empty.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        check_split(split)
        folder = Path(folder)
        content = "images/, labels/ and classes.toml"
        if not folder.is_dir():
            raise InputError(f"{folder} must be a folder that holds {content}; got no such folder")
        for part in ("images", "labels"):
            if not (folder / part).is_dir():
                raise InputError(f"{folder} must hold {content}; got no folder {part}/")
        path = folder / "classes.toml"
        table = read_toml(path)
        classes, void = parse_classes(path, table)
        suffixes = find_images(folder / "images")
        stems = split_stems(path, table, split, list(suffixes))
        super().__init__(
            name=str(table.get("name", folder.resolve().name)),
            split=split,
            classes=classes,
            void_id=void,
            images=folder / "images",
            labels=folder / "labels",
            stems=stems,
            suffixes=suffixes,
        )


def parse_classes(path: Path, table: dict[str, Any]) -> tuple[tuple[LabelClass, ...], int]:
    """The classes of `classes.toml` in the order of their ids, and the id that means void.

    Args:
        path: The file, for messages.
        table: What it holds.

    Raises:
        InputError: a class or `void` is not as `FolderDataset` says.
    """
    classes = _classes(path, table)
    void = table.get("void", VOID)
    if not isinstance(void, int) or not len(classes) <= void <= VOID:
        raise InputError(
            f"{path}: `void` must be an id from {len(classes)} to {VOID}; got {void!r}"
        )
    return classes, void


def read_toml(path: Path) -> dict[str, Any]:
    """What `classes.toml` holds.

    Raises:
        InputError: it is missing, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} must name the classes and their colours; got no such file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a TOML file; got: {error}") from error


def _classes(path: Path, table: dict[str, Any]) -> tuple[LabelClass, ...]:
    """The classes in the order of their ids."""
    entries = table.get("classes")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path} must hold a [[classes]] table for each class; got {entries!r}")
    found: dict[int, LabelClass] = {}
    for entry in entries:
        parts: dict[str, Any] = entry if isinstance(entry, dict) else {}
        number, name, color = parts.get("id"), parts.get("name"), parts.get("color", [])
        is_color = isinstance(color, list) and len(color) == 3
        if (
            not isinstance(number, int)
            or not isinstance(name, str)
            or not is_color
            or not all(isinstance(part, int) and 0 <= part <= 255 for part in color)
        ):
            raise InputError(
                f"{path}: a class must hold `id`, `name` and `color` = [red, green, blue], 0-255; "
                f"got {entry}"
            )
        if number in found:
            raise InputError(f"{path}: each `id` must stand once; got {number} twice")
        found[number] = LabelClass(name, (color[0], color[1], color[2]))
    if sorted(found) != list(range(len(found))) or len(found) > VOID:
        raise InputError(
            f"{path}: ids must be 0 to {len(found) - 1} without a gap, at most {VOID} of them; "
            f"got {sorted(found)}"
        )
    return tuple(found[number] for number in range(len(found)))


def split_stems(path: Path, table: dict[str, Any], split: str, stems: list[str]) -> list[str]:
    """The names that belong to a split.

    Args:
        path: `classes.toml`, for messages.
        table: What it holds.
        split: `"train"`, `"val"` or `"test"`.
        stems: Names of all images.

    Raises:
        InputError: `splits` is wrong, or the split is empty.
    """
    splits = table.get("splits", FRACTIONS)
    if not isinstance(splits, dict) or not set(splits) <= set(SPLITS):
        raise InputError(f"{path}: `splits` must hold {', '.join(SPLITS)}; got {splits!r}")
    if splits and all(isinstance(part, list) for part in splits.values()):
        named = {n: [s for s in stems if _matches(s, p)] for n, p in splits.items()}
        for stem in stems:
            if sum(stem in members for members in named.values()) > 1:
                raise InputError(f"{path}: an image must be in one split; got {stem} in several")
        patterns = [str(pattern) for pattern in splits.get(split, [])]
        chosen = named.get(split, [])
        for pattern in patterns:
            if not any(_matches(stem, [pattern]) for stem in stems):
                raise InputError(
                    f"{path}: split {split!r} must name images; got none like {pattern}"
                )
    elif splits and all(isinstance(part, int | float) for part in splits.values()):
        shares = [float(splits.get(name, 0)) for name in SPLITS]
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise InputError(f"{path}: shares of `splits` must sum to at most 1; got {splits}")
        number = SPLITS.index(split)
        start, end = sum(shares[:number]), sum(shares[: number + 1])
        chosen = [stem for stem in stems if start <= stable_place(stem) < end]
    else:
        raise InputError(f"{path}: `splits` must be all lists of names or all shares; got {splits}")
    if stems and not chosen:
        raise InputError(
            f"{path}: split {split!r} must hold images; got none of the {len(stems)} "
            "(name some under [splits])"
        )
    return chosen


def _matches(stem: str, patterns: list[str]) -> bool:
    """Whether a name is one of a split's names or patterns."""
    return any(stem == str(p) or fnmatch.fnmatchcase(stem, str(p)) for p in patterns)
