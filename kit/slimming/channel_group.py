"""Channels that can only be removed together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """The channels of tensors that are added up, normalised or convolved each by itself.

    Channel `i` of all these tensors is one: it is zero everywhere where everything that gives it
    is, and then what reads it loses nothing with it.

    Args:
        layers: Names of the layers that give it: normalisations, and convolutions without one.
        size: How many channels.
        gammas: Scales of the normalisations, each `(size,)`.
        given: Variables that make a channel zero by being zero there, with the axis of the
            channels: scales, offsets, and kernels and biases of convolutions without normalisation.
    """

    layers: tuple[str, ...]
    size: int
    gammas: tuple[Any, ...]
    given: tuple[tuple[Any, int], ...]

    def importance(self) -> np.ndarray:
        """The largest magnitude of each channel's scales, `(size,)`.

        A channel that any layer, and with it any tier, makes much of is important.
        """
        return np.max([np.abs(ops.convert_to_numpy(gamma)) for gamma in self.gammas], axis=0)

    def alive(self) -> np.ndarray:
        """Which channels are not zero everywhere, bool `(size,)`."""
        values = [np.moveaxis(ops.convert_to_numpy(v), axis, 0) for v, axis in self.given]
        return np.any([value.reshape(self.size, -1).any(axis=1) for value in values], axis=0)

    def keep(self, alive: Any, among: Iterable[Any] | None = None) -> None:
        """Make the other channels zero.

        Args:
            alive: bool `(size,)`, an array or a tensor of a step that is being traced.
            among: Variables that may be changed; all by default.
        """
        ids = None if among is None else {id(variable) for variable in among}
        for variable, axis in self.given:
            if ids is None or id(variable) in ids:
                shape = [1] * len(variable.shape)
                shape[axis] = self.size
                mask = ops.reshape(ops.cast(alive, variable.dtype), shape)
                variable.assign(variable * mask)
