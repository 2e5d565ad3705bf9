"""ResNet-50 (arXiv 1512.03385) as Keras Applications lays it out: sizes and published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kit.networks.published import SCALE, published

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
    reference = published("ResNet50", weights)
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
