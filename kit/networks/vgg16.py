"""VGG-16 (arXiv 1409.1556) as Keras Applications lays it out: sizes and published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.networks.published import SCALE, published

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of the five blocks, each of which ends in a stride of 2."""

FULLY_CONNECTED = 4096
"""Channels of what was fully connected."""


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
    reference = published("VGG16", weights)
    layers = {layer.name: layer for layer in network._flatten_layers() if layer.weights}
    for source in reference.layers:
        if not source.weights:
            continue
        kernel, bias = source.get_weights()
        if source.name == "block1_conv1":
            kernel = np.asarray(kernel[:, :, ::-1]) / SCALE
        layers[source.name].set_weights([kernel, bias])
