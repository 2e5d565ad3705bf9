"""A recipe for a data set that has none: sizes from its images, a training of some minutes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from kit.errors import InputError

STRIDE = 32
"""Heights and widths of U-Net+PTA are multiples of it."""

STEPS = 1300
"""Of the training: after as many, the street scenes' tiers differ and the heaviest is usable."""

_LONG_SIDE = 256
_SHAPE = 0.05  # stretched by less is the same shape
_BATCH = 8
_EPOCHS = (10, 200)

_SECONDS_A_STEP = 0.2
"""Of a batch of 8 crops of 96x128 on two cores of an AMD EPYC: mean over all tiers, with scores."""
_SET_UP_SECONDS = 150
"""To begin, to trace six tiers and to estimate their statistics."""


@dataclass(frozen=True)
class StarterRecipe:
    """A recipe of U-Net+PTA for a folder, and what its training will take.

    Args:
        name: Of the recipe, and of the folder of its runs.
        image_size: `(height, width)` at which the network runs.
        crop_size: `(height, width)` of the training crops.
        epochs: Over the training split.
        batch_size: At most the images of the training split.
        train_images: In the training split.
    """

    name: str
    image_size: tuple[int, int]
    crop_size: tuple[int, int]
    epochs: int
    batch_size: int
    train_images: int

    @classmethod
    def of(
        cls, name: str, sizes: Mapping[tuple[int, int], int], train_images: int
    ) -> StarterRecipe:
        """The recipe for images of some sizes.

        Args:
            name: Of the recipe.
            sizes: `(height, width)` to the number of images; the most frequent is followed.
            train_images: In the training split, 1 or more.

        Raises:
            InputError: there are no images to train on.
        """
        if train_images < 1 or not sizes:
            raise InputError(f"`train` must hold an image or more; got {train_images}")
        height, width = max(sizes, key=lambda size: (sizes[size], size))
        image_size = _image_size(height, width)
        crop_size = _crop_size(*image_size)
        batch_size = min(_BATCH, train_images)
        steps = train_images // batch_size
        epochs = min(max(round(STEPS / steps), _EPOCHS[0]), _EPOCHS[1])
        return cls(name, image_size, crop_size, epochs, batch_size, train_images)

    @property
    def minutes(self) -> float:
        """What its training takes on two cores, roughly."""
        steps = self.epochs * (self.train_images // self.batch_size)
        pixels = self.batch_size * self.crop_size[0] * self.crop_size[1]
        return (_SET_UP_SECONDS + steps * _SECONDS_A_STEP * pixels / (8 * 96 * 128)) / 60

    def toml(self) -> str:
        """The text of `recipe.toml`; its data are the folder in which it lies."""
        zoom = self.image_size[0] / self.crop_size[0]
        largest = round(1.2 * zoom, 2)
        return f"""\
# U-Net+PTA, six tiers, from nothing: about {self.minutes:.0f} minutes on two cores.
# Better masks, more time: more `epochs`; `width = 1.0`; `image_size` and `crop_size` closer to the
# images' own (multiples of {STRIDE}). Every key: docs/training.md, kit/training/recipe.py.
name = {json.dumps(self.name, ensure_ascii=False)}
data = "."  # the folder of this file
family = "adaptive_unet"
image_size = {list(self.image_size)}  # height, width on the device
crop_size = {list(self.crop_size)}
epochs = {self.epochs}
batch_size = {self.batch_size}
learning_rate = 3e-3
recalibration_batches = 12
width = 0.35
decoder_widths = [96, 48, 32, 24]

# 1 shows the whole image in the crop; the device sees it at {zoom:.2g}.
[augmentation]
scale = [1.0, {max(largest, 1.2)}]
"""


def _image_size(height: int, width: int) -> tuple[int, int]:
    """The largest size within bounds whose shape is that of the images, or the nearest to it."""

    def rank(size: tuple[int, int]) -> tuple[float, int]:
        off = _off(size, (height, width))
        return (0.0 if off < _SHAPE else off), -size[0] * size[1]

    longest = min(max(math.ceil(max(height, width) / STRIDE), 2), _LONG_SIDE // STRIDE)
    return min(_sizes(longest, longest), key=rank)


def _crop_size(height: int, width: int) -> tuple[int, int]:
    """About a quarter of the image's pixels, in its shape; at least 64 pixels a side."""

    def rank(size: tuple[int, int]) -> float:
        share = size[0] * size[1] / (height * width)
        return _off(size, (height, width)) + abs(math.log(share / 0.25))

    return min(_sizes(height // STRIDE, width // STRIDE), key=rank)


def _sizes(rows: int, columns: int) -> list[tuple[int, int]]:
    """Sizes in multiples of the stride, from 2 of them on."""
    return [
        (STRIDE * row, STRIDE * column)
        for row in range(2, rows + 1)
        for column in range(2, columns + 1)
    ]


def _off(size: tuple[int, int], other: tuple[int, int]) -> float:
    """How far one shape is from another: the logarithm by which one side is stretched."""
    return abs(math.log(size[0] * other[1] / (size[1] * other[0])))
