"""Every split has images, whatever the folder looks like."""

from pathlib import Path

import pytest

from kit.data.dataset import SPLITS
from kit.data.folder import split_stems
from kit.data.own.splits import choose_splits
from kit.errors import InputError


def members(stems: list[str]) -> dict[str, list[str]]:
    splits, _ = choose_splits(stems)
    return {s: split_stems(Path("x"), {"splits": splits}, s, stems) for s in SPLITS}


@pytest.mark.parametrize("count", [3, 4, 5, 9, 10, 30, 200])
def test_each_image_is_in_one_split_and_no_split_is_empty(count: int) -> None:
    stems = [f"image [{k}] *" for k in range(count)]
    found = members(stems)
    assert sorted(stem for part in found.values() for stem in part) == sorted(stems)
    assert all(found.values())
    assert len(found["train"]) >= len(found["val"])


def test_many_images_fall_by_their_name() -> None:
    stems = [f"{k}" for k in range(500)]
    assert choose_splits(stems)[0] == {"train": 0.8, "val": 0.1, "test": 0.1}


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_folders_that_are_called_like_splits(names: tuple[str, str, str]) -> None:
    stems = [f"{name}/{k}" for name in names for k in range(4)]
    found = members(stems)
    assert {split: {stem.partition("/")[0] for stem in part} for split, part in found.items()} == {
        split: {name} for split, name in zip(SPLITS, names, strict=True)
    }


def test_drives_stay_whole() -> None:
    stems = [f"drive[{d}]/{k}" for d in range(7) for k in range(20)]
    found = members(stems)
    drives = {split: {stem.partition("/")[0] for stem in part} for split, part in found.items()}
    assert sum(map(len, drives.values())) == len(set.union(*drives.values())) == 7
    assert all(len(found[split]) >= 14 for split in SPLITS)
    assert len(found["train"]) > 70


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few(count: int) -> None:
    with pytest.raises(InputError, match=f"3 labelled images or more.*got {count}"):
        choose_splits([str(k) for k in range(count)])
