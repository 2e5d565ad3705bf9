"""Which tiers a training step runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kit.tiers import Tier

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


class Schedule(ABC):
    """Chooses the tiers of each training step.

    A draw is a pure function of the step's number, so that a resumed run draws what an
    uninterrupted one would have drawn.

    Attributes:
        distillation: Weight of the loss that pulls a step's tiers towards `teacher`; 0 for none.
        teacher: Tier whose predictions the others learn from; `None` for none.
        heads_only: Whether only the heads of early exits are trained, on features that stay as they
            are; the tiers of a step then share their configuration.
    """

    distillation: float = 0.0
    teacher: Tier | None = None
    heads_only: bool = False

    def bind(self, network: AdaptiveNetwork) -> None:
        """Check the schedule against the tiers of `network`; called by `compile`."""

    @abstractmethod
    def draw(self, step: int) -> tuple[Tier, ...]:
        """Tiers that step number `step` (0 is the first) trains together."""

    def loss(self, task_loss: Callable[[Any], Any], labels: Any, predictions: Sequence[Any]) -> Any:
        """Loss of a step; the sum of its tiers' task losses unless a schedule has another.

        Args:
            task_loss: The compiled loss of one tier's logits.
            labels: `(batch, height, width)`.
            predictions: Logits `(batch, height, width, classes)` of each tier of the step.
        """
        return sum(task_loss(prediction) for prediction in predictions)

    def counts(self, start: int, stop: int) -> dict[str, int]:
        """How often each tier is drawn in the steps `start` to `stop - 1`."""
        drawn = Counter(str(tier) for step in range(start, stop) for tier in self.draw(step))
        return dict(sorted(drawn.items()))
