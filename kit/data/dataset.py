"""What every data set is to the rest of the kit."""

import hashlib
from abc import ABC, abstractmethod

import numpy as np

from kit.data.labels import VOID, LabelClass
from kit.errors import InputError

SPLITS = ("train", "val", "test")


def check_split(split: str) -> None:
    """Raises `InputError` for a name that is no split."""
    if split not in SPLITS:
        raise InputError(f"`split` must be one of {', '.join(SPLITS)}; got {split!r}")


class Dataset(ABC):
    """Images with label maps, of one split.

    Args:
        name: name of the data set, e.g. `"camvid"`.
        split: one of `"train"`, `"val"`, `"test"`.
        classes: the classes in the order of their ids.
        void_id: id that means void in the stored label maps; `label()` always gives 255 for it.

    Attributes:
        license: of its images, an SPDX identifier; None where it is not known.

    Raises:
        InputError: `split` is none of the three.
    """

    license: str | None = None

    def __init__(
        self, name: str, split: str, classes: tuple[LabelClass, ...], void_id: int = VOID
    ) -> None:
        check_split(split)
        self.name = name
        self.split = split
        self.classes = classes
        self.void_id = void_id

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def stem(self, index: int) -> str:
        """Name of one sample, without a file's suffix; unique within the data set."""

    @abstractmethod
    def image(self, index: int) -> np.ndarray:
        """One image: uint8 `(height, width, 3)`, RGB, 0-255. Not to be written to."""

    @abstractmethod
    def label(self, index: int) -> np.ndarray:
        """Its label map: uint8 `(height, width)` of class ids, 255 = void. Not to be written to."""

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and label map, checked against each other."""
        return self.image(index), self.label(index)

    def digest(self) -> str:
        """SHA-256 (hexadecimal) over the names and bytes of all images."""
        total = hashlib.sha256()
        for index in range(len(self)):
            total.update(self.stem(index).encode())
            total.update(hashlib.sha256(self._image_bytes(index)).digest())
        return total.hexdigest()

    def _image_bytes(self, index: int) -> bytes:
        """The bytes that stand for one image in `digest`."""
        return self.image(index).tobytes()
