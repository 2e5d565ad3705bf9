"""How complex images are: one number an image, computed once for a data set."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from kit.data.dataset import Dataset
from kit.errors import InputError
from kit.files import write_text

CACHE = "TIERSEG_CACHE"
DEFAULT_CACHE = "~/.cache/tierseg"

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_JPEG_QUALITY = 75


def complexity(image: np.ndarray, measure: str = "sobel_mean") -> float:
    """Complexity of one image.

    Args:
        image: uint8 `(height, width, 3)`, RGB, 0-255.
        measure: `"sobel_mean"`, `"sobel_rms"` or `"sobel_std"` over pixels of the Sobel gradient's
            magnitude, in grey levels (spatial information, Yu and Winkler, QoMEX 2013; its mean
            drives arXiv 2107.07706), or `"bits_per_pixel"` of the image as a JPEG (arXiv
            2408.07243).

    Returns:
        0 or more, higher for more detail; 0 for a constant image, but for its bits per pixel.

    Raises:
        InputError: `measure` is unknown, or the image has a side below 3.
    """
    check_measure(measure)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 3:
        raise InputError(
            f"`image` must be (height, width, 3) with sides of 3 or more; got {image.shape}"
        )
    return MEASURES[measure](image)


def check_measure(measure: str) -> None:
    """Raises `InputError` for a name that is no measure."""
    if measure not in MEASURES:
        raise InputError(f"`measure` must be one of {', '.join(MEASURES)}; got {measure!r}")


def complexities(
    dataset: Dataset, measure: str = "sobel_mean", cache: str | Path | None = None
) -> tuple[np.ndarray, str]:
    """Complexity of each image of a data set, as stored and not augmented.

    Kept on disk under the measure and the data set's digest: an image that has changed gives
    another digest, and with it everything is computed anew.

    Args:
        dataset: the images.
        measure: as of `complexity`.
        cache: folder to keep them in; defaults to what the environment variable `TIERSEG_CACHE`
            names, or `~/.cache/tierseg`.

    Returns:
        (scores, digest): float64 `(len(dataset),)` and the data set's digest.

    Raises:
        InputError: `measure` is unknown, or a file of the data set is bad.
    """
    check_measure(measure)
    folder = Path(cache or os.environ.get(CACHE) or DEFAULT_CACHE).expanduser()
    digest = dataset.digest()
    path = folder / f"{measure}_{digest}.json"
    known = _read(path, digest, measure, len(dataset))
    if known is not None:
        return known, digest
    title = f"complexity of {dataset.name} ({dataset.split})"
    indices = tqdm(range(len(dataset)), desc=title, delay=2, disable=None)
    scores = np.array([complexity(dataset.image(index), measure) for index in indices])
    folder.mkdir(parents=True, exist_ok=True)
    content = {"digest": digest, "measure": measure, "scores": scores.tolist()}
    write_text(path, json.dumps(content))
    return scores, digest


def _read(path: Path, digest: str, measure: str, count: int) -> np.ndarray | None:
    """The scores in a file; `None` if it is missing, damaged or of something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        scores = np.array(content["scores"], dtype=np.float64)
        fits = (content["digest"], content["measure"], scores.shape) == (digest, measure, (count,))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return scores if fits and np.isfinite(scores).all() else None


def _sobel(image: np.ndarray) -> np.ndarray:
    """Sobel gradient magnitude of the luma, float32 `(height - 2, width - 2)`, grey levels."""
    grey = image.astype(np.float32) @ _LUMA
    smooth_rows = grey[:-2] + 2 * grey[1:-1] + grey[2:]
    smooth_columns = grey[:, :-2] + 2 * grey[:, 1:-1] + grey[:, 2:]
    # Not beyond the border: padding would draw an edge around every image.
    across = smooth_rows[:, 2:] - smooth_rows[:, :-2]
    down = smooth_columns[2:] - smooth_columns[:-2]
    return np.hypot(across, down)


def _bits_per_pixel(image: np.ndarray) -> float:
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return 8 * len(encoded.getvalue()) / (image.shape[0] * image.shape[1])


MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "sobel_mean": lambda image: float(_sobel(image).mean(dtype=np.float64)),
    "sobel_rms": lambda image: float(np.sqrt(np.square(_sobel(image)).mean(dtype=np.float64))),
    "sobel_std": lambda image: float(_sobel(image).std(dtype=np.float64)),
    "bits_per_pixel": _bits_per_pixel,
}
"""Measures of `complexity` by name."""
