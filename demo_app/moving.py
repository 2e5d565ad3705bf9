"""Frames that keep running: the tier is switched by hand, or holds a frame rate by itself."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from demo_app.choice import choose
from demo_app.figures import percent
from demo_app.frames import Frames
from demo_app.markup import legend
from demo_app.mask_view import ShownMask, mask_view, picture_url
from demo_app.strip_chart import FrameTime, strip_chart
from demo_app.workspace import Workspace, fault
from mobile_export.runtime import Governor, Result, TiersegError

_SHOWN = 120
_INTERVAL_S = 0.04


@dataclass
class _Film:
    """What one visitor has of a film between two frames."""

    frames: Frames
    image: np.ndarray
    number: int = 0
    times: deque[FrameTime] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    governor: Governor | None = None

    def advance(self) -> None:
        self.image = self.frames.next()
        self.number += 1


def moving(work: Workspace, key: str, opened: Callable[[], Frames]) -> None:
    """Draws frames with the controls of their tiers.

    Args:
        work: the bundle.
        key: of the frames; others take their place when it changes.
        opened: opens them.

    Raises:
        TiersegError: they cannot be opened.
    """
    place = f"film {work.key}"
    kept_key, film = st.session_state.get(place, (None, None))
    if kept_key != key:
        frames = opened()
        film = _Film(frames, frames.next())
        st.session_state[place] = key, film
    playing = st.toggle("Play", value=True, key="play")
    st.fragment(_moving, run_every=_INTERVAL_S if playing else None)(work, film, playing)


def _moving(work: Workspace, film: _Film, playing: bool) -> None:
    try:
        if playing:
            film.advance()
        _frame(work, film)
    except TiersegError as error:
        fault(error)


def _frame(work: Workspace, film: _Film) -> None:
    """Runs and draws one frame."""
    segmenter = work.segmenter
    switch, rate, brake = st.columns([3, 3, 3], gap="large", vertical_alignment="bottom")
    holds = switch.toggle(
        "Hold a frame rate",
        key="holds",
        help="The tier is chosen frame by frame: the best that keeps the rate.",
    )
    per_second = rate.slider("Frames a second", 1, 60, 30, disabled=not holds, key="rate")
    slowdown = brake.slider(
        "Slow this machine down",
        1.0,
        8.0,
        1.0,
        0.5,
        format="%.1f ×",
        disabled=not holds,
        key="slowdown",
    )
    if holds:
        result = _governed(work, film, 1000 / per_second, slowdown)
    else:
        result = choose(segmenter, work.key).run(segmenter, film.image)
    film.times.append(FrameTime(result.tier, result.total_ms))
    left, right = st.columns([7, 3], gap="large")
    with left:
        shown = ShownMask(result.tier, result.mask, result.latency_ms)
        mask_view(picture_url(film.image), [shown], segmenter.labels, "film", film.number)
        st.markdown(legend(segmenter.labels, result.shares()), unsafe_allow_html=True)
    with right:
        st.metric("Tier", result.tier, border=True)
        st.metric("Time of this frame", f"{result.total_ms:.1f} ms", border=True)
        strip_chart(
            list(film.times), 1000 / per_second, segmenter.tiers, capacity=_SHOWN, key="strip"
        )
        held = sum(frame.ms <= 1000 / per_second for frame in film.times) / len(film.times)
        told = f"of the last {len(film.times)} frames took at most {1000 / per_second:.1f} ms"
        st.caption(f"{percent(held)} {told}.")
        st.caption(f"{film.frames.name}, frame {film.number}")


def _governed(work: Workspace, film: _Film, target_ms: float, slowdown: float) -> Result:
    """One frame by the governor, which is made when it is first asked for."""
    if film.governor is None:
        with st.spinner("Measuring every tier …"):
            film.governor = Governor(work.segmenter, target_ms)
    film.governor.budget.target_ms = target_ms
    return film.governor(film.image, native=True, slowdown=slowdown)
