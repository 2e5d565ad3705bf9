"""Data slimming: what complexity does to the size, the chance and the weight of an image."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kit.data.complexity import MEASURES
from kit.data.complexity_projection import check_kind
from kit.errors import InputError

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}

ONCE, WINDOW = "once", "window"
"""Without resampling a crop of full size: one is cut at its own, or a part is taken of it."""

LOSS = "loss"
"""Measure of complexity by the network that is trained, not by the image."""

_CHOICES = {
    "measure": (*MEASURES, LOSS),
    "scored": ("image", "crop"),
    "grouping": ("image", "k_means", "thirds"),
    "drop": ("complexity", "random", "below_mean", "none"),
    "weight": ("complexity", "unbiased", "equal"),
    "resampling": (ONCE, *RESAMPLING, WINDOW),
}


@dataclass(frozen=True)
class Slimming:
    """How training images are made smaller, dropped and weighted by complexity (arXiv 2107.07706).

    The complexity of an image is projected to `m`, 0 (simple) to 1. Its size is `smallest +
    (1 - smallest) m` of the crop, its chance to be kept in an epoch and its weight in the loss are
    `m`: simple images are shrunk more, dropped more and weigh less. The paper's mechanics are known
    from code of its laboratory only; what they do is had by `grouping="k_means"`,
    `resampling="nearest"` and floors of 0.

    Args:
        measure: of complexity; see `complexity`. `"loss"` takes for it the image's last
            cross-entropy in training (InfoBatch, arXiv 2303.04947): the first epochs then take all
            images in turn at full size, until each has one; needs the projection `"empirical"`, of
            which the number of steps does not hang on the losses.
        scored: `"image"`: each image once, as stored; `"crop"`: each augmented crop of each epoch,
            as in the paper, at the price of making it twice.
        projection: `"maxwell_boltzmann"`, `"linear"` or `"empirical"`; see `ComplexityProjection`.
        grouping: `"image"` takes each image by its own `m`; `"k_means"` and `"thirds"` by the mean
            of its group, of three or fewer, among the images of its mini-batch.
        sizes: number of sizes to which a ratio is rounded, so that shapes are few; 1 is none but
            the full one.
        smallest: ratio of height and of width at `m` = 0, above 0 and up to 1.
        multiple: heights and widths are rounded to multiples of it, pixels: the network's stride.
        drop: `"complexity"` keeps an image with chance `m` (of a mini-batch's group that
            share); `"random"` all with the mean chance, as many images;
            `"below_mean"` drops the share `drop_ratio` of those whose `m` is below the mean, as
            InfoBatch does with the loss for a measure; `"none"` keeps all.
        drop_ratio: of `"below_mean"`, 0 to below 1.
        keep_floor: smallest chance to be kept, 0 to 1, of `"complexity"` and `"random"`; with 0 the
            simplest images may never be seen.
        weight: `"complexity"` weighs by `m`, which beside dropping by `m` squares the bias against
            simple images; `"unbiased"` by 1 / chance, so that an epoch's gradient is in expectation
            that of all images; `"equal"` all alike.
        weight_floor: smallest weight of `"complexity"`, 0 to 1, before weights are divided by their
            mean.
        full_at_end: share of the epochs, at the end, whose steps take all images in turn, at full
            size and equal weight (InfoBatch), 0 to below 1.
        resampling: `"once"` cuts the crop at its size, with antialiasing; `"nearest"`, `"area"` and
            `"bilinear"` shrink a crop of full size so. `"window"` shrinks nothing: of a crop of
            full size it takes a part, so that training and use see the same scale.

    Raises:
        InputError: an argument is unknown or out of range.
    """

    measure: str = "sobel_mean"
    scored: str = "image"
    projection: str = "maxwell_boltzmann"
    grouping: str = "image"
    sizes: int = 3
    smallest: float = 0.5
    multiple: int = 32
    drop: str = "complexity"
    drop_ratio: float = 0.5
    keep_floor: float = 0.1
    weight: str = "complexity"
    weight_floor: float = 0.1
    full_at_end: float = 0.0
    resampling: str = ONCE

    def __post_init__(self) -> None:
        check_kind(self.projection)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"`{name}` must be one of {', '.join(choices)}; got {getattr(self, name)!r}"
                )
        if self.measure == LOSS and (self.projection, self.scored) != ("empirical", "image"):
            raise InputError(
                "`measure` loss must go with `projection` empirical and `scored` image; got "
                f"{self.projection} and {self.scored}"
            )
        for name in ("sizes", "multiple"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be 1 or more; got {getattr(self, name)}")
        if not 0 < self.smallest <= 1:
            raise InputError(f"`smallest` must be above 0 and up to 1; got {self.smallest}")
        for name in ("keep_floor", "weight_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be from 0 to 1; got {getattr(self, name)}")
        for name in ("drop_ratio", "full_at_end"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"`{name}` must be from 0 to below 1; got {getattr(self, name)}")

    def sizes_of(self, image_size: tuple[int, int]) -> list[tuple[int, int]]:
        """Sizes of a crop at `m` = 0 to 1, ascending; some may be equal.

        Args:
            image_size: (height, width) of the full crop, multiples of `multiple`.

        Raises:
            InputError: `image_size` is no multiple.
        """
        if any(side % self.multiple for side in image_size):
            raise InputError(
                f"`image_size` must be (height, width), both multiples of `multiple`, "
                f"{self.multiple}; got {tuple(image_size)}"
            )
        ratios = np.linspace(self.smallest, 1, self.sizes) if self.sizes > 1 else [1.0]
        height, width = (
            [self.multiple * max(_rounded(ratio * side / self.multiple), 1) for ratio in ratios]
            for side in image_size
        )
        return list(zip(height, width, strict=True))

    def size_number(self, m: np.ndarray) -> np.ndarray:
        """Which of `sizes_of` images have, by their projected complexity: int, as `m`."""
        return np.floor((self.sizes - 1) * np.asarray(m) + 0.5).astype(int)

    def chances(self, m: np.ndarray) -> np.ndarray:
        """Chance of each image to be kept in an epoch.

        Args:
            m: `(images,)`, projected complexity of all images.

        Returns:
            `(images,)`, 0 to 1.
        """
        if self.drop == "none":
            return np.ones(len(m))
        if self.drop == "below_mean":
            return np.where(m < m.mean(), 1 - self.drop_ratio, 1.0)
        chances = np.maximum(m, self.keep_floor)
        return chances if self.drop == "complexity" else np.full(len(m), chances.mean())

    def weights(self, m: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Weight of images in the loss, not yet divided by its mean.

        Args:
            m: `(images,)`, projected complexity.
            kept: `(images,)`, chance to be kept, above 0.

        Returns:
            `(images,)`, 0 or more.
        """
        if self.weight == "unbiased":
            return 1 / kept
        return np.maximum(m, self.weight_floor) if self.weight == "complexity" else np.ones(len(m))


def _rounded(value: float) -> int:
    """To the nearest integer, half upwards; Python's own rounds half to even."""
    return math.floor(value + 0.5)
