"""The page *Live*: the switch of the tier, on a picture or while frames keep running."""

import importlib.util

import streamlit as st

from demo_app.frames import VIDEO_TYPES, FolderFrames, VideoFrames
from demo_app.mask_view import picture_url
from demo_app.moving import moving
from demo_app.sources import PICTURE_TYPES, Source, open_picture
from demo_app.still import still
from demo_app.workspace import Workspace, fault, workspace
from mobile_export.runtime import TiersegError

_PICTURE, _FOLDER, _VIDEO, _PHOTO, _CAMERA = (
    "Picture",
    "Folder",
    "Video",
    "Camera photo",
    "Live camera",
)
_REFUSED = "No photo yet. If the browser has refused the camera, allow it beside the address."


def live(work: Workspace) -> None:
    """Draws the page."""
    kinds = [_PICTURE, _FOLDER, _VIDEO, _PHOTO]
    if importlib.util.find_spec("streamlit_webrtc"):
        kinds.append(_CAMERA)
    kind = st.segmented_control(
        "Input", kinds, default=_PICTURE, required=True, key="input", label_visibility="collapsed"
    )
    if kind == _PICTURE:
        still(work.segmenter, work.image, work.url, work.key)
    elif kind == _FOLDER:
        files = st.file_uploader(
            "A folder of pictures", list(PICTURE_TYPES), accept_multiple_files="directory"
        )
        if files:
            key = " ".join(file.file_id for file in files)
            moving(work, key, lambda: FolderFrames([Source.upload(file) for file in files]))
    elif kind == _VIDEO:
        video = st.file_uploader("A video", list(VIDEO_TYPES))
        if video:
            moving(work, video.file_id, lambda: VideoFrames(video.getvalue(), video.name))
    elif kind == _PHOTO:
        photo = st.camera_input("A photo", label_visibility="collapsed")
        if photo is None:
            st.caption(_REFUSED)
        else:
            image = open_picture(Source.upload(photo))
            still(work.segmenter, image, picture_url(image), work.key)
    else:
        from demo_app.camera import camera

        camera(work)


if (found := workspace()) is not None:
    try:
        live(found)
    except TiersegError as error:
        fault(error)
