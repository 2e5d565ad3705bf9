"""Generated street scenes: the data set that needs no download and no licence."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from kit.data.dataset import SPLITS, Dataset
from kit.data.labels import STREET_CLASSES, VOID
from kit.data.scenes import draw_scene
from kit.errors import InputError

COUNTS = {"train": 400, "val": 80, "test": 100}
"""Number of scenes of each split where none is asked for."""


class StreetScenes(Dataset):
    """Drawn street scenes with the 11 classes of CamVid, deterministic and free to use.

    Scene `i` is a function of (seed, split, i, image size) for given versions of Pillow and NumPy,
    so the splits differ in nothing but their seeds, and a larger set begins with the smaller one.
    Scenes are drawn when they are first asked for and kept in memory. The images in
    `assets/samples` were written by::

        scenes = StreetScenes("test", 6, (352, 480))
        for i in range(6):
            path = f"assets/samples/street_scenes_{i}.jpg"
            Image.fromarray(scenes.image(i)).save(path, quality=92)

    Args:
        split: `"train"`, `"val"` or `"test"`.
        count: number of scenes; `None` is 400, 80 or 100.
        image_size: (height, width), pixels.
        seed: any integer.

    Raises:
        InputError: `split` is unknown, `count` is below 1 or `image_size` below 32.
    """

    license = "Apache-2.0"

    def __init__(
        self,
        split: str,
        count: int | None = None,
        image_size: tuple[int, int] = (192, 256),
        seed: int = 0,
    ) -> None:
        super().__init__("street_scenes", split, STREET_CLASSES)
        count = COUNTS[split] if count is None else count
        if count < 1:
            raise InputError(f"`count` must be 1 or more; got {count}")
        if min(image_size) < 32:
            raise InputError(
                f"`image_size` must be (height, width) of 32 or more; got {image_size}"
            )
        self.count = count
        self.image_size = image_size
        self.seed = seed
        self._scenes: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.count

    def stem(self, index: int) -> str:
        return f"{self.split}/{self._checked(index):04d}"

    def image(self, index: int) -> np.ndarray:
        return self._scene(index)[0]

    def label(self, index: int) -> np.ndarray:
        return self._scene(index)[1]

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(f"`index` must be from 0 to {self.count - 1}; got {index}")
        return index

    def _scene(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws a scene, once."""
        if index not in self._scenes:
            seed = f"{self.seed}-{self.split}-{self._checked(index)}"
            image, label = draw_scene(seed, self.image_size)
            image.flags.writeable = label.flags.writeable = False
            self._scenes[index] = image, label
        return self._scenes[index]

    @classmethod
    def write(
        cls,
        folder: str | Path,
        counts: Sequence[int] = (8, 4, 4),
        image_size: tuple[int, int] = (192, 256),
        seed: int = 0,
    ) -> Path:
        """Writes scenes as a data set folder: an example of the form that `FolderDataset` reads.

        Args:
            folder: new folder; it appears by renaming, whole or not at all.
            counts: number of train, val and test scenes, each 1 or more.
            image_size: (height, width), pixels.
            seed: any integer.

        Returns:
            The folder, with `images/`, `labels/` (one folder a split) and `classes.toml`.

        Raises:
            InputError: `folder` exists.
        """
        folder = Path(folder)
        if folder.exists():
            raise InputError(f"`folder` must be a new folder; got {folder}, which exists")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, suffix=".partial") as partial:
            root = Path(partial) / folder.name
            for split, count in zip(SPLITS, counts, strict=True):
                cls(split, count, image_size, seed)._write_split(root)
            (root / "classes.toml").write_text(_classes_toml(), encoding="utf-8")
            root.rename(folder)
        return folder

    def _write_split(self, root: Path) -> None:
        """Writes the images and label maps of this split below a folder."""
        for part in ("images", "labels"):
            (root / part / self.split).mkdir(parents=True)
        title = f"drawing {self.split} scenes"
        for index in tqdm(range(len(self)), desc=title, delay=2, disable=None):
            image, label = self.sample(index)
            stem = self.stem(index)
            Image.fromarray(image).save(root / "images" / f"{stem}.jpg", quality=95)
            Image.fromarray(label).save(root / "labels" / f"{stem}.png")


def _classes_toml() -> str:
    """`classes.toml` of the street classes, with a pattern for each split."""
    lines = ['name = "street_scenes"', f"void = {VOID}", ""]
    for number, entry in enumerate(STREET_CLASSES):
        lines += ["[[classes]]", f"id = {number}", f'name = "{entry.name}"']
        lines += [f"color = {list(entry.color)}", ""]
    lines += ["[splits]", *(f'{split} = ["{split}/*"]' for split in SPLITS)]
    return "\n".join(lines) + "\n"
