"""The same network without the channels that are zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from keras import ops

from kit.errors import InputError
from kit.quantization.integer import Integer
from kit.slimming.channel_map import ChannelMap

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

Network = TypeVar("Network", bound="AdaptiveNetwork")
_Axes = Mapping[int, np.ndarray]


def slimmed(network: Network) -> Network:
    """The same network, physically smaller: without the channels that are zero everywhere.

    A channel is zero where all that gives it is: scales and offsets of its normalisations, kernels
    of convolutions without one. It is gone from the kernels that give it and from those that read
    it, and every tier computes what it did, to the rounding of sums of fewer terms; fake-quantized,
    to a kernel's step, which weights that are gone no longer widen. The result is a network like
    any other: it is saved, trained, quantized and exported as they are.

    Args:
        network: Of any family, in float32 or fake-quantized; it stays as it is.

    Returns:
        A new network, of which `channels` tells what is left.

    Raises:
        InputError: if a layer would have no channel, or the network computes in integers.

    Reference:
        Liu et al., Learning Efficient Convolutional Networks through Network Slimming,
        arXiv 1708.06519.
    """
    if network.arithmetic.policy == Integer.policy:
        raise InputError(
            "`network` must compute in float32 or be fake-quantized, for what integers hold by "
            f"channel is not followed; received: {Integer.policy}"
        )
    channel_map = ChannelMap(network)
    alive = channel_map.alive()
    channels = network.channels
    if alive:
        heads = {head.name: head.in_channels for head in network.exit_heads}
        channels |= heads | channel_map.channels(alive)
    smaller = network.from_config({**network.get_config(), "channels": channels})
    cuts = _cuts(network, channel_map, alive)
    theirs = {layer.name: layer for layer in network._weighted_layers()}
    for layer in smaller._weighted_layers():
        if source := theirs.get(layer.name):
            layer.set_weights([_cut(v, cuts[id(v)]) for v in source.weights])
    return smaller


def carry_optimizer(network: AdaptiveNetwork, smaller: AdaptiveNetwork) -> None:
    """Go on with the steps and the momentum of another network's optimizer.

    Args:
        network: Compiled; its zero channels are those that `slimmed` has removed.
        smaller: What `slimmed` made of it, compiled with an optimizer of the same kind.
    """
    channel_map = ChannelMap(network)
    cuts = _cuts(network, channel_map, channel_map.alive())
    before, after = network.optimizer.variables, smaller.optimizer.variables
    weights = network.trainable_variables
    # What an optimizer knows of itself, then its slots, weight by weight.
    slots = len(before) // len(weights)
    own = len(before) - slots * len(weights)
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        axes = {} if place < own else cuts.get(id(weights[(place - own) // slots]), {})
        new.assign(_cut(old, axes))


def _cuts(
    network: AdaptiveNetwork, channel_map: ChannelMap, alive: Mapping[int, np.ndarray]
) -> dict[int, _Axes]:
    """By the `id` of a variable, the indices of each axis that are kept, where not all."""
    return {
        id(variable): axes
        for layer in network._weighted_layers()
        for variable, axes in zip(layer.weights, channel_map.kept(layer, alive), strict=True)
    }


def _cut(variable: Any, axes: _Axes) -> np.ndarray:
    value = ops.convert_to_numpy(variable)
    for axis, kept in axes.items():
        value = value.take(kept, axis)
    return value
