"""What a bundle says of itself: `metadata.json`, appended to the model as a zip."""

import hashlib
import io
import json
import os
import platform
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from kit import AdaptiveNetwork, Tier
from kit.data import LabelClass
from mobile_export.runtime.bundle import METADATA_NAME, Bundle
from mobile_export.runtime.complexity import SizeByComplexity
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.files import replacing

_PACKAGES = ("tierseg", "tensorflow", "keras", "ai-edge-litert", "numpy")
_WHEN = (1980, 1, 1, 0, 0, 0)  # of the zip entry, so that equal content is equal bytes


def describe(
    network: AdaptiveNetwork,
    tiers: Sequence[Tier],
    *,
    stages: Sequence[tuple[Tier, int]] = (),
    name: str,
    release: str,
    license: str | None = None,
    labels: Sequence[LabelClass] | None,
    default_tier: str | None,
    pixel_threshold: float | None,
    images: Sequence[np.ndarray],
    complexity: SizeByComplexity | None = None,
) -> dict[str, Any]:
    """What is known of a bundle when it is made; measured figures come later (`with_figures`).

    Args:
        network: the network that it was made of.
        tiers: the exported tiers, lightest first.
        stages: the exported stages: the tier at which each ends, and its number.
        name: of the model.
        release: version of the model.
        license: of the model, best an SPDX identifier; None says nothing of it.
        labels: its classes in the order of their ids; those that the network remembers if None.
        default_tier: the tier to begin with; the network's own if None, or the last.
        pixel_threshold: class probability from which a pixel counted as sure; what each tier's own
            policy says if None.
        images: the calibration images.
        complexity: which of several input sizes an image asks for.

    Raises:
        TiersegError: there are not as many labels as classes, or no such tier.
    """
    names = [tier.name for tier in tiers]
    native = network.default_tier.name
    chosen = default_tier or (native if native in names else names[-1])
    if chosen not in names:
        raise TiersegError(f"`default_tier` must be one of {', '.join(names)}; got {chosen!r}")
    height, width = network.image_size
    mask_height, mask_width = network.output_size
    record = network.training_record
    return {
        "name": name,
        "version": release,
        **({} if license is None else {"license": license}),
        "labels": _labels(network, labels),
        "image": {"height": height, "width": width, "order": "RGB", "range": [0, 255]},
        **(
            {"mask": {"height": mask_height, "width": mask_width}}
            if network.output_size != network.image_size
            else {}
        ),
        "tiers": [_tier(network, tier, dict(stages), pixel_threshold) for tier in tiers],
        "default_tier": chosen,
        **({} if complexity is None else {"complexity": complexity.to_dict()}),
        "calibration": {"count": len(images), "sha256": digest(images)},
        "versions": versions(),
        "training": {key: value for key, value in record.items() if key != "labels"},
    }


def with_figures(
    metadata: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The metadata with measured figures of some tiers.

    Args:
        metadata: as `describe` gives it, or as it stands in a bundle.
        figures: for each tier, what was measured, e.g. `{"light": {"miou": 0.51, "dice": 0.64,
            "measured_on": {"data": "camvid", "split": "test", "images": 233}}}`.

    Raises:
        TiersegError: the metadata lists no such tier.
    """
    tiers = [dict(entry) for entry in metadata["tiers"]]
    by_name = {entry["name"]: entry for entry in tiers}
    for tier, measured in figures.items():
        if tier not in by_name:
            raise TiersegError(f"`figures` must be of {', '.join(by_name)}; got {tier!r}")
        by_name[tier].update(measured)
    return {**metadata, "tiers": tiers}


def append(model: bytes, metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a bundle: the model, and the metadata with the model's checksum as a zip.

    Args:
        model: a `.tflite` without anything appended.
        metadata: what the bundle shall say of itself; its `sha256` is set here.
    """
    content = {"name": metadata.get("name"), "version": metadata.get("version")}
    content |= {"sha256": hashlib.sha256(model).hexdigest()}
    content |= {key: value for key, value in metadata.items() if key != "sha256"}
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        entry = zipfile.ZipInfo(METADATA_NAME, _WHEN)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, json.dumps(content, indent=1, ensure_ascii=False))
    return stream.getvalue()


def add_figures(
    path: str | os.PathLike[str], figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Writes measured figures into a bundle; the file is replaced at once or not at all.

    Args:
        path: the bundle.
        figures: as `with_figures` takes them.

    Returns:
        The new metadata.

    Raises:
        TiersegError: the file is no whole bundle with metadata, or lists no such tier.
    """
    bundle = Bundle.open(path)
    if bundle.metadata is None:
        raise TiersegError(f"{path} must be a bundle with {METADATA_NAME}; got one without")
    metadata = with_figures(bundle.metadata, figures)
    with replacing(path) as partial:
        partial.write_bytes(append(bundle.model_bytes, metadata))
    return metadata


def digest(images: Sequence[np.ndarray]) -> str:
    """SHA-256 (hexadecimal) over the sizes and pixels of images."""
    total = hashlib.sha256()
    for image in images:
        total.update(repr(image.shape).encode())
        total.update(np.ascontiguousarray(image).tobytes())
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Version of Python and of each package that has a part in a bundle."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # e.g. this project itself, run from its folder without installation
    return found


def _labels(network: AdaptiveNetwork, labels: Sequence[LabelClass] | None) -> list[dict[str, Any]]:
    if labels is None:
        return list(network.training_record.get("labels", []))
    if len(labels) != network.num_classes:
        raise TiersegError(
            f"`labels` must be {network.num_classes}, one for each class of the network; "
            f"got {len(labels)}"
        )
    return [
        {"id": index, "name": label.name, "color": [int(value) for value in label.color]}
        for index, label in enumerate(labels)
    ]


def _tier(
    network: AdaptiveNetwork,
    tier: Tier,
    stages: Mapping[Tier, int],
    pixel_threshold: float | None,
) -> dict[str, Any]:
    profile = network.profile(tier.name)
    policy = network.policy(tier)
    thresholds: dict[str, Any] = {"pixel": pixel_threshold or policy.pixel_threshold}
    if tier.name in network.image_thresholds:
        thresholds["image"] = network.image_thresholds[tier.name]
    return {
        "name": tier.name,
        "signature": tier.name,
        "stages": [tier.stage_name(number + 1) for number in range(stages.get(tier, 0))],
        "configuration": tier.configuration,
        "branches": network.branches(tier),
        "exit": tier.exit,
        "input_size": list(tier.input_size or network.image_size),
        "parameters": profile.parameters,
        "macs": profile.macs,
        "thresholds": thresholds,
        "policy": {"measure": policy.measure, "edge_aware": policy.edge_aware},
    }
