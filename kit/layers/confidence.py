"""How sure a tier is of an image: its share of sure pixels (MESS, arXiv 2106.03527)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from kit.errors import InputError

Measure = Literal["top1", "entropy"]

MEASURES: tuple[Measure, ...] = ("top1", "entropy")
"""What a pixel's certainty can be measured by."""

MAJORITY = 0.49
"""Share of a window from which it counts as half or more.

Any number that separates 1/2 from 12/25, the largest share below 1/2 in a window of at most 25
pixels; in the middle of them, rounding in float32 or in 8 bits does no harm.
"""

EDGE_WIDTH = 3
"""Side of the square by which semantic edges are widened, pixels of the grid."""


@keras.saving.register_keras_serializable(package="tierseg")
class Confidence(keras.layers.Layer):
    """Share of pixels of which a tier is sure (MESS, arXiv 2106.03527, equations 1 to 3).

    A pixel is sure if its measure reaches a threshold. With `edge_aware`, a pixel near a border of
    the predicted segments, where no network is sure, is judged by the median of the measure over a
    window around it. Such an edge is a pixel one of whose four neighbours has another most probable
    class; the 3×3 square around each counts as near. (The paper finds edges by Canny's method,
    which label maps can do without, and "erodes" them, which would delete edges one pixel wide: a
    wider band is meant.)

    The median reaches a threshold exactly if half of the window's pixels or more do, so a mean of
    zeros and ones takes the place of sorting. Windows are cut off at the border of the map; where
    that leaves an even number of pixels, the median is the upper of the two in the middle.

    Args:
        threshold: Measure from which a pixel counts as sure, in (0, 1); or several of them.
        step: Every `step`-th pixel in both directions is looked at.
        measure: `"top1"`, the largest class probability, or `"entropy"`, 1 - H / log(classes),
            which is 1 for a certain pixel and 0 for one whose classes are equally probable.
        edge_aware: Whether pixels near semantic edges are judged by their neighbourhood.

    Raises:
        InputError: naming the argument; by `build`, if there is but one class to take an entropy
            of.

    Input: logits `(batch, height, width, classes)`; output: `(batch,)` float32 in [0, 1], or
    `(batch, thresholds)` if `threshold` is a sequence.
    """

    def __init__(
        self,
        threshold: float | Sequence[float] = 0.5,
        step: int = 1,
        measure: Measure = "top1",
        edge_aware: bool = False,
        **kwargs: Any,
    ) -> None:
        values = np.atleast_1d(np.asarray(threshold, float)).tolist()
        self.threshold: float | tuple[float, ...] = (
            tuple(values) if np.ndim(threshold) else values[0]
        )
        if not values or not all(0 < value < 1 for value in values):
            raise InputError(
                f"`threshold` must be one number between 0 and 1, or several; received: {threshold}"
            )
        if step < 1:
            raise InputError(f"`step` must be 1 or more; received: {step}")
        if measure not in MEASURES:
            raise InputError(f"`measure` must be {' or '.join(MEASURES)}; received: {measure!r}")
        super().__init__(**kwargs)
        self.step = step
        self.measure = measure
        self.edge_aware = edge_aware

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The threshold or thresholds, as a tuple."""
        return self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)

    @property
    def window(self) -> int:
        """Side of the median's window, in pixels that are looked at.

        The paper's 4 · stride + 1 pixels of the image are 5 of the logits; of every `step`-th it
        is the odd number nearest to 4 / step + 1, and 3 at least.
        """
        return max(3, 2 * round(2 / self.step) + 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.measure == "entropy" and input_shape[-1] == 1:
            raise InputError("`measure` entropy needs 2 classes or more; received: logits of 1")
        super().build(input_shape)

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return the share of sure pixels."""
        logits = ops.cast(logits[:, :: self.step, :: self.step], "float32")
        # (batch, height, width, thresholds), zeros and ones.
        sure = ops.cast(
            self._measured(logits)[..., None] >= ops.convert_to_tensor(self.thresholds, "float32"),
            "float32",
        )
        if self.edge_aware:
            votes = ops.average_pool(sure, self.window, 1, "same", data_format="channels_last")
            majority = ops.cast(votes >= MAJORITY, "float32")
            sure = ops.where(_near_edges(ops.argmax(logits, axis=-1)), majority, sure)
        shares = ops.mean(sure, axis=(1, 2))
        return shares if isinstance(self.threshold, tuple) else shares[:, 0]

    def _measured(self, logits: Any) -> Any:
        """Certainty of each pixel, `(batch, height, width)`, in [0, 1]."""
        if self.measure == "top1":
            return ops.max(ops.softmax(logits), axis=-1)
        logs = ops.log_softmax(logits)
        return 1 + ops.sum(ops.exp(logs) * logs, axis=-1) / math.log(logits.shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "step": self.step,
            "measure": self.measure,
            "edge_aware": self.edge_aware,
        }


def _near_edges(labels: Any) -> Any:
    """Whether each pixel is near a semantic edge: `(batch, height, width)` to bool with a 1 behind.

    Each pair of neighbours that differ makes an edge of both.
    """
    down = ops.cast(labels[:, 1:] != labels[:, :-1], "float32")
    right = ops.cast(labels[:, :, 1:] != labels[:, :, :-1], "float32")
    edges = sum(
        ops.pad(pairs, padding)
        for pairs, padding in (
            (down, ((0, 0), (0, 1), (0, 0))),
            (down, ((0, 0), (1, 0), (0, 0))),
            (right, ((0, 0), (0, 0), (0, 1))),
            (right, ((0, 0), (0, 0), (1, 0))),
        )
    )
    near = ops.max_pool(edges[..., None], EDGE_WIDTH, 1, "same", data_format="channels_last")
    return near > 0
