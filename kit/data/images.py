"""Reads image and label files for training; every fault is one `InputError` line."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kit.data.labels import VOID
from kit.errors import InputError


def read_image(path: Path) -> np.ndarray:
    """Reads a JPEG or PNG as it is meant to be seen.

    Grey, 16-bit, palette, CMYK and RGBA images are converted (RGBA over white), and the EXIF
    rotation is applied.

    Args:
        path: image file.

    Returns:
        uint8 array `(height, width, 3)`, RGB, 0-255.

    Raises:
        InputError: the file is not a readable, whole image.
    """
    image = open_whole(path, "an image (JPEG or PNG)")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((wide.clip(0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.asarray(image).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def read_label(path: Path, num_classes: int, void_id: int = VOID) -> np.ndarray:
    """Reads a label map.

    Args:
        path: PNG file with one byte per pixel, the class id (grey or palette).
        num_classes: ids at or above this number are refused, except `void_id` and 255.
        void_id: id that means void in this file.

    Returns:
        uint8 array `(height, width)` of class ids, 255 = void.

    Raises:
        InputError: the file is unreadable, has not one byte per pixel or holds an unknown id.
    """
    image = open_whole(path, "a label map (PNG)")
    if image.mode == "1":
        image = image.point(lambda value: 1 if value else 0, "L")
    if image.mode not in ("L", "P"):
        raise InputError(
            f"{path} must hold one byte per pixel, the class id; expected PNG mode L or P, "
            f"got {image.mode}"
        )
    label = np.array(image, dtype=np.uint8)
    if void_id != VOID:
        label[label == void_id] = VOID
    unknown = np.flatnonzero(np.bincount(label.ravel(), minlength=VOID + 1)[num_classes:VOID])
    if unknown.size:
        raise InputError(
            f"{path} must hold class ids 0 to {num_classes - 1} or void ({void_id}); "
            f"got id {num_classes + int(unknown[0])}"
        )
    return label


def open_whole(path: Path, expected: str) -> Image.Image:
    """Opens and decodes a whole image file.

    Args:
        path: the file.
        expected: what the message says that it must be.

    Raises:
        InputError: it is missing, no image, or cut off.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise InputError(f"{path} must be {expected}; got no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} must be {expected}; got a file that cannot be read: {reason}"
        ) from error
