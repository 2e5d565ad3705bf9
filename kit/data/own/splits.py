"""Which images train, choose and test, where nobody has said so."""

from __future__ import annotations

import glob
from collections.abc import Sequence

from kit.data.dataset import SPLITS
from kit.data.folder import FRACTIONS
from kit.data.stable_place import stable_place
from kit.errors import InputError

Splits = dict[str, list[str]] | dict[str, float]

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_FOLDERS = 5
"""From so many folders on, each is in one split: of fewer, one is too large a part to leave out."""


def choose_splits(stems: Sequence[str]) -> tuple[Splits, str]:
    """Splits as `classes.toml` has them, each of one image or more.

    Folders called `train`, `val` and `test` are these splits; else each of five folders or more is
    in one split as a whole, for its images may be frames of one video; else each image has its
    place by the hash of its name. Where that leaves a split empty, images are named one by one.

    Args:
        stems: Relative names of the images, without suffix.

    Returns:
        (splits, why): name to patterns or share, and half a sentence on how they were made.

    Raises:
        InputError: there are fewer than three images.
    """
    if len(stems) < len(SPLITS):
        raise InputError(
            f"`DIR` must hold {len(SPLITS)} labelled images or more, one for each of "
            f"{', '.join(SPLITS)}; got {len(stems)}"
        )
    tops = sorted({stem.partition("/")[0] for stem in stems if "/" in stem})
    is_all_in_folders = all("/" in stem for stem in stems)
    if is_all_in_folders:
        named = {s: [top for top in tops if top.lower() in _NAMES[s]] for s in SPLITS}
        if all(named.values()) and sum(map(len, named.values())) == len(tops):
            return {s: [_all_of(top) for top in named[s]] for s in SPLITS}, "by their folders"
        if len(tops) >= _FOLDERS:
            return _whole_folders(stems, tops), "by whole folders"
    places = [stable_place(stem) for stem in stems]
    if all(_share(places, split) for split in SPLITS):
        return dict(FRACTIONS), "by the hash of their names"
    ordered = sorted(stems, key=stable_place)
    rest = max(len(stems) // 10, 1)
    ends = [len(stems) - 2 * rest, len(stems) - rest, len(stems)]
    starts = [0, *ends[:-1]]
    return {
        split: [glob.escape(stem) for stem in sorted(ordered[start:end])]
        for split, start, end in zip(SPLITS, starts, ends, strict=True)
    }, "one by one, for so few"


def _share(places: Sequence[float], split: str) -> int:
    """Images whose place is in a split's share, as `FolderDataset` cuts them."""
    number = SPLITS.index(split)
    shares = [FRACTIONS[name] for name in SPLITS]
    start, end = sum(shares[:number]), sum(shares[: number + 1])
    return sum(start <= place < end for place in places)


def _whole_folders(stems: Sequence[str], tops: Sequence[str]) -> dict[str, list[str]]:
    """Folders to val and test, in an order of their names' hash, until each has a tenth."""
    counts = {top: sum(stem.startswith(f"{top}/") for stem in stems) for top in tops}
    left = sorted(tops, key=stable_place)
    chosen: dict[str, list[str]] = {}
    for split in ("val", "test"):
        chosen[split] = []
        while sum(counts[top] for top in chosen[split]) < FRACTIONS[split] * len(stems):
            if len(left) == 1 or (chosen[split] and len(left) <= _FOLDERS // 2):
                break
            chosen[split].append(left.pop())
    return {
        split: [_all_of(top) for top in sorted(tops_)]
        for split, tops_ in (("train", left), *chosen.items())
    }


def _all_of(folder: str) -> str:
    return f"{glob.escape(folder)}/*"
