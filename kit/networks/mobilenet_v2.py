"""MobileNetV2 (arXiv 1801.04381) as Keras Applications lays it out: sizes and published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.layers.pta_inverted_residual import PTAInvertedResidual
from kit.networks.published import published

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class Group(NamedTuple):
    """Blocks of one width; the first has the group's stride."""

    filters: int
    blocks: int
    strides: int


GROUPS = (
    Group(24, 2, 2),
    Group(32, 3, 2),
    Group(64, 4, 2),
    Group(96, 3, 1),
    Group(160, 3, 2),
    Group(320, 1, 1),
)
"""The 16 blocks of expansion 6, which follow the stem and one block without expansion."""


def channels(filters: int, width: float) -> int:
    """`filters` scaled by `width`, to a multiple of 8 that is at least 90 % of the exact value."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def load_imagenet_weights(network: AdaptiveNetwork, weights: str) -> None:
    """Copy the encoder of Keras Applications' MobileNetV2 by layer name.

    Statistics of every path start as those of the published network, light branches from the most
    important channels of the heavy ones.

    Args:
        network: With an encoder of PTA inverted residuals and an attribute `width`.
        weights: `"imagenet"`, or the path of a weights file without top.

    Raises:
        InputError: if the file is missing or of another width.
    """
    reference = published("MobileNetV2", weights, f" of width {network.width}", alpha=network.width)
    layers = {layer.name: layer for layer in network._flatten_layers() if layer.weights}
    for source in reference.layers:
        if source.weights and source.name in layers:
            layers[source.name].set_weights(source.get_weights())
    for layer in layers.values():
        if isinstance(layer, PTAInvertedResidual):
            layer.light_from_heavy()
    for layer in layers.values():
        if isinstance(layer, PathBatchNormalization):
            layer.copy_statistics()
