"""Recipes of seconds, which tests of training change as they need."""

from dataclasses import replace

from kit.data import Dataset, open_dataset
from kit.training import Recipe

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
