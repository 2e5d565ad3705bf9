"""Pictures that move: the files of a folder, or the frames of a video."""

import io
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from demo_app import sources
from demo_app.sources import LARGEST_SIDE, Source
from mobile_export.runtime import TiersegError

VIDEO_TYPES = ("avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm")
"""File name endings that a video may have."""


class Frames(Protocol):
    """What gives one picture after the other, and begins anew at its end."""

    name: str

    def next(self) -> np.ndarray:
        """The next picture, uint8 `(height, width, 3)`, RGB."""


class FolderFrames:
    """Pictures of a folder, in the order of their names; what is no picture is passed over.

    Args:
        files: the folder's files.

    Attributes:
        name: of the picture that came last.
        passed_over: names of the files that are no pictures.

    Raises:
        TiersegError: none of them is a picture.
    """

    def __init__(self, files: Sequence[Source]) -> None:
        self.passed_over: list[str] = []
        self._files = []
        for file in sorted(files, key=lambda file: file.name):
            try:
                sources.open_picture(file)
            except TiersegError:
                self.passed_over.append(file.name)
            else:
                self._files.append(file)
        if not self._files:
            raise TiersegError(
                f"the folder must hold pictures ({', '.join(sources.PICTURE_TYPES)}); got "
                f"{', '.join(self.passed_over[:3]) or 'no file'}"
            )
        self.name = self._files[0].name
        self._place = 0

    def next(self) -> np.ndarray:
        """The next picture, uint8 `(height, width, 3)`, RGB; of the last file's, the first."""
        file = self._files[self._place % len(self._files)]
        self._place += 1
        self.name = file.name
        return sources.open_picture(file)


class VideoFrames:
    """Frames of a video file, decoded as they are asked for.

    Args:
        content: bytes of the file.
        name: what messages call it.

    Attributes:
        name: as given.
        fps: frames a second that the file asks for; 25 where it says nothing.

    Raises:
        TiersegError: it is no video, or one without a frame.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self._content = content
        self._frames = self._decoded()
        self._first: np.ndarray | None = None
        self._first = self.next()

    def next(self) -> np.ndarray:
        """The next frame, uint8 `(height, width, 3)`, RGB; after the last one, the first."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        for _ in range(2):
            frame = next(self._frames, None)
            if frame is not None:
                return frame
            self._frames = self._decoded()
        raise TiersegError(f"{self.name} must be a video with frames; got one without any")

    def _decoded(self) -> Iterator[np.ndarray]:
        import av

        try:
            with av.open(io.BytesIO(self._content), "r") as container:
                if not container.streams.video:
                    return
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                self.fps = float(stream.average_rate or 25)
                for frame in container.decode(stream):
                    yield _shown(frame.to_image())
        except (av.error.FFmpegError, ValueError) as error:
            raise TiersegError(
                f"{self.name} must be a video ({', '.join(VIDEO_TYPES)}); got one that cannot be "
                f"read: {error}"
            ) from error


def _shown(image: Image.Image) -> np.ndarray:
    """No larger than the page shows it."""
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return np.asarray(image.convert("RGB"))
