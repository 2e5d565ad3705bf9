"""How long each signature usually takes on this device."""

import statistics
import threading
from collections import deque

_WINDOW = 50


class Latencies:
    """Running medians of times by name; one object serves all threads.

    The median is that of the last 50 times, so that a device that heats up is noticed.

    Example:
        latencies = Latencies()
        latencies.add("light", 4.2)
        latencies.medians()  # {"light": 4.2}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: dict[str, deque[float]] = {}

    def add(self, name: str, latency_ms: float) -> None:
        """Takes down one time.

        Args:
            name: what ran.
            latency_ms: how long it took, milliseconds.
        """
        with self._lock:
            self._recent.setdefault(name, deque(maxlen=_WINDOW)).append(latency_ms)

    def medians(self) -> dict[str, float]:
        """Running median of each name that has a time, milliseconds."""
        with self._lock:
            return {name: statistics.median(times) for name, times in self._recent.items()}
