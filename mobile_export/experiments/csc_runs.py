"""Which networks `csc_camvid` trains; needs no TensorFlow, as other backends train them too."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.training import Recipe
from mobile_export.experiments.settings import Settings

UNET = "unet"
BOTH = "both"
DIAL = "dial"


@dataclass(frozen=True)
class Variant:
    """One network.

    Args:
        title: what it is called.
        changes: fields that differ from the recipe `camvid_csc`.
        most_seeds: runs of it, however many the scale has.
    """

    title: str
    changes: Mapping[str, Any]
    most_seeds: int = 1


VARIANTS: Mapping[str, Variant] = {
    UNET: Variant("U-Net", {"csc": {"unfoldings": 0}}, most_seeds=3),
    BOTH: Variant("CSC-Unet", {"csc": {"unfoldings": 2}}, most_seeds=3),
    DIAL: Variant(
        "CSC-Unet, unfoldings drawn",
        {
            "csc": {"unfoldings": 2},
            "configurations": {"t0": "l" * 9, "t1": "o" * 9, "t2": "h" * 9},
        },
    ),
}
"""Name of a run -> what it trains."""


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        changes: fields that differ from those of the recipe, in every run.
        seeds: runs of each variant that does not say fewer.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        rounds: timed calls of each graph.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    calibration_images: int = 200
    min_agreement: float = 0.8
    rounds: int = 50


SCALES = {
    "quick": Scale(
        {"epochs": 2, "crop_size": (64, 96), "image_size": (64, 96)},
        seeds=1,
        calibration_images=50,
        min_agreement=0.0,
        rounds=20,
    ),
    "full": Scale(),
}


def jobs(settings: Settings) -> list[tuple[Recipe, Path, int, str]]:
    """Arguments of `scored` for every run, so that other machines can make some of them."""
    seeds = SCALES[settings.scale].seeds
    return [
        (recipe_of(name, settings), settings.out, settings.seed + index, "test")
        for index in range(seeds)
        for name, variant in VARIANTS.items()
        if index < variant.most_seeds
    ]


def recipe_of(name: str, settings: Settings) -> Recipe:
    """What a variant trains at the scale of the settings."""
    recipe = replace(Recipe.load("camvid_csc"), name=name, **VARIANTS[name].changes)
    recipe = replace(recipe, **SCALES[settings.scale].changes)
    return replace(recipe, data=settings.data) if settings.data else recipe
