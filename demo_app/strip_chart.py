"""The strip of the last frames: what each took, and which tier ran it."""

from collections.abc import Sequence
from dataclasses import dataclass

from demo_app.component import component

_HTML = '<div class="strip"><canvas role="img"></canvas><div class="tiers"></div></div>'


@dataclass(frozen=True)
class FrameTime:
    """One frame of the strip.

    Args:
        tier: name of the tier that ran.
        ms: time of the frame, milliseconds.
    """

    tier: str
    ms: float


def strip_chart(
    frames: Sequence[FrameTime],
    target_ms: float,
    tiers: Sequence[str],
    *,
    capacity: int,
    key: str,
) -> None:
    """Draws the last frames, oldest first.

    Args:
        frames: up to `capacity`.
        target_ms: time of a frame that shall be held, milliseconds.
        tiers: every tier, lightest first; a heavier one is bluer.
        capacity: frames that fit the strip.
        key: of the element.
    """
    component("strip_chart", _HTML)(
        key=key,
        data={
            "frames": [{"tier": frame.tier, "ms": frame.ms} for frame in frames],
            "target_ms": target_ms,
            "capacity": capacity,
            "colors": {
                tier: _color(place / max(1, len(tiers) - 1)) for place, tier in enumerate(tiers)
            },
        },
    )


def _color(weight: float) -> str:
    """From the yellow of a light tier (0) to the blue of a heavy one (1)."""
    return f"hsl({50 + 190 * weight:.0f} {65 + 5 * weight:.0f}% {60 - 5 * weight:.0f}%)"
