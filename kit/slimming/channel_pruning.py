"""Network slimming during `fit`: scales that shrink, and channels that become zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kit.errors import InputError
from kit.slimming.channel_group import ChannelGroup
from kit.slimming.channel_map import ChannelMap
from kit.slimming.network_slimming import NetworkSlimming
from kit.slimming.shrinking import Shrinking


class ChannelPruning(keras.callbacks.Callback):
    """Makes channels of a network zero, milestone by milestone, and stops at the last.

    `slimmed` then gives the network without them. A channel that is zero stays so, whatever
    momentum or weight decay would do, and of those that are not, the scales shrink by `l1`. What is
    zero is told by the weights alone, so a run that is gone on with needs nothing else.

    Args:
        slimming: How many channels go, and when.
        pixels: Of an epoch, 0 the first: share of the pixels that data slimming leaves to an image;
            1 by default.

    Raises:
        InputError: when `fit` begins, if the network has no such channels, or `share` would leave
            less than `floor` of them.

    Example:
        >>> slimming = NetworkSlimming(share=0.4)
        >>> network.fit(batches, epochs=40, callbacks=[ChannelPruning(slimming)])
        >>> network = slimmed(network)
    """

    def __init__(
        self, slimming: NetworkSlimming, pixels: Callable[[int], float] | None = None
    ) -> None:
        super().__init__()
        self.slimming = slimming
        self._pixels = pixels or (lambda epoch: 1.0)
        self._groups: list[ChannelGroup] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the channels, and let each step know them."""
        slimming = self.slimming
        self._groups = ChannelMap(self.model).groups(slimming.scope)
        most = sum(map(self._spare, self._groups)) / sum(group.size for group in self._groups)
        if (share := slimming.share * (1 + slimming.coupling)) > most:
            raise InputError(
                f"`share`, times 1 + `coupling`, must be {most:.3f} at most, for each layer of "
                f"this network keeps a `floor` of {slimming.floor}; received: {share:g}"
            )
        self.model.update_by(Shrinking(self._groups, slimming.l1))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Make channels zero if a milestone follows; end training if it is the last."""
        epochs, after = self.params["epochs"], epoch + 1
        milestones = self.slimming.epochs(epochs)
        if after in milestones:
            self._prune(self.slimming.target(after, epochs, self._pixels(epoch)))
        if after >= milestones[-1]:
            self.model.stop_training = True

    def _spare(self, group: ChannelGroup) -> int:
        """How many channels may go."""
        return group.size - max(math.ceil(self.slimming.floor * group.size), 1)

    def _prune(self, share: float) -> None:
        """Make the least important channels zero, a share of all; what is zero is the least."""
        groups = self._groups
        importance = np.concatenate([group.importance() for group in groups])
        owners = np.concatenate([[place] * group.size for place, group in enumerate(groups)])
        spare = [self._spare(group) for group in groups]
        is_alive = np.ones(len(importance), bool)
        left = round(share * len(importance))
        for channel in np.argsort(importance, kind="stable"):
            if left and spare[owners[channel]]:
                is_alive[channel] = False
                spare[owners[channel]] -= 1
                left -= 1
        for place, group in enumerate(groups):
            group.keep(is_alive[owners == place])
