"""Which networks `j_net_lgg` trains; needs no TensorFlow, as other backends train them too."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import AdaptiveNetwork
from kit.data import Dataset
from kit.data.lgg_mri import patient_of
from kit.metrics import ConfusionMatrix
from kit.training import Recipe
from mobile_export.experiments.settings import Settings
from mobile_export.prediction import predict
from mobile_export.runtime.image_io import resized_mask

OUTPUT = 256
"""Side of labels and masks, pixels."""

FOREGROUND = 1
"""Class that is scored: the tumour."""

LOW, LAST, BILINEAR, SHUFFLE, J_NET = (
    "low-resolution labels",
    "bilinear, last level alone",
    "bilinear",
    "pixel shuffle",
    "J-Net",
)
CONTROLS: Mapping[str, Mapping[str, Any]] = {
    LOW: {"kind": "bilinear", "at_low": True},
    J_NET: {"kind": "learned"},
    BILINEAR: {"kind": "bilinear"},
    SHUFFLE: {"kind": "pixel_shuffle"},
    LAST: {"kind": "bilinear", "loss": "cross_entropy_dice"},
}
"""What is called how -> its tail, whether its labels are small, and its loss if not the sum.

In the order in which they are trained, so that those of most interest are there first.
"""

_SLUGS = {LOW: "low", J_NET: "jnet", BILINEAR: "bilinear", SHUFFLE: "shuffle", LAST: "last"}
_BATCH = 16


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        seeds: side of the images -> control -> how many runs.
        changes: fields that differ from the recipe `lgg_j_net`.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 file must agree with Keras.
        rounds: timed calls of each int8 file.
    """

    seeds: Mapping[int, Mapping[str, int]]
    changes: Mapping[str, Any] = field(default_factory=dict)
    calibration_images: int = 200
    min_agreement: float = 0.9
    rounds: int = 200


SCALES = {
    "quick": Scale(
        {16: {LOW: 1, J_NET: 1, BILINEAR: 1, SHUFFLE: 1}},
        {"epochs": 1, "width": 0.25},
        calibration_images=50,
        min_agreement=0.0,
        rounds=10,
    ),
    "full": Scale(
        {
            16: {LOW: 2, J_NET: 2, BILINEAR: 2, SHUFFLE: 1, LAST: 1},
            32: {LOW: 2, J_NET: 2, BILINEAR: 1, SHUFFLE: 1, LAST: 1},
            64: {LOW: 1, J_NET: 1},
        },
        {"epochs": 10, "batch_size": 8, "width": 0.5},
    ),
}


def name_of(side: int, control: str) -> str:
    """Name of the runs of a control."""
    return f"{_SLUGS[control]}_{side}"


def jobs(settings: Settings) -> list[tuple[Recipe, Path, int, str, Callable[..., Any]]]:
    """Arguments of `scored` for every run: small images first, one seed before the next."""
    seeds = SCALES[settings.scale].seeds
    most = max(count for of_side in seeds.values() for count in of_side.values())
    runs = [
        (
            recipe_of(side, control, settings),
            settings.out,
            settings.seed + index,
            "test",
            judge_low if control == LOW else judge,
        )
        for index in range(most)
        for side, of_side in seeds.items()
        for control in CONTROLS
        if index < of_side.get(control, 0)
    ]
    return sorted(runs, key=lambda run: run[0].image_size > (32, 32))


def recipe_of(side: int, control: str, settings: Settings) -> Recipe:
    """What a control trains on images of some size, at the scale of the settings."""
    make = dict(CONTROLS[control])
    size = (side, side)
    recipe = replace(
        Recipe.load("lgg_j_net"),
        name=name_of(side, control),
        image_size=size,
        crop_size=size,
        tail={"scale": OUTPUT // side, "kind": make["kind"]},
        label_size=size if make.get("at_low") else (),
        loss=make.get("loss", "multi_level"),
        **SCALES[settings.scale].changes,
    )
    if settings.data:
        recipe = replace(recipe, data=settings.data, data_options={})
    return recipe


def judge_low(network: AdaptiveNetwork, dataset: Dataset) -> dict[str, Any]:
    """As `judge`, and under `repeated` that of masks as small as the images, pixels repeated."""
    return {**judge(network, dataset), "repeated": judge(network.without_tail(), dataset)}


def judge(network: AdaptiveNetwork, dataset: Dataset) -> dict[str, Any]:
    """Scores of a network's masks, as `scores_of` has them."""
    predictor = network.predictor(network.default_tier)

    def masks() -> Iterable[np.ndarray]:
        for start in range(0, len(dataset), _BATCH):
            stop = min(start + _BATCH, len(dataset))
            images = [dataset.image(index) for index in range(start, stop)]
            yield from predict(predictor, images)["mask"]

    return scores_of(masks(), dataset)


def scores_of(masks: Iterable[np.ndarray], dataset: Dataset) -> dict[str, Any]:
    """How well tumours are found, at the labels' own size.

    Args:
        masks: class ids of each image, resized to the nearest where its label has another size.
        dataset: images with labels.

    Returns:
        `dice` and `iou` of the tumour over all pixels, `patient_dice` and `patient_iou`, means over
        patients of those over the pixels of each (one that neither has nor is given tumour is left
        out), all 0-1; and `patients`, how many.
    """
    total = ConfusionMatrix(len(dataset.classes))
    of_patients: dict[str, ConfusionMatrix] = {}
    for index, mask in enumerate(masks):
        label = dataset.label(index)
        patient = patient_of(dataset.stem(index))
        own = of_patients.setdefault(patient, ConfusionMatrix(len(dataset.classes)))
        for matrix in (total, own):
            matrix.update(label, resized_mask(mask, label.shape))
    scores: dict[str, Any] = {"patients": len(of_patients)}
    for key in ("dice", "iou"):
        scores[key] = round(float(total.per_class()[key][FOREGROUND]), 5)
        each = [matrix.per_class()[key][FOREGROUND] for matrix in of_patients.values()]
        scores[f"patient_{key}"] = round(float(np.nanmean(each)), 5)
    return scores
