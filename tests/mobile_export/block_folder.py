"""The coloured blocks as a data set of one's own, and recipes that learn them in seconds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from kit.training import Recipe
from tests.mobile_export.blocks import CLASSES, CONFIGURATIONS, SIZE, Blocks

TINY = {
    "image_size": SIZE,
    "crop_size": SIZE,
    "epochs": 1,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "width": 0.35,
    "decoder_widths": (16, 12, 12, 12),
    "encoder_weights": None,
    "recalibration_batches": 1,
    "augmentation": {},
    # Two tiers, for each takes seconds to trace and to convert.
    "configurations": {name: CONFIGURATIONS[name] for name in ("light", "heavy")},
    "draw_weights": {},
}
"""Fields of a recipe for a network that trains in seconds and knows little."""


def write_blocks(folder: Path, train: int = 16, val: int = 2, test: int = 3) -> Path:
    """Writes the blocks in the folder form; returns the folder."""
    for split, count in (("train", train), ("val", val), ("test", test)):
        blocks = Blocks(split, count)
        for index in range(count):
            for part, array in (("images", blocks.image(index)), ("labels", blocks.label(index))):
                path = folder / part / split / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    classes = [
        f'[[classes]]\nid = {k}\nname = "{label.name}"\ncolor = {list(label.color)}\n'
        for k, label in enumerate(CLASSES)
    ]
    splits = '[splits]\ntrain = ["train/*"]\nval = ["val/*"]\ntest = ["test/*"]\n'
    (folder / "classes.toml").write_text("\n".join([*classes, splits]))
    return folder


def tiny_recipe(data: Path) -> Recipe:
    """A recipe over the blocks."""
    return Recipe(name="blocks", data=str(data), **TINY)


def one_by_one(work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """As `side_by_side`, here: processes of their own would load TensorFlow each."""
    return [work(*job) for job in jobs]
