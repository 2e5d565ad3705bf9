"""How good the tiers of a network or of a bundle are, on labelled images."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork
from kit.data import Dataset
from kit.metrics import ConfusionMatrix
from mobile_export.prediction import predict
from mobile_export.runtime import Bundle, Segmenter
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import resized_mask

_BATCH = 4


@dataclass(frozen=True)
class TierScore:
    """Quality of one tier on a data set; void pixels are not counted.

    Args:
        tier: name of the tier.
        miou: mean intersection over union of the classes that occur, 0-1.
        dice: mean Dice (F1) of the classes that occur, 0-1.
        pixel_accuracy: share of pixels with the right class, 0-1.
        classes: for each class, its IoU and Dice, 0-1, or None if it does not occur.
    """

    tier: str
    miou: float
    dice: float
    pixel_accuracy: float
    classes: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Evaluation:
    """Quality of several tiers on one data set.

    Args:
        subject: what was evaluated: a file, or a network's name.
        data: name of the data set.
        split: its split.
        images: number of images.
        scores: one a tier, lightest first.
    """

    subject: str
    data: str
    split: str
    images: int
    scores: tuple[TierScore, ...]

    def figures(self) -> dict[str, dict[str, Any]]:
        """The figures of each tier as a bundle's metadata holds them."""
        measured_on = {"data": self.data, "split": self.split, "images": self.images}
        return {
            score.tier: {
                "miou": round(score.miou, 5),
                "dice": round(score.dice, 5),
                "measured_on": measured_on,
            }
            for score in self.scores
        }

    def table(self) -> str:
        """The scores in percent, as lines of text."""
        names = list(self.scores[0].classes)
        width = max(len(name) for name in [*names, "pixel accuracy"])
        columns = [max(8, len(score.tier)) for score in self.scores]

        def line(title: str, cells: Iterable[str]) -> str:
            padded = (f"{cell:>{column}}" for cell, column in zip(cells, columns, strict=True))
            return "  ".join([f"{title:{width}}", *padded])

        def percent(value: float | None) -> str:
            return "-" if value is None else f"{100 * value:.1f}"

        rows = [
            f"{self.subject} on {self.data} {self.split}, {self.images} images, percent",
            line("", (score.tier for score in self.scores)),
            line("mIoU", (percent(score.miou) for score in self.scores)),
            line("Dice", (percent(score.dice) for score in self.scores)),
            line("pixel accuracy", (percent(score.pixel_accuracy) for score in self.scores)),
            "IoU of each class",
        ]
        rows += [
            line(name, (percent(score.classes[name]["iou"]) for score in self.scores))
            for name in names
        ]
        return "\n".join(rows)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON has it."""
        tiers = [
            {
                "tier": score.tier,
                "miou": score.miou,
                "dice": score.dice,
                "pixel_accuracy": score.pixel_accuracy,
                "classes": score.classes,
            }
            for score in self.scores
        ]
        return {
            "subject": self.subject,
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "tiers": tiers,
        }


def evaluate_bundle(
    path: str | os.PathLike[str],
    dataset: Dataset,
    tiers: Sequence[str] | None = None,
    *,
    workers: int | None = None,
) -> Evaluation:
    """Scores the int8 signatures of a bundle, each label map at its own size.

    Args:
        path: the bundle.
        dataset: labelled images.
        tiers: names of the tiers; all if None.
        workers: images that are worked on at a time. Defaults to the cores.

    Raises:
        TiersegError: the bundle is corrupt, or has no such tier, or other classes than the data.
    """
    bundle = Bundle.open(path)
    own = threading.local()

    def segmenter() -> Segmenter:
        """One for each thread: an interpreter runs one image at a time."""
        if not hasattr(own, "segmenter"):
            own.segmenter = Segmenter(bundle, threads=1, warm_up="none")
        return own.segmenter

    names = _named(segmenter().tiers, tiers)
    if bundle.labels and len(bundle.labels) != len(dataset.classes):
        raise TiersegError(
            f"{path} has {len(bundle.labels)} classes; expected the {len(dataset.classes)} of "
            f"{dataset.name}"
        )

    def masks(index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        image, label = dataset.sample(index)
        return label, [segmenter()(image, name).mask for name in names]

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return _evaluation(str(path), dataset, names, pool.map(masks, range(len(dataset))))


def evaluate_network(
    network: AdaptiveNetwork, dataset: Dataset, tiers: Sequence[str] | None = None
) -> Evaluation:
    """Scores the tiers of a Keras network by the masks that a device would show.

    Args:
        network: the network, on any Keras backend.
        dataset: labelled images; each label map is scored at its own size.
        tiers: names of the tiers; all if None.

    Raises:
        TiersegError: the network has no such tier, or other classes than the data.
    """
    names = _named([tier.name for tier in network.tiers], tiers)
    if network.num_classes != len(dataset.classes):
        raise TiersegError(
            f"`network` has {network.num_classes} classes; expected the {len(dataset.classes)} of "
            f"{dataset.name}"
        )
    predictors = [network.predictor(name) for name in names]

    def masks() -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        for start in range(0, len(dataset), _BATCH):
            samples = [dataset.sample(i) for i in range(start, min(start + _BATCH, len(dataset)))]
            images = [image for image, _ in samples]
            given = [predict(model, images)["mask"] for model in predictors]
            for place, (_, label) in enumerate(samples):
                yield label, [resized_mask(of_tier[place], label.shape) for of_tier in given]

    return _evaluation(network.name, dataset, names, masks())


def _evaluation(
    subject: str,
    dataset: Dataset,
    names: Sequence[str],
    results: Iterable[tuple[np.ndarray, list[np.ndarray]]],
) -> Evaluation:
    matrices = [ConfusionMatrix(len(dataset.classes)) for _ in names]
    title = f"evaluate {len(names)} tiers"
    for label, masks in tqdm(
        results, desc=title, total=len(dataset), unit="image", delay=2, disable=None
    ):
        for matrix, mask in zip(matrices, masks, strict=True):
            matrix.update(label, mask)
    classes = [label.name for label in dataset.classes]
    scores = tuple(
        _score(name, matrix, classes) for name, matrix in zip(names, matrices, strict=True)
    )
    return Evaluation(subject, dataset.name, dataset.split, len(dataset), scores)


def _score(tier: str, matrix: ConfusionMatrix, classes: Sequence[str]) -> TierScore:
    per_class = matrix.per_class()
    by_class = {
        name: {key: _figure(per_class[key][k]) for key in ("iou", "dice")}
        for k, name in enumerate(classes)
    }
    return TierScore(tier, matrix.mean_iou(), matrix.mean_dice(), matrix.pixel_accuracy(), by_class)


def _figure(value: float) -> float | None:
    """A score as JSON can hold it."""
    return None if np.isnan(value) else float(value)


def _named(known: Sequence[str], tiers: Sequence[str] | None) -> list[str]:
    """The tiers to score, in the order in which they are known."""
    for tier in tiers or ():
        if tier not in known:
            raise TiersegError(f"`tiers` must be among {', '.join(known)}; got {tier!r}")
    return [name for name in known if tiers is None or name in tiers]
