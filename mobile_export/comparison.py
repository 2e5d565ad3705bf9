"""What 8 bits cost each tier, and where: classes, boundaries, layers."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork
from kit.data import VOID, Dataset
from kit.metrics import ConfusionMatrix, boundary_band
from kit.quantization.layer_noise import LayerNoise, layer_noise
from mobile_export.exporter import export
from mobile_export.prediction import predict
from mobile_export.runtime import Segmenter
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import resized, resized_mask
from mobile_export.sampling import spread
from mobile_export.tables import Column, points, text_table

BAND = 3
"""Pixels to both sides of a boundary that count as its band."""

_NOISE_IMAGES = 4


@dataclass(frozen=True)
class Row:
    """One tier in one arithmetic; all that is compared is compared with it in float32.

    Args:
        tier: name of the tier.
        arithmetic: `float32`; `ptq`, quantized after training; `qat` or `integer`, trained in it.
        miou: mean intersection over union, 0-1.
        dice: mean Dice, 0-1.
        drop: mIoU less that in float32.
        band_drop: the same of pixels within `BAND` of a boundary between classes.
        inner_drop: the same of all others.
        worst_class: the class that loses most.
        worst_class_drop: its IoU less that in float32.
        worst_layer: the layer with the lowest signal-to-noise ratio.
        worst_layer_db: that ratio.
    """

    tier: str
    arithmetic: str
    miou: float
    dice: float
    drop: float | None = None
    band_drop: float | None = None
    inner_drop: float | None = None
    worst_class: str | None = None
    worst_class_drop: float | None = None
    worst_layer: str | None = None
    worst_layer_db: float | None = None


COLUMNS = (
    Column("tier", "tier"),
    Column("arithmetic", "arithmetic"),
    Column("mIoU", "miou", lambda share: f"{100 * share:.2f}"),
    Column("Dice", "dice", lambda share: f"{100 * share:.2f}"),
    Column("to float", "drop", lambda share: f"{100 * share:+.2f}"),
    Column("at boundaries", "band_drop", lambda share: f"{100 * share:+.2f}"),
    Column("elsewhere", "inner_drop", lambda share: f"{100 * share:+.2f}"),
    Column("worst class", "worst_class"),
    Column("its IoU", "worst_class_drop", points),
    Column("noisiest layer", "worst_layer"),
    Column("its SNR, dB", "worst_layer_db", lambda ratio: f"{ratio:.1f}"),
)


@dataclass(frozen=True)
class Comparison:
    """The tiers of a network in several arithmetics.

    Args:
        data: what was scored.
        rows: tier by tier, float32 first.
    """

    data: str
    rows: tuple[Row, ...]

    def table(self) -> str:
        """The rows as lines of text."""
        return f"{self.data}\n{text_table(COLUMNS, [asdict(row) for row in self.rows])}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"data": self.data, "band": BAND, "rows": [asdict(row) for row in self.rows]}


class _Scores:
    """Confusion of one tier: all pixels, those at boundaries, those elsewhere."""

    def __init__(self, classes: int) -> None:
        self.all, self.band, self.inner = (ConfusionMatrix(classes) for _ in range(3))

    def update(self, label: np.ndarray, band: np.ndarray, mask: np.ndarray) -> None:
        self.all.update(label, mask)
        self.band.update(np.where(band, label, VOID), mask)
        self.inner.update(np.where(band, VOID, label), mask)


def compare(
    network: AdaptiveNetwork,
    others: Sequence[AdaptiveNetwork],
    dataset: Dataset,
    train: Dataset,
    *,
    tiers: Sequence[str] | None = None,
    images: int = 200,
    min_agreement: float = 0.8,
) -> Comparison:
    """Score tiers in float32, after quantization, and as others were trained in 8 bits.

    Args:
        network: in float32.
        others: networks with the same tiers that were trained in 8 bits (`qat`, `integer`).
        dataset: what is scored.
        train: images of it calibrate.
        tiers: names of the tiers; all if None.
        images: that calibrate.
        min_agreement: as of `export`.

    Raises:
        TiersegError: a network is of the wrong arithmetic or lacks a tier.
        VerificationError: a bundle that is made for the purpose fails a check.
    """
    if network.arithmetic.policy != "float32":
        raise TiersegError(
            f"`network` must be in float32; got {network.arithmetic.policy} (name the network that "
            "it was trained from first)"
        )
    versions = {"ptq": network}
    for other in others:
        name = other.arithmetic.policy
        if name == "float32" or name in versions:
            raise TiersegError(
                f"`others` must be one network of each arithmetic of 8 bits; got {name} twice"
                if name in versions
                else f"`others` must have been trained in 8 bits; got float32 ({other.name})"
            )
        versions[name] = other
    names = [tier.name for tier in network.tiers if tiers is None or tier.name in tiers]
    for name in tiers or ():
        if any(name not in {tier.name for tier in made.tiers} for made in versions.values()):
            raise TiersegError(f"`tiers` must be tiers of every network; got {name!r}")
    scores = _scored(network, versions, names, dataset, spread(train, images), min_agreement)
    batch = np.stack([resized(image, network.image_size) for image in spread(train, _NOISE_IMAGES)])
    noise = {version: layer_noise(made, names, [batch]) for version, made in versions.items()}
    rows = []
    for tier in names:
        plain = scores["float32", tier]
        rows.append(Row(tier, "float32", plain.all.mean_iou(), plain.all.mean_dice()))
        for version in versions:
            worst = min(noise[version][tier], key=lambda item: item.snr_db)
            rows.append(_row(tier, version, plain, scores[version, tier], dataset, worst))
    return Comparison(f"{dataset.name} {dataset.split}, {len(dataset)} images", tuple(rows))


def _scored(
    network: AdaptiveNetwork,
    versions: dict[str, AdaptiveNetwork],
    tiers: Sequence[str],
    dataset: Dataset,
    calibration: Sequence[np.ndarray],
    min_agreement: float,
) -> dict[tuple[str, str], _Scores]:
    count = len(dataset.classes)
    scores = {
        (version, tier): _Scores(count) for version in ("float32", *versions) for tier in tiers
    }
    predictors = {tier: network.predictor(tier) for tier in tiers}
    with tempfile.TemporaryDirectory() as folder:
        segmenters = {}
        for version, made in versions.items():
            path = Path(folder) / f"{version}.tflite"
            export(
                made,
                path,
                calibration,
                labels=dataset.classes,
                tiers=tiers,
                min_agreement=min_agreement,
            )
            segmenters[version] = Segmenter(path, warm_up="none")
        for index in tqdm(range(len(dataset)), desc="compare", unit="image", delay=2, disable=None):
            image, label = dataset.sample(index)
            band = boundary_band(label, BAND)
            for tier in tiers:
                mask = predict(predictors[tier], [image])["mask"][0]
                scores["float32", tier].update(label, band, resized_mask(mask, label.shape))
                for version, segmenter in segmenters.items():
                    scores[version, tier].update(label, band, segmenter(image, tier).mask)
    return scores


def _row(
    tier: str,
    version: str,
    plain: _Scores,
    found: _Scores,
    dataset: Dataset,
    noise: LayerNoise,
) -> Row:
    drops = np.asarray(found.all.per_class()["iou"]) - np.asarray(plain.all.per_class()["iou"])
    worst = int(np.nanargmin(drops))
    return Row(
        tier,
        version,
        found.all.mean_iou(),
        found.all.mean_dice(),
        drop=found.all.mean_iou() - plain.all.mean_iou(),
        band_drop=found.band.mean_iou() - plain.band.mean_iou(),
        inner_drop=found.inner.mean_iou() - plain.inner.mean_iou(),
        worst_class=dataset.classes[worst].name,
        worst_class_drop=float(drops[worst]),
        worst_layer=noise.layer,
        worst_layer_db=noise.snr_db,
    )
