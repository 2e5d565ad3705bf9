"""The live camera, where streamlit-webrtc is installed: pip install 'tierseg[camera]'."""

from typing import Any

import numpy as np
import streamlit as st

from demo_app.choice import Choice, choose
from demo_app.markup import legend
from demo_app.workspace import Workspace
from mobile_export.runtime import Result, overlay

_REFUSED = (
    "Press Start and allow the camera. A camera that was refused can be allowed again beside the "
    "address."
)


class _Painter:
    """Paints each frame on the camera's own thread, with the tier that the page has chosen."""

    def __init__(self, work: Workspace) -> None:
        self.work = work
        self.choice: Choice | None = None
        self.opacity = 0.55
        self.result: Result | None = None

    def __call__(self, frame: Any) -> Any:
        import av

        segmenter, image = self.work.segmenter, np.asarray(frame.to_ndarray(format="rgb24"))
        if self.choice is None:
            return frame
        result = self.choice.run(segmenter, image, native=False)
        painted = overlay(image, result.mask, segmenter.labels, self.opacity)
        self.result = result
        return av.VideoFrame.from_ndarray(painted, format="rgb24")


def camera(work: Workspace) -> None:
    """Draws the camera's frames with their masks, and the switch of the tier.

    Args:
        work: the bundle.
    """
    from streamlit_webrtc import webrtc_streamer

    place = f"painter {work.key}"
    painter = st.session_state.setdefault(place, _Painter(work))
    painter.choice = choose(work.segmenter, work.key)
    painter.opacity = st.slider("Opacity of the mask", 0, 100, 55, format="%d %%") / 100
    left, right = st.columns([7, 3], gap="large")
    with left:
        streaming = webrtc_streamer(
            key=f"camera {work.key}",
            video_frame_callback=painter,
            media_stream_constraints={"video": True, "audio": False},
        )
        if not streaming.state.playing:
            st.caption(_REFUSED)
    with right:
        st.fragment(_figures, run_every=0.5 if streaming.state.playing else None)(painter)


def _figures(painter: _Painter) -> None:
    result = painter.result
    if result is None:
        return
    st.metric("Tier", result.tier, border=True)
    st.metric("Latency of this frame", f"{result.latency_ms:.1f} ms", border=True)
    labels = painter.work.segmenter.labels
    st.markdown(legend(labels, result.shares()), unsafe_allow_html=True)
