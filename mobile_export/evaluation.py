"""How good the tiers of a network or of a bundle are, on labelled images."""

import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork
from kit.data import Dataset
from kit.metrics import ConfusionMatrix
from mobile_export.prediction import predict
from mobile_export.runtime import Bundle, Segmenter
from mobile_export.runtime.complexity import Size, SizeByComplexity
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
        pixels: of a tier at the size that each image asks for, mean pixels of its inputs, divided
            by those of the native size; None for a tier of one size.
    """

    tier: str
    miou: float
    dice: float
    pixel_accuracy: float
    classes: dict[str, dict[str, float | None]]
    pixels: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Quality of several tiers on one data set.

    Args:
        subject: what was evaluated: a file, or a network's name.
        data: name of the data set.
        split: its split.
        images: number of images.
        scores: one a tier, lightest first.
        by_complexity: of native tiers, each image at the size that its detail asks for.
    """

    subject: str
    data: str
    split: str
    images: int
    scores: tuple[TierScore, ...]
    by_complexity: tuple[TierScore, ...] = ()

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
        scores = [*self.scores, *self.by_complexity]
        titles = [
            score.tier if score.pixels is None else f"{score.tier} by detail" for score in scores
        ]
        columns = [max(8, len(title)) for title in titles]

        def line(title: str, cells: Iterable[str]) -> str:
            padded = (f"{cell:>{column}}" for cell, column in zip(cells, columns, strict=True))
            return "  ".join([f"{title:{width}}", *padded])

        def percent(value: float | None) -> str:
            return "-" if value is None else f"{100 * value:.1f}"

        rows = [
            f"{self.subject} on {self.data} {self.split}, {self.images} images, percent",
            line("", titles),
            line("mIoU", (percent(score.miou) for score in scores)),
            line("Dice", (percent(score.dice) for score in scores)),
            line("pixel accuracy", (percent(score.pixel_accuracy) for score in scores)),
            *([line("pixels", (percent(s.pixels) for s in scores))] if self.by_complexity else []),
            "IoU of each class",
        ]
        rows += [
            line(name, (percent(score.classes[name]["iou"]) for score in scores)) for name in names
        ]
        return "\n".join(rows)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON has it."""

        def tiers(scores: Iterable[TierScore]) -> list[dict[str, Any]]:
            return [
                {key: value for key, value in asdict(score).items() if value is not None}
                for score in scores
            ]

        return {
            "subject": self.subject,
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "tiers": tiers(self.scores),
            **({"by_complexity": tiers(self.by_complexity)} if self.by_complexity else {}),
        }


def evaluate_bundle(
    path: str | os.PathLike[str],
    dataset: Dataset,
    tiers: Sequence[str] | None = None,
    *,
    by_complexity: bool = False,
    workers: int | None = None,
) -> Evaluation:
    """Scores the int8 signatures of a bundle, each label map at its own size.

    Args:
        path: the bundle.
        dataset: labelled images.
        tiers: names of the tiers; all if None.
        by_complexity: also score the native ones of them at the size that each image asks for.
        workers: images that are worked on at a time. Defaults to the cores.

    Raises:
        TiersegError: the bundle is corrupt, or has no such tier, or other classes than the data, or
            nothing to know of complexity.
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

    infos = {name: segmenter().info(name) for name in segmenter().tiers}
    inputs = {name: info.input_size for name, info in infos.items()}
    largest = max(inputs.values(), key=math.prod)
    sized = [name for name in names if by_complexity and inputs[name] == largest]
    _check_sized(by_complexity, sized, names)

    def masks(index: int) -> Masks:
        image, label = dataset.sample(index)
        chosen = {name: segmenter().tier_by_complexity(image, name) for name in sized}
        wanted = dict.fromkeys([*names, *chosen.values()])
        return label, {name: segmenter()(image, name).mask for name in wanted}, chosen

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        results = pool.map(masks, range(len(dataset)))
        return _evaluation(str(path), dataset, names, sized, inputs, results)


def evaluate_network(
    network: AdaptiveNetwork,
    dataset: Dataset,
    tiers: Sequence[str] | None = None,
    *,
    complexity: SizeByComplexity | None = None,
) -> Evaluation:
    """Scores the tiers of a Keras network by the masks that a device would show.

    Args:
        network: the network, on any Keras backend.
        dataset: labelled images; each label map is scored at its own size.
        tiers: names of the tiers; all if None.
        complexity: which size an image asks for, to score the native ones of them so too.

    Raises:
        TiersegError: the network has no such tier, or other classes than the data.
    """
    names = _named([tier.name for tier in network.tiers], tiers)
    if network.num_classes != len(dataset.classes):
        raise TiersegError(
            f"`network` has {network.num_classes} classes; expected the {len(dataset.classes)} of "
            f"{dataset.name}"
        )
    known = {tier.name: tier for tier in network.tiers}
    inputs = {name: tier.input_size or network.image_size for name, tier in known.items()}
    sized = [name for name in names if complexity and known[name].input_size is None]
    _check_sized(complexity is not None, sized, names)
    sizes = {
        name: {inputs[t.name]: t.name for t in network.tiers if t.native == known[name]}
        for name in sized
    }

    def masks() -> Iterator[Masks]:
        for start in range(0, len(dataset), _BATCH):
            samples = [dataset.sample(i) for i in range(start, min(start + _BATCH, len(dataset)))]
            chosen = [
                {name: complexity.tier(image, sizes[name]) for name in sized} if complexity else {}
                for image, _ in samples
            ]
            given: list[dict[str, np.ndarray]] = [{} for _ in samples]
            for name in known:
                places = [
                    place
                    for place, of_image in enumerate(chosen)
                    if name in names or name in of_image.values()
                ]
                if places:
                    images = [samples[place][0] for place in places]
                    found = predict(network.predictor(name), images)["mask"]
                    for place, mask in zip(places, found, strict=True):
                        given[place][name] = resized_mask(mask, samples[place][1].shape)
            for (_, label), of_image, which in zip(samples, given, chosen, strict=True):
                yield label, of_image, which

    return _evaluation(network.name, dataset, names, sized, inputs, masks())


Masks = tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, str]]
"""A label map, masks by tier, and of each tier by complexity the one that the image asks for."""


def _evaluation(
    subject: str,
    dataset: Dataset,
    names: Sequence[str],
    sized: Sequence[str],
    inputs: Mapping[str, Size],
    results: Iterable[Masks],
) -> Evaluation:
    plain = {name: ConfusionMatrix(len(dataset.classes)) for name in names}
    chosen = {name: ConfusionMatrix(len(dataset.classes)) for name in sized}
    pixels = dict.fromkeys(sized, 0)
    title = f"evaluate {len(names)} tiers"
    for label, masks, tiers in tqdm(
        results, desc=title, total=len(dataset), unit="image", delay=2, disable=None
    ):
        for name, matrix in plain.items():
            matrix.update(label, masks[name])
        for name, tier in tiers.items():
            chosen[name].update(label, masks[tier])
            pixels[name] += math.prod(inputs[tier])
    classes = [label.name for label in dataset.classes]
    shares = {
        name: count / len(dataset) / math.prod(inputs[name]) for name, count in pixels.items()
    }
    return Evaluation(
        subject,
        dataset.name,
        dataset.split,
        len(dataset),
        tuple(_score(name, matrix, classes) for name, matrix in plain.items()),
        tuple(_score(name, matrix, classes, shares[name]) for name, matrix in chosen.items()),
    )


def _score(
    tier: str, matrix: ConfusionMatrix, classes: Sequence[str], pixels: float | None = None
) -> TierScore:
    per_class = matrix.per_class()
    by_class = {
        name: {key: _figure(per_class[key][k]) for key in ("iou", "dice")}
        for k, name in enumerate(classes)
    }
    scores = matrix.mean_iou(), matrix.mean_dice(), matrix.pixel_accuracy()
    return TierScore(tier, *scores, by_class, pixels)


def _figure(value: float) -> float | None:
    """A score as JSON can hold it."""
    return None if np.isnan(value) else float(value)


def _check_sized(is_asked: bool, sized: Sequence[str], names: Sequence[str]) -> None:
    """Refuses complexity where it has nothing to choose for."""
    if is_asked and not sized:
        raise TiersegError(
            "`tiers` must hold one of the native size to be run by complexity; "
            f"got {', '.join(names)}"
        )


def _named(known: Sequence[str], tiers: Sequence[str] | None) -> list[str]:
    """The tiers to score, in the order in which they are known."""
    for tier in tiers or ():
        if tier not in known:
            raise TiersegError(f"`tiers` must be among {', '.join(known)}; got {tier!r}")
    return [name for name in known if tiers is None or name in tiers]
