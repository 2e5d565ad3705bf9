"""A model card: what a bundle is, from its own metadata, as Markdown."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobile_export.runtime import Bundle, Label, TiersegError
from mobile_export.tables import Column, markdown_table, millions, percent

_INTENDED = {
    "camvid": "To try the runtime, the app and the export, and to compare with. It has seen few "
    "streets, from one car, in daylight and at dusk: nothing that steers or warns may rely on it.",
    "street_scenes": "To try the runtime, the app and the export without any data set. It has "
    "seen generated pictures alone and is of no use on photographs.",
    "lgg_mri": "To try small images and large masks. It is no medical device: nobody may be "
    "examined or treated by it.",
}

_DATA = {
    "camvid": "CamVid (Brostow, Shotton, Fauqueur, Cipolla, ECCV 2008; the SegNet split, 367 "
    "training images), CC BY-NC 4.0: keep the bundle to non-commercial use. None of its images is "
    "in this file.",
    "street_scenes": "The street scenes that this project generates, under the Apache License 2.0 "
    "like its code.",
    "lgg_mri": "LGG MRI (Buda et al., 2019; slices of 110 patients), to be treated as CC BY-NC-SA "
    "4.0: keep the bundle to non-commercial use. None of its images is in this file.",
}


def card(
    path: str | os.PathLike[str], classes: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """The model card of a bundle.

    Nothing in it is a guess: a figure that the bundle does not have is a dash.

    Args:
        path: the bundle, with metadata.
        classes: for each class, its `iou` (0-1, None if it does not occur) in the default tier, as
            `tierseg evaluate --json` gives it; without them the card says nothing of classes but
            their names.

    Returns:
        Markdown; equal files give equal cards.

    Raises:
        TiersegError: it is no whole bundle, or one without metadata.
    """
    bundle = Bundle.open(path)
    if bundle.metadata is None:
        raise TiersegError(f"{path} must be a bundle with metadata.json; got one without")
    sections = _sections(Path(path), bundle.metadata, bundle.labels, classes or {})
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    name = Path(path).name
    said = f"Written by `tierseg card {name}` from what the file says of itself."
    return f"# {bundle.metadata.get('name', Path(path).stem)}\n\n{said}\n\n{body}\n"


def classes_of(bundle: Path, evaluation: Path) -> dict[str, Any]:
    """The classes of the default tier in an evaluation, as `card` takes them.

    Args:
        bundle: whose default tier it is.
        evaluation: what `tierseg evaluate BUNDLE --json` said.

    Raises:
        TiersegError: it is something else, or lacks that tier.
    """
    default = (Bundle.open(bundle).metadata or {}).get("default_tier")
    try:
        tiers = json.loads(evaluation.read_text(encoding="utf-8"))["tiers"]
        (classes,) = (tier["classes"] for tier in tiers if tier["tier"] == default)
        return dict(classes)
    except (ValueError, KeyError, TypeError) as error:
        raise TiersegError(
            f"{evaluation} must be what `tierseg evaluate BUNDLE --json` prints, with the tier "
            f"{default}; got something else"
        ) from error


def _sections(
    path: Path,
    metadata: Mapping[str, Any],
    labels: Sequence[Label],
    classes: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str]]:
    training: Mapping[str, Any] = metadata.get("training", {})
    data = str(training.get("dataset", ""))
    tiers: Sequence[Mapping[str, Any]] = metadata["tiers"]
    yield "File", _file(path, metadata, len(tiers))
    yield "Intended use", _INTENDED.get(data, f"Images like those of {data or 'its data set'}.")
    yield "Data", _DATA.get(data, f"{data or 'Not named'}; ask who made it under what licence.")
    yield "Classes", _classes(labels, classes, str(metadata.get("default_tier")))
    yield "Tiers", _tiers(tiers)
    yield "Calibration", _calibration(metadata.get("calibration", {}))
    yield "Training", _training(training, metadata.get("versions", {}))
    yield "Limits", _limits(metadata, tiers)


def _file(path: Path, metadata: Mapping[str, Any], tiers: int) -> str:
    content = path.read_bytes()
    image = metadata.get("image", {})
    return "\n".join(
        [
            f"- `{path.name}`, version {metadata.get('version', '-')}, {len(content):,} bytes, "
            f"{tiers} tiers; int8 inside, uint8 at every input and output",
            f"- image: {image.get('height')}×{image.get('width')} pixels, "
            f"{image.get('order', 'RGB')}, 0–255",
            f"- licence: {metadata.get('license', 'not stated')}",
            f"- sha256 of the file: `{hashlib.sha256(content).hexdigest()}`",
            f"- sha256 of the model in it, as its metadata has it: `{metadata['sha256']}`",
        ]
    )


def _classes(labels: Sequence[Label], classes: Mapping[str, Mapping[str, Any]], tier: str) -> str:
    if not labels:
        return "Not named."
    if not classes:
        return ", ".join(f"{label.id} {label.name}" for label in labels) + "."
    rows = [
        {"name": f"{label.id} {label.name}", "iou": classes.get(label.name, {}).get("iou")}
        for label in labels
    ]
    columns = (Column("class", "name"), Column(f"IoU of `{tier}`, percent", "iou", percent))
    return markdown_table(columns, rows)


def _tiers(tiers: Sequence[Mapping[str, Any]]) -> str:
    columns = [
        Column("tier", "name", lambda name: f"`{name}`"),
        Column("input", "input_size", lambda size: "×".join(map(str, size))),
        Column("M parameters", "parameters", millions),
        Column("M multiply-adds", "macs", millions),
        Column("mIoU", "miou", percent),
        Column("Dice", "dice", percent),
        Column("ms", "latency_ms", lambda ms: f"{ms:.1f}"),
    ]
    thresholds = [{**tier, "leaves": tier.get("thresholds", {}).get("image")} for tier in tiers]
    if any(tier["leaves"] is not None for tier in thresholds):
        columns.append(Column("leaves from", "leaves", lambda share: f"{share:.4f}"))
    notes = [f"- mIoU and Dice, in percent, of the int8 signature: {_measured_on(tiers)}"]
    notes.append(f"- latency: {_measured_with(tiers)}")
    if len(columns) > 7:
        notes.append(
            "- leaves from: the share of sure pixels at which an adaptive run leaves; "
            "from 0 every image does, from 1 hardly any"
        )
    return f"{markdown_table(columns, thresholds)}\n\n" + "\n".join(notes)


def _measured_on(tiers: Sequence[Mapping[str, Any]]) -> str:
    found = {
        f"{on['data']} {on['split']}, {on['images']} images"
        for on in (tier.get("measured_on") for tier in tiers)
        if on
    }
    return "; ".join(sorted(found)) or "not measured"


def _measured_with(tiers: Sequence[Mapping[str, Any]]) -> str:
    found = {
        f"threads: {on['threads']}, cores: {on['cores']}, {on['cpu']}, {on['system']}, "
        f"{on['runtime']}"
        for on in (tier.get("latency_measured_with") for tier in tiers)
        if on
    }
    return "; ".join(sorted(found)) or "not measured"


def _calibration(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "Not recorded."
    return (
        f"Ranges of the activations come from {calibration['count']} images "
        f"(sha256 of their pixels `{calibration['sha256']}`)."
    )


def _training(training: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    runs: list[str] = []
    run: Any = training
    while isinstance(run, Mapping) and run:
        runs.append(
            f"recipe `{run.get('recipe', '-')}`, seed {run.get('seed', '-')}, "
            f"{run.get('epochs', '-')} epochs on {run.get('dataset', '-')}"
        )
        run = run.get("initial")
    numbered = "\n".join(f"{place}. {line}" for place, line in enumerate(reversed(runs), 1))
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{numbered or 'Not recorded.'}\n\nExported with {made or 'unknown versions'}."


def _limits(metadata: Mapping[str, Any], tiers: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "- Images are resized to the network's input; what is smaller than a few of its pixels "
        "is lost.",
        "- Figures are those of one training with one seed, on one machine; latency on yours "
        "differs, so let the app measure it (`Segmenter.fastest_within`).",
        "- Confidence is the share of pixels that the tier is sure of, not the chance that the "
        "mask is right.",
        "- Kernels of other runtimes round otherwise, and masks then differ near borders.",
    ]
    if any(tier.get("policy", {}).get("measure") == "entropy" for tier in tiers):
        lines.append("- An exit judges by entropy: needs TensorFlow Lite 2.15 or newer.")
    if any(tier.get("exit") for tier in tiers):
        lines.append(
            "- Early exits are the subject of other people's patents; see the notice in the "
            "project's README."
        )
    return "\n".join(lines)
