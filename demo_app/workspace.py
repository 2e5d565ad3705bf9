"""What the visitor has chosen on the left, which every page works on."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from demo_app import sources
from demo_app.mask_view import picture_url
from demo_app.sources import Source
from mobile_export.runtime import Segmenter, TiersegError

ACCENT = "#0f766e"
"""Colour of what is chosen."""

_PLACE = "workspace"
_NO_BUNDLE = (
    "No bundle was found. Make one with `make quickstart`, start the app with "
    "`tierseg demo FILE.tflite`, or upload one on the left."
)
_NO_PICTURE = "No sample picture was found. Upload a picture on the left."


@dataclass(frozen=True, eq=False)
class Workspace:
    """A bundle and a picture, opened.

    Args:
        bundle: where the bundle came from.
        segmenter: runs it; all visitors share it.
        image: uint8 `(height, width, 3)`, RGB.
        url: the same as the browser takes it.
    """

    bundle: Source
    segmenter: Segmenter
    image: np.ndarray
    url: str

    @property
    def key(self) -> str:
        """Tells the controls of one bundle from another's."""
        return self.bundle.key


def choose_workspace() -> None:
    """Draws the choice of bundle and picture on the left; a fault becomes one line on the page."""
    st.session_state[_PLACE] = None
    bundle = _choice("Bundle", sources.bundles(), ("tflite",))
    about = st.sidebar.empty()
    picture = _choice("Picture", sources.samples(), sources.PICTURE_TYPES)
    if bundle is None or picture is None:
        st.info(_NO_BUNDLE if bundle is None else _NO_PICTURE, icon=":material/info:")
        return
    try:
        segmenter = sources.open_segmenter(bundle)
        image = sources.open_picture(picture)
    except (TiersegError, OSError) as error:
        fault(error)
        return
    about.caption(_about(segmenter))
    st.session_state[_PLACE] = Workspace(bundle, segmenter, image, _url(picture.key, image))


def workspace() -> Workspace | None:
    """What was chosen; None where the page has already said what is missing."""
    return st.session_state.get(_PLACE)


def fault(error: Exception) -> None:
    """What is wrong with a file, in one line."""
    st.error(str(error), icon=":material/error:")


@st.cache_data(max_entries=16, show_spinner=False)
def _url(key: str, _image: np.ndarray) -> str:
    return picture_url(_image)


def _choice(title: str, found: list[Source], endings: tuple[str, ...]) -> Source | None:
    """The sidebar's choice of one file: an uploaded one before a chosen one."""
    with st.sidebar:
        st.subheader(title, anchor=False)
        chosen = None
        if found:
            place = st.selectbox(
                title,
                range(len(found)),
                format_func=lambda place: found[place].name,
                key=f"{title} choice",
                label_visibility="collapsed",
            )
            chosen = found[place]
        uploaded = st.file_uploader(f"or upload your own {title.lower()}", list(endings))
    return chosen if uploaded is None else Source.upload(uploaded)


def _about(segmenter: Segmenter) -> str:
    """What the bundle says of itself, in three lines."""
    metadata = segmenter.bundle.metadata or {}
    size_mb = len(segmenter.bundle.model_bytes) / 1e6
    height, width = segmenter.image_size
    lines = (
        f"**{metadata.get('name', 'without metadata')}** {metadata.get('version', '')}",
        f"{len(segmenter.tiers)} tiers in {size_mb:.2f} MB of int8",
        f"{height} × {width} pixels, threads: {segmenter.threads}",
    )
    return "  \n".join(lines)
