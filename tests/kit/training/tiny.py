"""Recipes of seconds, which tests of training change as they need."""

from dataclasses import replace
from pathlib import Path

import pytest

from kit.data import Dataset, open_dataset
from kit.training import Recipe, trainer

RECIPE = Recipe(
    name="tiny",
    data="street_scenes",
    image_size=(64, 96),
    crop_size=(64, 64),
    epochs=3,
    batch_size=4,
    width=0.35,
    decoder_widths=(8, 8, 8, 8),
    augmentation={"scale": (1.0, 1.5)},
    configurations={"light": "hlhhlhlllhhlhhlhllls", "heavy": "h" * 16 + "bbbb"},
    # One tier only: each further one costs seconds of tracing.
    warm_up=0.0,
    draw_weights={"light": 1.0},
    distillation=0.0,
    recalibration_batches=2,
    data_options={"count": 8, "image_size": (64, 96)},
)

SOONEST = replace(
    RECIPE, epochs=1, family="fcn_vgg16", width=0.125, configurations={}, draw_weights={}
)
"""One epoch of the family that is soonest traced."""


def train_split(recipe: Recipe) -> Dataset:
    """What a recipe trains on."""
    return open_dataset(recipe.data, "train", **recipe.data_options)


def killed(recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch, *, in_epoch: int) -> None:
    """A run that ends in the middle of an epoch, which counts from 1."""
    original = trainer._Record.on_train_batch_end

    def kill(self: trainer._Record, batch: int, logs: dict | None = None) -> None:
        if self._checkpoint.epoch == in_epoch - 1:
            raise KeyboardInterrupt
        original(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(trainer._Record, "on_train_batch_end", kill)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(recipe, out)
