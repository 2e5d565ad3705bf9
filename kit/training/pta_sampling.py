"""PTA-sampling (arXiv 2301.06358): one configuration per training step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kit.errors import InputError
from kit.tiers import Tier
from kit.training.schedule import Schedule

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class PTASampling(Schedule):
    """Draws one configuration a step.

    The paper's abstract tells no more than that configurations are sampled during training. Warm
    start, draw weights and distillation are this project's, against what a first trial of uniform
    draws from step one showed: every tier below the plain network at equal steps.

    Args:
        seed: Of the draws; a draw depends on `(seed, step)` alone.
        warm_up: Steps at the start that train `teacher` alone.
        weights: Relative frequency of each configuration, by name; uniform by default. Those not
            named are not drawn.
        distillation: Weight of the Kullback–Leibler divergence from the teacher's predictions, in
            steps that train another tier (in-place distillation, arXiv 1903.05134); 0 for none.
        teacher: Tier of the warm start and of the distillation; the network's default by default.

    Raises:
        InputError: if a weight is negative or names no tier of the network.
    """

    def __init__(
        self,
        seed: int = 0,
        warm_up: int = 0,
        weights: Mapping[str, float] | None = None,
        distillation: float = 0.0,
        teacher: str | Tier | None = None,
    ) -> None:
        shares = [] if weights is None else list(weights.values())
        if weights is not None and not (min(shares, default=0) >= 0 and 0 < sum(shares) < np.inf):
            raise InputError(
                f"`weights` must be non-negative and not all zero; received: {dict(weights)}"
            )
        if warm_up < 0 or distillation < 0:
            raise InputError(
                "`warm_up` and `distillation` must be at least 0; "
                f"received: {warm_up} and {distillation}"
            )
        self.seed = seed
        self.warm_up = warm_up
        self.weights = dict(weights) if weights is not None else None
        self.distillation = distillation
        self.teacher = Tier.parse(teacher) if teacher is not None else None
        self._tiers: tuple[Tier, ...] = ()
        self._cumulative = np.zeros(0)

    def bind(self, network: AdaptiveNetwork) -> None:
        """Take the tiers to draw from `network`."""
        self.teacher = network.resolve(self.teacher or network.default_tier)
        weights = self.weights or dict.fromkeys(network.configurations, 1.0)
        self._tiers = tuple(network.resolve(name) for name in weights)
        shares = np.array(list(weights.values()), dtype=float)
        self._cumulative = np.cumsum(shares / shares.sum())

    def draw(self, step: int) -> tuple[Tier, ...]:
        """Return the configuration of step `step`."""
        if not self._tiers or self.teacher is None:
            raise InputError("`schedule` must be bound to a network by `compile` before it draws")
        if step < self.warm_up:
            return (self.teacher,)
        uniform = np.random.default_rng((self.seed, step)).random()
        index = int(np.searchsorted(self._cumulative, uniform, side="right"))
        return (self._tiers[min(index, len(self._tiers) - 1)],)
