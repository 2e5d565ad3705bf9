"""ResNet-50 (arXiv 1512.03385) as Keras Applications lays it out: sizes and published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras

from kit.errors import InputError

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class Group(NamedTuple):
    """Bottlenecks of one width; the first has the group's stride."""

    name: str
    filters: int
    blocks: int
    strides: int


STEM_FILTERS = 64

GROUPS = (
    Group("conv2", 64, 3, 1),
    Group("conv3", 128, 4, 2),
    Group("conv4", 256, 6, 2),
    Group("conv5", 512, 3, 2),
)
"""The 16 bottlenecks, which follow the stem of stride 4."""

MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's red, green and blue, 0–255, which the published weights expect taken away."""

SCALE = 1 / 128
"""Of the image behind its mean, so that it lies near [-1, 1]."""


def load_imagenet_weights(network: AdaptiveNetwork, weights: str) -> None:
    """Copy the backbone of Keras Applications' ResNet50 by layer name.

    The published network reads blue, green, red and has biases in front of its batch
    normalisations: the first kernel is turned around and takes up the scale of the image, and the
    biases go into the moving means.

    Args:
        network: With a stem and bottlenecks of ResNet-50, which sees red, green and blue.
        weights: `"imagenet"`, or the path of a weights file without top.

    Raises:
        InputError: if the file is missing or holds something else.
    """
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(
            "`encoder_weights` must be 'imagenet' or the path of a weights file of Keras "
            f"Applications' ResNet50 without top; found no file at {weights!r}"
        )
    try:
        reference = keras.applications.ResNet50(
            input_shape=(224, 224, 3), include_top=False, weights=weights
        )
    except (ValueError, OSError) as error:
        raise InputError(
            "`encoder_weights` must hold ResNet50 without top; "
            f"received: {weights!r} ({str(error).splitlines()[0]})"
        ) from error
    layers = {layer.name: layer for layer in network._flatten_layers() if layer.weights}
    sources = {layer.name: layer for layer in reference.layers if layer.weights}
    for name, source in sources.items():
        if not name.endswith("_conv"):
            continue
        kernel, bias = source.get_weights()
        if name == "conv1_conv":
            kernel = kernel[:, :, ::-1] / SCALE
        layers[name].set_weights([kernel])
        norm = f"{name.removesuffix('_conv')}_bn"
        gamma, beta, mean, variance = sources[norm].get_weights()
        layers[norm].set_weights([gamma, beta, mean - bias, variance])
