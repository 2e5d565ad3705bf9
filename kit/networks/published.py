"""Published classifiers, whose weights encoders begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from kit.errors import InputError

MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's red, green and blue, 0–255, which VGG-16 and ResNet-50 expect taken away."""

SCALE = 1 / 128
"""By which the kit multiplies an image behind its mean, so that it lies near [-1, 1]."""


def published(name: str, weights: str, about: str = "", **options: Any) -> keras.Model:
    """A network of Keras Applications with its weights, without top.

    Args:
        name: Of it there.
        weights: `"imagenet"`, or the path of a weights file without top.
        about: What else the weights must be, for the message: ` of width 0.35`.
        **options: As of the network's function.

    Raises:
        InputError: if the file is missing or holds something else.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(
            "`encoder_weights` must be 'imagenet' or the path of a weights file of Keras "
            f"Applications' {name} without top; found no file at {weights!r}"
        )
    try:
        return getattr(keras.applications, name)(
            input_shape=(224, 224, 3), include_top=False, weights=weights, **options
        )
    except (ValueError, OSError) as error:
        raise InputError(
            f"`encoder_weights` must hold {name}{about} without top; "
            f"received: {weights!r} ({str(error).splitlines()[0]})"
        ) from error
