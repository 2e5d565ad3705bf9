"""Which networks `integer_camvid` trains; needs no TensorFlow, as other backends train them too."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.training import Recipe
from mobile_export.experiments.settings import Settings

_IN_FLOAT = {"precision": "float32", "precision_options": {}}
# At 2^-4, as in the paper, FCN-8s from nothing diverges with one of three seeds.
_FCN_RATE = 2.0**-5


@dataclass(frozen=True)
class Variant:
    """One network in one arithmetic.

    Args:
        network: what the network is called.
        arithmetic: what the arithmetic is called; `FLOAT` is what others are compared with.
        recipe: of the kit.
        changes: fields that differ from it.
        most_seeds: runs of it, however many the scale has.
    """

    network: str
    arithmetic: str
    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    most_seeds: int = 3


FLOAT = "float32"
UNET, FCN, DEEPLAB = "U-Net+PTA", "FCN-VGG16", "DeepLabV3-ResNet50"
DISCARDED, KEPT = "integer, magnitude discarded", "integer, magnitude kept"
VARIANTS: Mapping[str, Variant] = {
    "unet_float": Variant(UNET, FLOAT, "camvid_qat", _IN_FLOAT, most_seeds=1),
    "unet_qat": Variant(UNET, "qat", "camvid_qat", most_seeds=1),
    "unet_keep": Variant(UNET, KEPT, "camvid_integer", most_seeds=1),
    "fcn_float": Variant(
        FCN, FLOAT, "camvid_fcn_integer", {**_IN_FLOAT, "learning_rate": _FCN_RATE}
    ),
    "fcn_discard": Variant(FCN, DISCARDED, "camvid_fcn_integer"),
    "fcn_keep": Variant(
        FCN,
        KEPT,
        "camvid_fcn_integer",
        {"precision_options": {"magnitude": "keep"}, "learning_rate": _FCN_RATE},
    ),
    "deeplab_float": Variant(DEEPLAB, FLOAT, "camvid_resnet50_integer", _IN_FLOAT, most_seeds=2),
    "deeplab_keep": Variant(DEEPLAB, KEPT, "camvid_resnet50_integer", most_seeds=2),
}
"""Name of a run -> what it trains."""


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        changes: network -> fields that differ from those of its recipes.
        seeds: runs of each variant that does not say fewer.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        step_crops: network -> (height, width) of the images on which steps are timed.
        rounds: timed turns of each network.
    """

    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: int = 3
    calibration_images: int = 200
    min_agreement: float = 0.8
    step_crops: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: {UNET: (192, 256), FCN: (96, 128), DEEPLAB: (64, 96)}
    )
    rounds: int = 5


_SMALL = {"epochs": 2, "crop_size": (64, 96), "image_size": (192, 256)}
SCALES = {
    "quick": Scale(
        {UNET: _SMALL, FCN: {**_SMALL, "width": 0.25}, DEEPLAB: {**_SMALL, "head_channels": 64}},
        seeds=1,
        calibration_images=50,
        min_agreement=0.0,
        step_crops={UNET: (64, 96), FCN: (64, 96), DEEPLAB: (64, 96)},
        rounds=2,
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
    variant, scale = VARIANTS[name], SCALES[settings.scale]
    recipe = replace(Recipe.load(variant.recipe), name=name, **variant.changes)
    recipe = replace(recipe, **scale.changes.get(variant.network, {}))
    return replace(recipe, data=settings.data) if settings.data else recipe
