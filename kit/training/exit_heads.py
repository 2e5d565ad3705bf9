"""MESS's second stage (arXiv 2106.03527): heads alone, taught by the final exit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kit.tiers import Tier
from kit.training.exit_schedule import ExitSchedule
from kit.training.filtered_distillation import FilteredDistillation
from kit.training.schedule import Schedule


class ExitHeads(ExitSchedule):
    """Trains the heads of all early exits at once, each by itself, on one pass of the trunk.

    Trunk and final exit stay as they are, BatchNorm statistics included. Heads share no variable,
    so that the sum of their losses trains each as if it were alone.

    Args:
        loss: Of one exit, given the final exit's logits; positive filtering by default.
        configurations: Schedule that draws the configuration of a step; the network's default
            alone by default.
    """

    heads_only = True

    def __init__(
        self, loss: FilteredDistillation | None = None, configurations: Schedule | None = None
    ) -> None:
        super().__init__(configurations)
        self.exit_loss = loss or FilteredDistillation()

    def draw(self, step: int) -> tuple[Tier, ...]:
        """Return every exit of the configuration of step `step`, the teacher last."""
        final = self._final(step)
        early = (Tier(final.configuration, exit=k) for k in range(1, self._exits + 1))
        return (*early, final)

    def loss(self, task_loss: Callable[[Any], Any], labels: Any, predictions: Sequence[Any]) -> Any:
        """Sum of the exits' own losses."""
        *exits, teacher = predictions
        return sum(self.exit_loss(labels, logits, teacher) for logits in exits)
