"""Holds a frame budget by switching tiers from frame to frame."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from mobile_export.runtime.budget import qualities
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.frame_budget import FrameBudget
from mobile_export.runtime.result import Result
from mobile_export.runtime.segmenter import Segmenter


class Governor:
    """Runs each frame with the best tier that keeps a time budget, as the device slows or recovers.

    A phone that heats up runs at a half or a third of its speed, which no choice made beforehand
    can know. The governor measures every frame and switches tiers by the rule of `FrameBudget`:
    four frames after a sudden slowdown it has left a tier that cannot hold the budget, otherwise it
    switches at most once a second, and it goes back up when the device is fast again.

    Args:
        segmenter: runs the frames; measured first, unless it has been.
        target_ms: longest time of a whole frame, milliseconds: 1000 / 30 holds 30 frames a second
            if nothing else takes time.
        tiers: names of the tiers to choose among; all by default.
        clock: seconds that never go back.

    Attributes:
        segmenter: as given.
        budget: the `FrameBudget` that chooses.

    Raises:
        TiersegError: `target_ms` is not above 0, or a tier does not exist.

    Example:
        governor = Governor(Segmenter("camvid.tflite"), target_ms=33)
        for frame in camera:
            show(governor(frame).mask)
    """

    def __init__(
        self,
        segmenter: Segmenter,
        target_ms: float,
        *,
        tiers: Iterable[str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        names = segmenter.tiers if tiers is None else tuple(tiers)
        infos = {name: segmenter.info(name) for name in names}
        measured = segmenter.measured()
        self.segmenter = segmenter
        self.budget = FrameBudget(
            {name: measured[name] for name in names}, qualities(infos, measured), target_ms
        )
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def tier(self) -> str:
        """Name of the tier that the next frame runs."""
        return self.budget.tier

    def __call__(self, image: np.ndarray, *, native: bool = False, slowdown: float = 1.0) -> Result:
        """Segments one frame with the tier of the hour.

        Args:
            image: as for a call of the segmenter.
            native: as for a call of the segmenter.
            slowdown: makes the frame take so many times as long, 1 or more: a device that heats up,
                for demonstrations.

        Returns:
            As of a call of the segmenter, whose times are those of the slowed frame.

        Raises:
            TiersegError: `slowdown` is below 1, or as for a call of the segmenter.
        """
        if not slowdown >= 1:
            raise TiersegError(f"`slowdown` must be 1 or more, got {slowdown}")
        tier = self.tier
        result = self.segmenter(image, tier, native=native)
        if slowdown > 1:
            time.sleep(result.total_ms * (slowdown - 1) / 1000)
            result = replace(
                result,
                latency_ms=result.latency_ms * slowdown,
                total_ms=result.total_ms * slowdown,
            )
        with self._lock:
            if tier == self.budget.tier:  # else another thread has just switched
                overhead_ms = result.total_ms - result.latency_ms
                self.budget.observe(result.latency_ms, self._clock(), overhead_ms)
        return result
