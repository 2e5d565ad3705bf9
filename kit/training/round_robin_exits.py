"""MESS's first stage (arXiv 2106.03527): the final exit and one early exit a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import InputError
from kit.tiers import Tier
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier

if TYPE_CHECKING:
    from kit.networks.tier_training import TierTraining


class RoundRobinExits(Schedule):
    """Adds one early exit, in turn, to the final exit of each step; the others are dropped.

    Round-robin is the patent claim's word; the paper's own formula is not public.

    Args:
        configurations: Schedule that draws the configuration of a step, e.g. `PTASampling`; the
            network's default alone by default.
    """

    def __init__(self, configurations: Schedule | None = None) -> None:
        self.configurations = configurations
        self._exits = 0

    def bind(self, network: TierTraining) -> None:
        """Take the exits from `network`.

        Raises:
            InputError: if it has no early exits.
        """
        if self.configurations is None:
            self.configurations = SingleTier(network.default_tier)
        self.configurations.bind(network)
        self.distillation = self.configurations.distillation
        self.teacher = self.configurations.teacher
        self._exits = len(network.exits)
        if not self._exits:
            raise InputError("`schedule` needs a network with early exits; received one without")

    def draw(self, step: int) -> tuple[Tier, ...]:
        """Return an early exit and the final exit of the configuration of step `step`."""
        if not self._exits or self.configurations is None:
            raise InputError("`schedule` must be bound to a network by `compile` before it draws")
        (final,) = self.configurations.draw(step)
        return (Tier(final.configuration, exit=1 + step % self._exits), final)
