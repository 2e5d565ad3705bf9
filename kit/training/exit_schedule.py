"""What schedules of networks with early exits share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import InputError
from kit.tiers import Tier
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class ExitSchedule(Schedule):
    """A schedule over the early exits of a configuration that another schedule draws.

    Args:
        configurations: Draws the configuration of a step, e.g. `PTASampling`; the network's default
            alone by default.
    """

    def __init__(self, configurations: Schedule | None = None) -> None:
        self.configurations = configurations
        self._exits = 0

    def bind(self, network: AdaptiveNetwork) -> None:
        """Take the exits from `network`.

        Raises:
            InputError: if it has no early exits.
        """
        if self.configurations is None:
            self.configurations = SingleTier(network.default_tier)
        self.configurations.bind(network)
        self._exits = len(network.exits)
        if not self._exits:
            raise InputError("`schedule` needs a network with early exits; received one without")

    def _final(self, step: int) -> Tier:
        """The final exit of the configuration of a step."""
        if not self._exits or self.configurations is None:
            raise InputError("`schedule` must be bound to a network by `compile` before it draws")
        (final,) = self.configurations.draw(step)
        return final
