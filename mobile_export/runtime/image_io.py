"""Images in and out: any picture file to RGB, a mask to a palette PNG, an overlay to look at."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.labels import Label, palette


def load_image(source: str | os.PathLike[str] | bytes, name: str | None = None) -> np.ndarray:
    """Reads a picture the way that it is meant to be seen.

    16-bit, CMYK, grey, palette and RGBA pictures are converted (transparency over white), and the
    EXIF rotation is applied.

    Args:
        source: path of the file, or its bytes.
        name: what messages call it. Defaults to the path.

    Returns:
        uint8 array `(height, width, 3)`, RGB, 0-255.

    Raises:
        TiersegError: there is no such file, or it is not a whole image.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    try:
        opened = Image.open(io.BytesIO(source) if isinstance(source, bytes) else Path(source))
        with opened as image:
            image.load()
            return np.asarray(_rgb(ImageOps.exif_transpose(image)))
    except FileNotFoundError:
        raise TiersegError(f"{name} must be an image (JPEG, PNG, ...); got no such file") from None
    except IsADirectoryError:
        raise TiersegError(f"{name} must be an image (JPEG, PNG, ...); got a folder") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise TiersegError(
            f"{name} must be a whole image (JPEG, PNG, ...); got one that cannot be read: {error}"
        ) from error


def checked(image: np.ndarray) -> np.ndarray:
    """The image, if it is one.

    Raises:
        TiersegError: it is no uint8 array `(height, width, 3)`, or an empty one.
    """
    if not isinstance(image, np.ndarray):
        raise TiersegError(
            "`image` must be a uint8 array (height, width, 3), as load_image gives it; "
            f"got {type(image).__name__}"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise TiersegError(
            f"`image` must be a uint8 array (height, width, 3), got {image.dtype} {image.shape}"
        )
    return image


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image at a network's input size, bilinear; a large one is first reduced by a cheap box.

    Args:
        image: uint8 array `(height, width, 3)`.
        size: (height, width), pixels.

    Returns:
        uint8 array `(*size, 3)`; the image itself if it has that size.
    """
    if image.shape[:2] == size:
        return image
    small = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(small)


def resized_mask(mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A mask at another size, each pixel the class of the nearest one.

    Args:
        mask: uint8 array `(height, width)` of class ids.
        size: (height, width), pixels.

    Returns:
        uint8 array of that size; the mask itself if it has it already.
    """
    height, width = size
    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def mask_image(mask: np.ndarray, labels: Iterable[Label] = ()) -> Image.Image:
    """A mask as a palette image: each pixel's value is its class id, shown in the class's colour.

    Args:
        mask: uint8 array `(height, width)` of class ids.
        labels: classes with their colours.
    """
    image = Image.fromarray(mask)
    image.putpalette(palette(labels).tobytes())
    return image


def overlay(
    image: np.ndarray, mask: np.ndarray, labels: Iterable[Label] = (), opacity: float = 0.5
) -> np.ndarray:
    """Paints a mask over its image.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        mask: uint8 array `(height, width)` of class ids.
        labels: classes with their colours.
        opacity: 0 shows the image alone, 1 the mask alone.

    Returns:
        uint8 array `(height, width, 3)`, RGB.

    Raises:
        TiersegError: image and mask differ in size, or the opacity is not within 0-1.
    """
    if mask.shape != image.shape[:2]:
        raise TiersegError(
            f"`mask` must have the image's size; expected {image.shape[:2]}, got {mask.shape}"
        )
    if not 0 <= opacity <= 1:
        raise TiersegError(f"`opacity` must be within 0 and 1, got {opacity}")
    weight = round(opacity * 256)
    colors = palette(labels).astype(np.uint16) * weight
    blended = image.astype(np.uint16) * (256 - weight) + colors[mask]
    return (blended >> 8).astype(np.uint8)


def _rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB, 8 bits a channel."""
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray((wide >> 8).astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.asarray(image).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
