"""VGG-16 (arXiv 1409.1556) as Keras Applications lays it out: sizes and published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.errors import InputError

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of the five blocks, each of which ends in a stride of 2."""

FULLY_CONNECTED = 4096
"""Channels of what was fully connected."""

MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's red, green and blue, 0–255, which the published weights expect taken away."""

SCALE = 1 / 128
"""Of the image behind its mean, so that it lies near [-1, 1]."""


def load_imagenet_weights(network: AdaptiveNetwork, weights: str) -> None:
    """Copy the convolutions of Keras Applications' VGG16 by layer name.

    The published network reads blue, green, red of 0–255 less their mean: the first kernel is
    turned around and takes up the scale of the image.

    Args:
        network: Whose layers are named alike.
        weights: `"imagenet"`, or the path of a weights file without top.

    Raises:
        InputError: if the file is missing or holds something else.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(
            "`encoder_weights` must be 'imagenet' or the path of a weights file of Keras "
            f"Applications' VGG16 without top; found no file at {weights!r}"
        )
    try:
        reference = keras.applications.VGG16(
            input_shape=(224, 224, 3), include_top=False, weights=weights
        )
    except (ValueError, OSError) as error:
        raise InputError(
            "`encoder_weights` must hold VGG16 without top; "
            f"received: {weights!r} ({str(error).splitlines()[0]})"
        ) from error
    layers = {layer.name: layer for layer in network._flatten_layers() if layer.weights}
    for source in reference.layers:
        if not source.weights:
            continue
        kernel, bias = source.get_weights()
        if source.name == "block1_conv1":
            kernel = np.asarray(kernel[:, :, ::-1]) / SCALE
        layers[source.name].set_weights([kernel, bias])
