"""The smallest U-Net that still has every tier."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import kit
from kit.layers import CSCBlock

CLASSES = 5
IMAGE_SIZE = (64, 64)
WIDTHS = (16, 12, 8, 8)


def small_unet(**arguments: Any) -> kit.AdaptiveUNet:
    """A network of 5 classes; `arguments` replace its sizes."""
    sizes: dict[str, Any] = {"image_size": IMAGE_SIZE, "width": 0.35, "decoder_widths": WIDTHS}
    return kit.AdaptiveUNet(num_classes=CLASSES, **{**sizes, **arguments})


def trained_dictionaries(blocks: Iterable[CSCBlock], deviation: float = 0.6) -> None:
    """Make dictionaries as large as trained ones, so that unfolding changes the codes.

    `deviation` is that of a dictionary's values, in terms of 1 / sqrt(fan in).
    """
    rng = np.random.default_rng(5)
    for block in blocks:
        for unit in block.units:
            shape = unit.conv.dictionary.shape
            scale = deviation / np.sqrt(9 * shape[2]) / unit.conv.gain
            unit.conv.trainable_variables[0].assign(rng.normal(0, scale, shape))
