"""MESS's first stage (arXiv 2106.03527): the final exit and one early exit a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.tiers import Tier
from kit.training.exit_schedule import ExitSchedule

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class RoundRobinExits(ExitSchedule):
    """Adds one early exit, in turn, to the final exit of each step; the others are dropped.

    Round-robin is the patent claim's word; the paper's own formula is not public.

    Args:
        configurations: Schedule that draws the configuration of a step, e.g. `PTASampling`; the
            network's default alone by default.
    """

    def bind(self, network: AdaptiveNetwork) -> None:
        """Take the exits from `network`, and the distillation from the configurations' schedule."""
        super().bind(network)
        if self.configurations is not None:
            self.distillation = self.configurations.distillation
            self.teacher = self.configurations.teacher

    def draw(self, step: int) -> tuple[Tier, ...]:
        """Return an early exit and the final exit of the configuration of step `step`."""
        final = self._final(step)
        return (Tier(final.configuration, exit=1 + step % self._exits), final)
