"""What network slimming does in each training step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from kit.slimming.channel_group import ChannelGroup

Pairs = Sequence[tuple[Any, Any]]


class Shrinking:
    """Lets the scales of channels shrink, and keeps at zero those that are.

    A channel whose scales are all zero before an optimizer's update is zero after it, offsets
    included, whatever momentum and weight decay would do; all other scales have the sub-gradient of
    their L1 norm added to their gradient (arXiv 1708.06519). Zero is what the weights say: there is
    no other state.

    Args:
        groups: The channels.
        l1: Weight of the L1 norm.
    """

    def __init__(self, groups: Sequence[ChannelGroup], l1: float) -> None:
        self._groups = groups
        self._l1 = l1
        self._gammas = {id(gamma) for group in groups for gamma in group.gammas}

    def __call__(self, pairs: Pairs, update: Callable[[Pairs], None]) -> None:
        """Update, within a step that is being traced.

        Args:
            pairs: Gradients and variables.
            update: What the optimizer does with such pairs.
        """
        moved = [variable for _, variable in pairs]
        alive = [
            functools.reduce(ops.logical_or, [ops.not_equal(gamma, 0) for gamma in group.gammas])
            for group in self._groups
        ]
        update([(self._pulled(gradient, variable), variable) for gradient, variable in pairs])
        for group, is_alive in zip(self._groups, alive, strict=True):
            group.keep(is_alive, moved)

    def _pulled(self, gradient: Any, variable: Any) -> Any:
        if id(variable) not in self._gammas:
            return gradient
        return gradient + self._l1 * ops.sign(variable)
