"""Masks over their picture in the browser, where opacity, divider and hover cost no server time."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from demo_app.component import component
from mobile_export.runtime import Label, label_of

_JPEG_QUALITY = 88
_HTML = """
<figure class="mask-view">
  <div class="stage">
    <canvas tabindex="0" role="img"></canvas>
    <output class="tip" hidden></output>
  </div>
  <figcaption>
    <label class="split">Divider <input type="range" min="0" max="100" value="50" /></label>
    <label class="opacity">
      Opacity of the mask <input type="range" min="0" max="100" value="55" />
    </label>
  </figcaption>
</figure>
"""


@dataclass(frozen=True, eq=False)
class ShownMask:
    """One mask and what the page calls it.

    Args:
        title: name of the tier that gave it.
        mask: uint8 array `(height, width)` of class ids, of any size: it is stretched over the
            picture.
        latency_ms: time of its inference, milliseconds.
    """

    title: str
    mask: np.ndarray
    latency_ms: float = 0.0


def mask_view(
    picture: str,
    masks: Sequence[ShownMask],
    labels: Iterable[Label],
    key: str,
    frame: int = 0,
) -> None:
    """Draws one mask over a picture, or two on either side of a divider that can be moved.

    The class under the pointer is named, and the opacity can be set.

    Args:
        picture: what `picture_url` gives.
        masks: one or two.
        labels: classes with their names and colours.
        key: of the element, so that the next mask takes this one's place.
        frame: number of a moving picture.
    """
    named = tuple(labels)
    present = sorted({int(i) for shown in masks for i in np.unique(shown.mask)})
    classes = [label_of(class_id, named) for class_id in present]
    component("mask_view", _HTML)(
        key=key,
        data={
            "picture": picture,
            "masks": [
                {
                    "title": shown.title,
                    "url": _url(shown.mask, "PNG", compress_level=1),
                    "latency_ms": shown.latency_ms,
                }
                for shown in masks
            ],
            "labels": {label.id: {"name": label.name, "color": _hex(label)} for label in classes},
            "frame": frame,
        },
    )


def picture_url(image: np.ndarray) -> str:
    """A picture, uint8 `(height, width, 3)`, as a data URL of a JPEG."""
    return _url(image, "JPEG", quality=_JPEG_QUALITY)


def _url(pixels: np.ndarray, kind: str, **options: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    content = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{content}"


def _hex(label: Label) -> str:
    return "#{:02x}{:02x}{:02x}".format(*label.color)
