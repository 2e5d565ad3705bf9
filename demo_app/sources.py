"""Where the page's bundles and pictures come from, opened once for all its visitors."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from mobile_export.runtime import Bundle, Segmenter, load_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"
"""Folder of the shipped bundles (`models`) and sample pictures (`samples`)."""

PICTURE_TYPES = ("bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp")
"""File name endings that a picture may have."""

LARGEST_SIDE = 1280
"""Pictures are shown at most this large, pixels: a page sends the overlay anew at every switch."""


@dataclass(frozen=True)
class Source:
    """A file on disk or an uploaded one.

    Args:
        name: what the page calls it.
        key: changes when the content does; what was opened is kept by it.
        content: the path, or the bytes of an upload.
    """

    name: str
    key: str
    content: Path | bytes

    @classmethod
    def file(cls, path: Path) -> "Source":
        """A file on disk."""
        changed = path.stat().st_mtime_ns if path.exists() else 0
        return cls(path.name, f"{path} {changed}", path)

    def read(self) -> bytes:
        """The whole content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @classmethod
    def upload(cls, uploaded: UploadedFile) -> "Source":
        """A file that the visitor uploaded."""
        return cls(uploaded.name, uploaded.file_id, uploaded.getvalue())


def bundles() -> list[Source]:
    """The bundles to choose from: the one that the program was started with, then the shipped.

    Of these, a bundle after which sample pictures are named comes first: it knows what they show.
    """
    given = [Path(argument) for argument in sys.argv[1:2]]
    pictures = [source.name for source in samples()]
    shipped = sorted(
        (ASSETS / "models").glob("*.tflite"),
        key=lambda path: (not any(name.startswith(path.stem) for name in pictures), path.name),
    )
    return [Source.file(path) for path in [*given, *(p for p in shipped if p not in given)]]


def samples() -> list[Source]:
    """The sample pictures."""
    paths = sorted((ASSETS / "samples").glob("*"))
    return [Source.file(path) for path in paths if path.suffix.lower()[1:] in PICTURE_TYPES]


def open_segmenter(source: Source) -> Segmenter:
    """The segmenter of a bundle, which all visitors share.

    Raises:
        TiersegError: it is no bundle, or a damaged one.
    """
    return _segmenter(source.key, source)


def open_picture(source: Source) -> np.ndarray:
    """A picture, no larger than the page shows it: uint8 `(height, width, 3)`, RGB, read-only.

    Raises:
        TiersegError: it is no picture, or a damaged one.
    """
    return _picture(source.key, source)


@st.cache_resource(max_entries=4, show_spinner="Opening the bundle …")
def _segmenter(key: str, _source: Source) -> Segmenter:
    content = _source.content
    if isinstance(content, bytes):
        bundle = Bundle.from_bytes(content, _source.name)
    else:
        bundle = Bundle.open(content)
    return Segmenter(bundle, threads=1)  # one thread: steady times, and those of the tables


@st.cache_resource(max_entries=16, show_spinner=False)
def _picture(key: str, _source: Source) -> np.ndarray:
    content = _source.content
    image = Image.fromarray(load_image(content, _source.name))
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    picture = np.asarray(image)
    picture.flags.writeable = False
    return picture
