"""A device that heats up: frames whose times follow a trace of slowdowns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobile_export.runtime import FrameBudget

NOMINAL_MS = {"light": 4.0, "brisk": 7.0, "medium": 10.0, "large": 16.0, "heavy": 22.0}
QUALITY = {"light": 0.50, "brisk": 0.55, "medium": 0.60, "large": 0.62, "heavy": 0.65}
TARGET_MS = 1000 / 30

Trace = Callable[[float], float]
"""Slowdown of the device by time in seconds, 1 or more."""

TRACES: dict[str, Trace] = {
    "cool": lambda t: 1.0,
    "step": lambda t: 1.0 if t < 20 else 3.0,
    "steps": lambda t: (1.0, 2.2, 4.0, 1.4)[int(t / 15) % 4],
    "spell": lambda t: 2.5 if 15 <= t < 35 else 1.0,
    "ramp": lambda t: 1 + 3 * min(t / 40, 1),
    "ramp down": lambda t: 4 - 3 * min(t / 40, 1),
    "wave": lambda t: 2.5 - 1.5 * np.cos(2 * np.pi * t / 40),
    "at the edge": lambda t: 0.88 * TARGET_MS / NOMINAL_MS["heavy"],
    "past the edge": lambda t: 0.97 * TARGET_MS / NOMINAL_MS["heavy"],
}


@dataclass(frozen=True)
class Frame:
    """One frame: which tier ran, what it took, when it ended, and how slow the device was."""

    tier: str
    latency_ms: float
    overhead_ms: float
    now_s: float
    slowdown: float

    @property
    def total_ms(self) -> float:
        return self.latency_ms + self.overhead_ms


def replay(
    budget: FrameBudget,
    trace: Trace,
    noise: float,
    *,
    seconds: float = 60.0,
    spikes: float = 0.0,
    seed: int = 0,
) -> list[Frame]:
    """Runs frames at up to 30 a second, of lognormal noise, a share of them three times as long."""
    rng = np.random.default_rng(seed)
    now, frames = 0.0, []
    while now < seconds:
        tier, slowdown = budget.tier, float(trace(now))
        latency = NOMINAL_MS[tier] * slowdown * np.exp(noise * rng.normal())
        if rng.random() < spikes:
            latency *= 3
        overhead = 1.0 * slowdown
        now += max(latency + overhead, 1000 / 30) / 1000
        budget.observe(latency, now, overhead)
        frames.append(Frame(tier, latency, overhead, now, slowdown))
    return frames
