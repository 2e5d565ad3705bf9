"""What a segmenter gives for one image."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Step:
    """One exit that a chained run came to.

    Args:
        tier: name of the tier whose mask the exit gives.
        confidence: share of pixels that the exit is sure of, 0-1.
        latency_ms: time from the exit before to this one, milliseconds: inference, and the decision
            whether to go on; no waiting for other threads.
    """

    tier: str
    confidence: float
    latency_ms: float


@dataclass(frozen=True, eq=False)
class Result:
    """The mask of one image, and what it took.

    Args:
        mask: uint8 array `(height, width)`, the class id of each pixel.
        confidence: share of pixels that the tier is sure of, 0-1.
        tier: name of the tier that ran; in a chained run, of the exit at which it left.
        latency_ms: time of the inference alone, milliseconds; in a chained run, the sum of its
            steps.
        total_ms: time of the whole call, with resizing, waiting for other threads and, in a tier's
            first call, its preparation, milliseconds.
        steps: every exit that a chained run came to, in order; empty for a one-shot call.
    """

    mask: np.ndarray
    confidence: float
    tier: str
    latency_ms: float
    total_ms: float
    steps: tuple[Step, ...] = ()

    def shares(self) -> dict[int, float]:
        """Share of the mask's pixels of each class id that it holds, 0-1, largest first."""
        counts = np.bincount(self.mask.ravel(), minlength=256)
        order = np.argsort(-counts, kind="stable")
        return {int(k): float(counts[k] / self.mask.size) for k in order if counts[k]}
