"""A trained network in, a verified bundle out."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork, Tier
from kit.data import Dataset, LabelClass
from kit.quantization import FakeQuant, Integer, Rounding
from kit.quantization.integer_options import FORMAT_BITS
from mobile_export.complexity import fit_sizes
from mobile_export.converter import convert_int8
from mobile_export.evaluation import evaluate_bundle
from mobile_export.metadata import add_figures, append, describe
from mobile_export.report import VerificationReport
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.files import replacing
from mobile_export.signatures import OUTPUTS, Outputs, choose, chosen_stages, freeze
from mobile_export.verifier import VerificationError, verify
from mobile_export.whole_kernels import whole_kernels

_COMPARED = 8


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Args:
        path: the bundle.
        size_bytes: size of the file.
        manifest: content of its `metadata.json`.
        report: what the verification found.
    """

    path: Path
    size_bytes: int
    manifest: dict[str, Any] = field(repr=False)
    report: VerificationReport = field(repr=False)


def export(
    network: AdaptiveNetwork,
    path: str | os.PathLike[str],
    calibration_images: Iterable[np.ndarray],
    *,
    labels: Sequence[LabelClass] | None = None,
    outputs: Outputs = "mask",
    tiers: Sequence[str | Tier] | None = None,
    default_tier: str | None = None,
    pixel_threshold: float | None = None,
    name: str | None = None,
    version: str = "1",
    license: str | None = None,
    evaluation: Dataset | None = None,
    min_agreement: float = 0.9,
    threads: int | None = None,
) -> ExportResult:
    """Writes one int8 bundle with a signature for each tier of a network.

    A configuration of which every exit is exported gets its chained stages too, but from a bundle
    of logits. Tiers of several input sizes get `complexity`, the detail from which an image asks
    for a larger one, where the calibration images differ in it.

    The file appears when it has passed the verifier, and not before.

    Args:
        network: a trained network.
        path: the bundle to write, `*.tflite`; an earlier one is replaced.
        calibration_images: uint8 arrays `(height, width, 3)`, RGB, of any size: 100-500 images that
            the network was trained on, or others like those that the device will see.
        labels: names and colours of the classes; those that the network remembers if None.
        outputs: `"mask"` for class ids, or `"logits"` for clients that choose the class themselves.
        tiers: names of the tiers to export; all if None.
        default_tier: the tier that an app begins with; the network's own if None.
        pixel_threshold: class probability from which a pixel counts as sure, 0-1, for every tier;
            what each exit's own policy says if None.
        name: of the model; the file's name without suffix if None.
        version: of the model.
        license: of the model, as an app shows it, best an SPDX identifier; nothing is said if None.
        evaluation: data to measure mIoU and Dice of each signature on, for the metadata.
        min_agreement: share of pixels on which each signature must agree with its Keras tier.
        threads: CPU threads. Defaults to the cores.

    Raises:
        TiersegError: an argument is wrong; the message names it. So is a network whose activations
            were trained in fewer bits than the format's.
        VerificationError: the verifier refuses what was made; nothing is written.
        ConversionError: the network holds something that LiteRT cannot run in integers.

    Example:
        images = [train.image(index) for index in range(200)]
        result = export(network, "streets.tflite", images, labels=train.classes)
    """
    target = Path(path)
    if target.suffix != ".tflite":
        raise TiersegError(f"`path` must end in .tflite; got {str(path)!r}")
    if outputs not in OUTPUTS:
        raise TiersegError(f"`outputs` must be one of {', '.join(OUTPUTS)}; got {outputs!r}")
    if pixel_threshold is not None and not 0 < pixel_threshold < 1:
        raise TiersegError(f"`pixel_threshold` must be between 0 and 1; got {pixel_threshold}")
    if evaluation is not None and outputs != "mask":
        raise TiersegError("`evaluation` needs `outputs` to be 'mask'; got 'logits'")
    if pixel_threshold is not None:
        exits = [
            replace(item, policy=replace(item.policy, pixel_threshold=pixel_threshold))
            for item in network.exits
        ]
        network = network.with_exits(exits, network.image_thresholds) if exits else network
    _check_widths(network)
    chosen = choose(network, tiers)
    stages = chosen_stages(network, chosen) if outputs == "mask" else ()
    images = [_checked(image, index) for index, image in enumerate(calibration_images)]
    if not images:
        raise TiersegError("`calibration_images` must hold one image or more, best 100-500; got 0")
    has_sizes = any(tier.input_size for tier in chosen)
    metadata = describe(
        network,
        chosen,
        stages=stages,
        name=name or target.stem,
        release=version,
        license=license,
        labels=labels,
        default_tier=default_tier,
        pixel_threshold=pixel_threshold,
        images=images,
        complexity=fit_sizes(network, images) if has_sizes else None,
    )
    work = [*((tier, None) for tier in chosen), *stages]
    frozen = [
        freeze(network, tier, stage=stage, outputs=outputs, pixel_threshold=pixel_threshold)
        for tier, stage in tqdm(work, desc="freeze", unit="signature", delay=2, disable=None)
    ]
    model = convert_int8(
        frozen,
        images,
        trained=_is_trained(network, chosen),
        kernels=_kernels(network),
        threads=threads,
    )
    with replacing(target) as partial:
        partial.write_bytes(append(model, metadata))
        compared = images[:: max(1, len(images) // _COMPARED)][:_COMPARED]
        names = [item.name for item in frozen]
        report = verify(partial, network, compared, tiers=names, min_agreement=min_agreement)
        report = VerificationReport(str(target), report.checks)
        if not report.passed:
            raise VerificationError(report)
        if evaluation is not None:
            metadata = add_figures(partial, evaluate_bundle(partial, evaluation).figures())
        size = partial.stat().st_size
    return ExportResult(target, size, metadata, report)


def _is_trained(network: AdaptiveNetwork, tiers: Sequence[Tier]) -> bool:
    """Whether a network was trained in 8 bits, and brings the ranges of its tiers with it."""
    if not isinstance(network.arithmetic, Rounding):
        return False
    for tier in tiers:
        if unseen := network.arithmetic.uncalibrated(network.tier(tier)):
            raise TiersegError(
                f"`network` must have seen images in tier {tier} (training, or `calibration` of "
                f"kit.quantize); got no range for {', '.join(unseen[:3])}"
            )
    return True


def _check_widths(network: AdaptiveNetwork) -> None:
    """Refuse a network that int8 operators would compute otherwise than it was trained."""
    arithmetic = network.arithmetic
    if not isinstance(arithmetic, Integer | FakeQuant):
        return
    bits = arithmetic.options.activation_bits
    if bits != FORMAT_BITS:
        raise TiersegError(
            f"`network` must have activations of {FORMAT_BITS} bits, which are those of the "
            f"format; got {bits}"
        )


def _kernels(network: AdaptiveNetwork) -> list[np.ndarray]:
    """The kernels that a network was trained with as integers; none if it was not."""
    if not isinstance(network.arithmetic, Integer | FakeQuant):
        return []
    return whole_kernels(network.arithmetic)


def _checked(image: Any, index: int) -> np.ndarray:
    """A calibration image, if it is one."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        got = (
            f"{image.dtype} {image.shape}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise TiersegError(
            f"`calibration_images` must be uint8 arrays (height, width, 3); got {got} at {index}"
        )
    return image
