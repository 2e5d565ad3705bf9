"""From training images to the detail at which an image asks for a larger input."""

import math
from collections.abc import Sequence

import numpy as np

from kit import AdaptiveNetwork
from kit.data.complexity_projection import ComplexityProjection
from mobile_export.metadata import digest
from mobile_export.runtime.complexity import SOBEL_MEAN, Size, SizeByComplexity, sobel_mean

_HALVINGS = 60


def fit_sizes(
    network: AdaptiveNetwork, images: Sequence[np.ndarray], projection: str = "maxwell_boltzmann"
) -> SizeByComplexity | None:
    """Which of a network's input sizes images ask for, by the detail of some training images.

    As DANCE (arXiv 2107.07706) has it: the complexity of an image, projected to `m` between 0 and 1
    by its distribution over the training images, asks for the ratio `r + (1 - r) m` of the native
    height and width, with r that of the smallest size; it gets the size whose ratio is nearest.

    Args:
        network: a network with several input sizes.
        images: uint8 arrays `(height, width, 3)`, RGB, of any size, like those that it was trained
            on.
        projection: as of `kit.data.ComplexityProjection`.

    Returns:
        The sizes with their thresholds; None if the network has one size, or the images do not
        differ in detail.
    """
    native = network.image_size
    scores = np.array([sobel_mean(image, native) for image in images])
    if not network.input_sizes or scores.min() == scores.max():
        return None
    fitted = ComplexityProjection.fit(scores, projection, digest=digest(images), measure=SOBEL_MEAN)
    sizes: tuple[Size, ...] = (*network.input_sizes, native)
    ratios = np.sqrt([math.prod(size) / math.prod(native) for size in sizes])
    middles = (ratios[:-1] + ratios[1:]) / 2
    wanted = (middles - ratios[0]) / (1 - ratios[0])
    thresholds = [_score_at(fitted, float(m), float(scores.max())) for m in wanted]
    # Two decimals: grey levels, of which the mean over rows tells less.
    return SizeByComplexity(sizes, tuple(round(value, 2) for value in thresholds))


def _score_at(projection: ComplexityProjection, m: float, high: float) -> float:
    """The complexity that is projected to `m`, above 0 and below 1, by bisection."""
    low = 0.0
    while projection(high) < m:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if projection(middle) < m else (low, middle)
    return high
