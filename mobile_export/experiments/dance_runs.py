"""Which networks `dance_camvid` trains; needs no TensorFlow, as other backends train them too."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.training import Recipe
from mobile_export.experiments.settings import Settings

DEEPLAB, UNET = "DeepLabV3", "U-Net"
NEITHER, DATA, NETWORK, BOTH = "neither", "data", "network", "both"
SHORTER, INFOBATCH = "shorter", "infobatch"
NEITHER_LONG, BOTH_LONG = "neither, long", "both, long"

_RECIPES = {DEEPLAB: "camvid_deeplab", UNET: "camvid_plain"}
_PREFIXES = {DEEPLAB: "deeplab", UNET: "unet"}
# Of what slimming offers the least harmful: smaller images and smaller windows cost more mIoU.
_DATA: Mapping[str, Any] = {
    "sizes": 1,
    "drop": "below_mean",
    "drop_ratio": 0.5,
    "weight": "unbiased",
    "full_at_end": 0.125,
}
_SMALL_ENCODER = "${TIERSEG_WEIGHTS}/mobilenet_v2_0.35_224_imagenet_no_top.weights.h5"
_CHANNELS: Mapping[str, Any] = {"begin": 0.1, "end": 0.2, "milestones": 2}

SLIMMINGS: Mapping[str, Mapping[str, Any]] = {
    NEITHER: {},
    DATA: {"slimming": _DATA},
    NETWORK: {"network_slimming": _CHANNELS},
    BOTH: {"slimming": _DATA, "network_slimming": _CHANNELS},
}
"""What is slimmed -> fields of the recipe."""

# Of the channels: of the U-Net's decoder fewer make as much of the cost.
_SHARES = {DEEPLAB: 0.6, UNET: 0.5}

RIVALS: Mapping[str, Mapping[str, Any]] = {
    SHORTER: {},
    INFOBATCH: {"slimming": {**_DATA, "measure": "loss", "projection": "empirical"}},
}
"""Other ways to train on less, of DeepLabV3 alone -> fields of the recipe.

`SHORTER` is `NEITHER` for half of the epochs, `INFOBATCH` drops by the last loss of an image where
`DATA` does so by its detail (arXiv 2303.04947).
"""

LONG: Mapping[str, Mapping[str, Any]] = {
    NEITHER_LONG: SLIMMINGS[NEITHER],
    BOTH_LONG: SLIMMINGS[BOTH],
}
"""Trainings of as many more epochs as the scale says, to each other -> fields of the recipe."""


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        changes: fields that differ from those of both recipes.
        long: times as many epochs of `LONG`.
        seeds: runs of each variant; of the U-Net's `LONG`, which take the longest, one.
        input_sizes: `(height, width)` at which images of little detail are run.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        rounds: of the benchmark.
        step_rounds: timed turns of two training steps.
    """

    changes: Mapping[str, Any] = field(
        default_factory=lambda: {
            "crop_size": (96, 128),
            "image_size": (192, 256),
            "epochs": 64,
            "width": 0.35,
            "encoder_weights": _SMALL_ENCODER,
            "head_channels": 128,
            "decoder_widths": (96, 64, 48, 32),
        }
    )
    long: int = 5
    seeds: int = 1
    input_sizes: tuple[tuple[int, int], ...] = ((96, 128), (128, 192))
    calibration_images: int = 200
    min_agreement: float = 0.8
    rounds: int = 50
    step_rounds: int = 5


SCALES = {
    "quick": Scale(
        {"crop_size": (64, 96), "image_size": (96, 128), "epochs": 4},
        long=2,
        input_sizes=((64, 96),),
        calibration_images=50,
        min_agreement=0.0,
        rounds=5,
        step_rounds=2,
    ),
    "full": Scale(seeds=2),
}


def jobs(settings: Settings) -> list[tuple[Recipe, Path, int, str]]:
    """Arguments of `scored` for every run, so that other machines can make some of them."""
    return [
        (recipe_of(network, slimming, settings), settings.out, settings.seed + index, "test")
        for index in range(SCALES[settings.scale].seeds)
        for network in _RECIPES
        for slimming in slimmings(network)
        if not index or network == DEEPLAB or slimming not in LONG
    ]


def slimmings(network: str) -> tuple[str, ...]:
    """What is trained of a network."""
    return (*SLIMMINGS, *(RIVALS if network == DEEPLAB else ()), *LONG)


def recipe_of(network: str, slimming: str, settings: Settings) -> Recipe:
    """What one variant trains at the scale of the settings.

    Args:
        network: `DEEPLAB` or `UNET`.
        slimming: one of `slimmings(network)`.
        settings: as of the experiment.
    """
    scale = SCALES[settings.scale]
    recipe = replace(
        Recipe.load(_RECIPES[network]),
        name=f"{_PREFIXES[network]}_{slimming.replace(', ', '_')}",
        exits=(),
        **scale.changes,
        **{**SLIMMINGS, **RIVALS, **LONG}[slimming],
    )
    if slimming == SHORTER:
        recipe = replace(recipe, epochs=recipe.epochs // 2)
    if slimming in LONG:
        recipe = replace(recipe, epochs=recipe.epochs * scale.long)
    if recipe.network_slimming:
        channels = {"share": _SHARES[network], **recipe.network_slimming}
        recipe = replace(recipe, network_slimming=channels)
    return replace(recipe, data=settings.data) if settings.data else recipe
