"""Schedules say which tiers a step runs; recipes and `train` make a whole run of them."""

from typing import TYPE_CHECKING, Any

from kit.training.checkpoint import Checkpoint
from kit.training.exit_heads import ExitHeads
from kit.training.filtered_distillation import FilteredDistillation
from kit.training.pta_sampling import PTASampling
from kit.training.recipe import Recipe
from kit.training.round_robin_exits import RoundRobinExits
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier

if TYPE_CHECKING:
    from kit.training.trainer import TrainingResult, train

__all__ = [
    "Checkpoint",
    "ExitHeads",
    "FilteredDistillation",
    "PTASampling",
    "Recipe",
    "RoundRobinExits",
    "Schedule",
    "SingleTier",
    "TrainingResult",
    "train",
]


def __getattr__(name: str) -> Any:
    # The trainer builds networks, which are made of schedules: imported when it is asked for.
    if name in ("TrainingResult", "train"):
        from kit.training import trainer

        return getattr(trainer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
