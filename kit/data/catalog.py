"""Data sets by name or folder."""

from pathlib import Path
from typing import Any

from kit.data.camvid import CamVid
from kit.data.dataset import Dataset
from kit.data.folder import FolderDataset
from kit.data.lgg_mri import LGGMRI
from kit.data.street_scenes import StreetScenes
from kit.errors import InputError

KNOWN = {"camvid": CamVid, "lgg_mri": LGGMRI, "street_scenes": StreetScenes}


def open_dataset(name: str | Path, split: str, **options: Any) -> Dataset:
    """One split of a data set.

    Args:
        name: `"camvid"`, `"lgg_mri"`, `"street_scenes"`, or a folder with images, labels and
            `classes.toml`.
        split: `"train"`, `"val"` or `"test"`.
        **options: Arguments of the data set's class.

    Raises:
        InputError: if it is neither known nor a folder, or the data set refuses.
    """
    if str(name) in KNOWN:
        return KNOWN[str(name)](split, **options)
    if not Path(name).is_dir():
        raise InputError(
            f"`data` must be one of {', '.join(KNOWN)}, or a folder with images/, labels/ and "
            f"classes.toml; got {str(name)!r}"
        )
    return FolderDataset(name, split, **options)
