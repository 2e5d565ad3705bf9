"""Which channels of a network's layers are the same, followed through the graphs of all tiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np

from kit.errors import InputError
from kit.quantization.groups import activation_of, tensors_of, walk
from kit.slimming.channel_group import ChannelGroup

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

Scope = Literal["multi_scale", "network"]
"""Whose channels: of the heads and decoders alone (`AdaptiveNetwork.multi_scale`), or of all."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

Spaces = tuple[int, ...]
"""Of a tensor's channels, in a row, each a number: several behind a concatenation."""

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
_TOGETHER = (keras.layers.Add, keras.layers.Average)
# Each gives zero for zero, channel by channel.
_EACH = (
    keras.layers.ReLU,
    keras.layers.UpSampling2D,
    keras.layers.MaxPooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Dropout,
)
_ZERO_FOR_ZERO = ("linear", "relu", "relu6")


class ChannelMap:
    """The channels of a network that can be removed, and where they are.

    Every convolution gives channels of its own. They go on, the same, through what treats each by
    itself (normalisation, activation, depthwise convolution, interpolation, pooling), stand beside
    others behind a concatenation, and are tied to others where tensors are added up, or where one
    kernel reads the one in one tier and the other in another. The image, the logits and what is
    behind a layer that is not known here stay whole.

    Args:
        network: Of any family.
    """

    def __init__(self, network: AdaptiveNetwork) -> None:
        self._sizes: list[int] = []
        self._tied: list[int] = []
        self._whole: set[int] = set()
        self._spaces: dict[str, tuple[Spaces, Spaces]] = {}  # by layer: what it takes, and gives
        self._layers: dict[str, Any] = {}
        self._norms: set[str] = set()
        self._bare: set[str] = set()
        for model in network.float_models():
            self._follow(model)
        self._scoped = {
            layer.name
            for part in network.multi_scale
            for layer in (part, *part._flatten_layers(include_self=False))
        }
        self._groups = self._grouped()

    def groups(self, scope: Scope = "network") -> list[ChannelGroup]:
        """The channels of a scope that can be removed, in the order in which tiers run them.

        Args:
            scope: `"network"`, or `"multi_scale"` for those that only heads and decoders give.

        Raises:
            InputError: if there is no such scope, or nothing in it is normalised.
        """
        if scope not in SCOPES:
            raise InputError(f"`scope` must be one of {', '.join(SCOPES)}; received: {scope!r}")
        found = [
            group
            for group in self._groups.values()
            if scope == "network" or self._scoped.issuperset(group.layers)
        ]
        if not found:
            raise InputError(
                f"`scope` must hold channels that are normalised; received: {scope!r}, which has "
                "none in this network"
            )
        return found

    def alive(self) -> dict[int, np.ndarray]:
        """Of every space of which a channel is zero everywhere, which are not."""
        found = {root: group.alive() for root, group in self._groups.items()}
        for root, alive in found.items():
            if not alive.any():
                raise InputError(
                    "`network` must have a channel or more in each layer; received: none in "
                    f"{', '.join(self._groups[root].layers)}"
                )
        return {root: alive for root, alive in found.items() if not alive.all()}

    def channels(self, alive: Mapping[int, np.ndarray]) -> dict[str, int]:
        """How many output channels convolutions keep, by name, where not all.

        Args:
            alive: As `alive` gave it.
        """
        return {
            name: int(alive[root].sum())
            for name, (_, (space, *_)) in self._spaces.items()
            if isinstance(self._layers[name], _CONVOLUTIONS)
            and (root := self._root(space)) in alive
        }

    def kept(self, layer: Any, alive: Mapping[int, np.ndarray]) -> list[dict[int, np.ndarray]]:
        """What is kept of a layer's weights.

        Args:
            layer: That holds weights.
            alive: As `alive` gave it.

        Returns:
            For each of its weights, by axis, the indices that are kept.
        """
        axes: dict[int, Spaces]
        found = []
        takes, gives = self._spaces.get(layer.name, ((), ()))
        for variable in layer.weights:
            if len(variable.shape) == 1 or isinstance(layer, keras.layers.BatchNormalization):
                axes = {0: gives}
            elif isinstance(layer, keras.layers.DepthwiseConv2D):
                axes = {2: takes}
            elif isinstance(layer, keras.layers.Conv2DTranspose):
                axes = {3: takes, 2: gives}
            else:
                axes = {2: takes, 3: gives}
            found.append(
                {
                    axis: np.flatnonzero(np.concatenate([self._alive(s, alive) for s in spaces]))
                    for axis, spaces in axes.items()
                    if any(self._root(space) in alive for space in spaces)
                }
            )
        return found

    def _alive(self, space: int, alive: Mapping[int, np.ndarray]) -> np.ndarray:
        return alive.get(self._root(space), np.ones(self._sizes[space], bool))

    # === Following ===

    def _follow(self, model: keras.Model) -> None:
        """Take down what one functional model in float32 does to channels."""
        spaces: dict[int, Spaces] = {id(x): (self._new(x),) for x in model.inputs}
        for (space,) in spaces.values():
            self._whole.add(space)
        unnormed: dict[int, str] = {}
        alive: list[Any] = []  # so that no `id` is given twice

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            output = layer(*args, **kwargs)
            inputs = tensors_of((args, kwargs))
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            self._bare.update(unnormed[id(x)] for x in inputs if id(x) in unnormed and not is_norm)
            (result,) = tensors_of(output)
            alive.append(result)
            spaces[id(result)] = self._given(layer, [spaces[id(x)] for x in inputs], result)
            if _holds_its_kernel(layer):
                unnormed[id(result)] = layer.name
            return output

        for tensor in walk(model, call).outputs:
            self._whole.update(spaces[id(tensor)])

    def _given(self, layer: Any, inputs: list[Spaces], output: Any) -> Spaces:
        """The spaces of a layer's output."""
        if _holds_its_kernel(layer) and _is_zero_for_zero(layer):
            known = self._spaces.get(layer.name)
            gives = known[1] if known else (self._new(output),)
            return self._note(layer, inputs[0], gives)
        if _goes_by_channel(layer) and len(inputs[0]) == 1:
            if isinstance(layer, keras.layers.BatchNormalization):
                self._norms.add(layer.name)
            return self._note(layer, inputs[0], inputs[0])
        if isinstance(layer, keras.layers.Concatenate):
            return tuple(space for spaces in inputs for space in spaces)
        if isinstance(layer, _TOGETHER):
            for other in inputs[1:]:
                self._tie(inputs[0], other)
            return inputs[0]
        if isinstance(layer, _EACH) or activation_of(layer) in _ZERO_FOR_ZERO:
            return inputs[0]
        for spaces in inputs:
            self._whole.update(spaces)
        space = self._new(output)
        self._whole.add(space)
        return (space,)

    def _note(self, layer: Any, takes: Spaces, gives: Spaces) -> Spaces:
        """A layer with weights; where several tiers run it, what it takes is tied."""
        if layer.name in self._spaces:
            for before, now in zip(self._spaces[layer.name], (takes, gives), strict=True):
                self._tie(before, now)
        else:
            self._spaces[layer.name] = (takes, gives)
            self._layers[layer.name] = layer
        return gives

    def _new(self, tensor: Any) -> int:
        self._sizes.append(tensor.shape[-1])
        self._tied.append(len(self._tied))
        return len(self._tied) - 1

    def _root(self, space: int) -> int:
        """The first of all spaces that are tied to one."""
        while self._tied[space] != space:
            space = self._tied[space]
        return space

    def _tie(self, first: Spaces, second: Spaces) -> None:
        if [self._sizes[space] for space in first] != [self._sizes[space] for space in second]:
            self._whole.update((*first, *second))
            return
        for one, other in zip(first, second, strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._tied[high] = low

    def _grouped(self) -> dict[int, ChannelGroup]:
        """What can be removed, by root."""
        givers: dict[int, list[Any]] = {}
        for name in self._layers:
            if name in self._norms or name in self._bare:
                (space,) = self._spaces[name][1]
                givers.setdefault(self._root(space), []).append(self._layers[name])
        whole = {self._root(space) for space in self._whole}
        groups = {}
        for root, layers in sorted(givers.items()):
            norms = [layer for layer in layers if layer.name in self._norms]
            if root in whole or not norms:
                continue
            given = {id(v): (v, axis) for layer in layers for v, axis in _zeroing(layer)}
            groups[root] = ChannelGroup(
                tuple(layer.name for layer in layers),
                self._sizes[root],
                tuple({id(layer.gamma): layer.gamma for layer in norms}.values()),
                tuple(given.values()),
            )
        return groups


def _holds_its_kernel(layer: Any) -> bool:
    """Whether it is a convolution with a kernel of its own; one that is computed is not cut."""
    return isinstance(layer, _CONVOLUTIONS) and any(layer.kernel is v for v in layer.weights)


def _is_zero_for_zero(layer: Any) -> bool:
    return keras.activations.serialize(layer.activation) in _ZERO_FOR_ZERO


def _goes_by_channel(layer: Any) -> bool:
    """Whether it is a normalisation, or a depthwise convolution that gives zero for zero."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return layer.depth_multiplier == 1 and not layer.use_bias and _is_zero_for_zero(layer)
    return isinstance(layer, keras.layers.BatchNormalization)


def _zeroing(layer: Any) -> list[tuple[Any, int]]:
    """What makes a layer's channels zero, with the channels' axis."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [(layer.gamma, 0), (layer.beta, 0)]
    axis = 2 if isinstance(layer, keras.layers.Conv2DTranspose) else 3
    bias = [(layer.bias, 0)] if layer.use_bias else []
    return [(layer.kernel, axis), *bias]
