"""Random scale, crop, flip and colour of one training sample."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from kit.data.labels import VOID
from kit.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """Random scale, crop, flips and colour; a pure function of the generator it is given.

    Scale 1 shows the whole image at the output's size, as evaluation does. Above 1 a random part is
    shown larger, below 1 the whole image smaller, at a random place, padded with its mean colour
    and void. Image pixels are resampled bilinearly with antialiasing, labels to the nearest, both
    once.

    Args:
        scale: (smallest, largest) scale, drawn log-uniformly.
        flip: whether half of the samples are mirrored left to right.
        brightness: factors are drawn from 1 - brightness to 1 + brightness.
        contrast: likewise.
        saturation: likewise.
        hue: the hue turns by -hue to +hue of a full turn, 0 to 0.5.
        flip_vertical: whether half of the samples are turned upside down.

    Raises:
        InputError: an argument is out of range.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.0
    flip_vertical: bool = False

    def __post_init__(self) -> None:
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(
                f"`scale` must be (smallest, largest), 0 < smallest <= largest; got {self.scale}"
            )
        for name, largest in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise InputError(f"`{name}` must be from 0 to {largest}; got {value}")

    def __call__(
        self,
        image: np.ndarray,
        label: np.ndarray,
        size: tuple[int, int],
        rng: np.random.Generator,
        label_scale: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws one variant of a sample.

        Args:
            image: uint8 `(h, w, 3)`, RGB, 0-255.
            label: uint8 `(h, w)`, class ids, 255 = void.
            size: (height, width) of the resulting image.
            rng: the only source of randomness.
            label_scale: how often larger the resulting label is, 1 or more; it shows the same part
                of the source.

        Returns:
            (image, label): uint8 `(height, width, 3)` and uint8 `(label_scale * height,
            label_scale * width)`.
        """
        height, width = size
        scale = float(np.exp(rng.uniform(np.log(self.scale[0]), np.log(self.scale[1]))))
        place = rng.random(2)
        flips = []
        if self.flip and rng.random() < 0.5:
            flips.append(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.flip_vertical and rng.random() < 0.5:
            flips.append(Image.Transpose.FLIP_TOP_BOTTOM)

        # the part of the source that is seen, and where it comes to lie in the result
        seen_height, seen_width = (extent / max(scale, 1.0) for extent in label.shape)
        top = place[0] * (label.shape[0] - seen_height)
        left = place[1] * (label.shape[1] - seen_width)
        inner_height = min(height, max(1, round(height * scale)))
        inner_width = min(width, max(1, round(width * scale)))

        # cut first: converting fewer pixels is most of the speed of strong scaling
        first_row, first_column = int(top), int(left)
        last_row = min(label.shape[0], int(np.ceil(top + seen_height)))
        last_column = min(label.shape[1], int(np.ceil(left + seen_width)))
        window = (slice(first_row, last_row), slice(first_column, last_column))
        box = (
            left - first_column,
            top - first_row,
            min(left + seen_width, last_column) - first_column,
            min(top + seen_height, last_row) - first_row,
        )
        inner = (inner_width, inner_height)
        picture = Image.fromarray(np.ascontiguousarray(image[window]))
        classes = Image.fromarray(np.ascontiguousarray(label[window]))
        picture = picture.resize(inner, Image.Resampling.BILINEAR, box=box)
        large = (label_scale * inner_width, label_scale * inner_height)
        classes = classes.resize(large, Image.Resampling.NEAREST, box=box)
        for way in flips:
            picture, classes = picture.transpose(way), classes.transpose(way)
        colors = np.asarray(self._recolor(picture, rng))
        ids = np.asarray(classes)
        if inner == (width, height):
            return colors, ids

        above = int(place[0] * (height - inner_height + 1))
        before = int(place[1] * (width - inner_width + 1))

        def where(times: int) -> tuple[slice, slice]:
            return (
                slice(times * above, times * (above + inner_height)),
                slice(times * before, times * (before + inner_width)),
            )

        padded = np.empty((height, width, 3), np.uint8)
        padded[:] = colors.mean(axis=(0, 1)).round().astype(np.uint8)
        padded[where(1)] = colors
        padded_ids = np.full((label_scale * height, label_scale * width), VOID, np.uint8)
        padded_ids[where(label_scale)] = ids
        return padded, padded_ids

    def _recolor(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Draws brightness, contrast, saturation and hue, always in this order."""
        draws = rng.uniform(-1, 1, size=4)
        if self.brightness:
            picture = ImageEnhance.Brightness(picture).enhance(1 + self.brightness * draws[0])
        if self.contrast:
            picture = ImageEnhance.Contrast(picture).enhance(1 + self.contrast * draws[1])
        if self.saturation:
            picture = ImageEnhance.Color(picture).enhance(1 + self.saturation * draws[2])
        turn = round(256 * self.hue * draws[3]) % 256
        if turn:
            hue, saturation, value = picture.convert("HSV").split()
            hue = hue.point([(level + turn) % 256 for level in range(256)])
            picture = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
        return picture
