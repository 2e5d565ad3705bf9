"""Folders and videos as frames."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from demo_app.frames import FolderFrames, VideoFrames
from demo_app.sources import Source
from mobile_export.runtime import TiersegError

COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]


def png(color: tuple[int, int, int], size: tuple[int, int] = (32, 24)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, "PNG")
    return stream.getvalue()


def video(frames: int = 3, size: tuple[int, int] = (64, 48)) -> bytes:
    """A video whose frames are of one colour each."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height = size
        track.pix_fmt = "yuv420p"
        for place in range(frames):
            frame = av.VideoFrame.from_image(Image.new("RGB", size, COLORS[place % 3]))
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return stream.getvalue()


def sound() -> bytes:
    """A file that holds sound alone."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="wav") as container:
        track = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(track.encode(frame))
        container.mux(track.encode())
    return stream.getvalue()


def uploads(**files: bytes) -> list[Source]:
    return [Source(name, f"{name} {len(content)}", content) for name, content in files.items()]


def test_a_folder_goes_by_name_round_and_round_and_passes_over_what_is_no_picture() -> None:
    frames = FolderFrames(uploads(b=png(COLORS[1]), a=png(COLORS[0]), text=b"no picture"))
    seen = [tuple(frames.next()[0, 0]) for _ in range(4)]
    assert seen == [COLORS[0], COLORS[1], COLORS[0], COLORS[1]]
    assert frames.passed_over == ["text"]
    assert frames.name == "b"


@pytest.mark.parametrize(
    ("files", "got"), [({}, "no file"), ({"a": b"x", "b": b"y"}, "a, b")], ids=["none", "texts"]
)
def test_a_folder_without_pictures_is_refused(files: dict[str, bytes], got: str) -> None:
    with pytest.raises(TiersegError, match=f"the folder must hold pictures .*; got {got}"):
        FolderFrames(uploads(**files))


def test_a_video_gives_its_frames_and_begins_anew() -> None:
    frames = VideoFrames(video(), "v.mp4")
    assert frames.fps == 10
    seen = [frames.next() for _ in range(5)]
    assert seen[0].shape == (48, 64, 3)
    for place, frame in enumerate(seen):
        difference = np.abs(frame.astype(int) - COLORS[place % 3]).mean()
        assert difference < 12


def test_large_frames_are_made_smaller() -> None:
    assert VideoFrames(video(1, (2560, 1440)), "v.mp4").next().shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "v.mp4 must be a video"),
        (b"just a text", "v.mp4 must be a video"),
        (sound(), "v.mp4 must be a video with frames; got one without any"),
    ],
    ids=["empty", "text", "sound"],
)
def test_what_is_no_video_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(TiersegError) as caught:
        VideoFrames(content, "v.mp4")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_video_that_breaks_off_shows_what_it_has() -> None:
    content = video(3)
    frames = VideoFrames(content, "v.mp4")
    for _ in range(7):
        assert frames.next().shape == (48, 64, 3)
