"""Measures how far old and small machines agree: `python -m tests.machines.measure`.

Writes `assets/results/small_machines.json`. It takes the environments of `make test-clients` and
`make test-arm`, and test images of the data set that each bundle was trained on, whose labels say
what the difference is worth.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kit.data import open_dataset
from kit.metrics import ConfusionMatrix
from mobile_export.benchmark import machine
from mobile_export.metadata import versions
from mobile_export.runtime import Segmenter
from mobile_export.runtime.files import replacing
from mobile_export.runtime.image_io import resized_mask
from tests.machines import every_signature as worker
from tests.machines.agreement import agreement
from tests.machines.arm import CORES, ROOT, run
from tests.machines.every_signature import LATENCIES
from tests.machines.legacy import legacy_python

OUT = ROOT / "assets" / "results" / "small_machines.json"
NOW, OLD = "ai-edge-litert", "tflite-runtime 2.14.0"
IMAGES = {"street_scenes": 20, "camvid": 10, "camvid_deeplab": 10, "camvid_exits": 4}
"""Bundle -> how many test images, evenly spread; all its signatures run on each of them."""
ON_ARM = {"street_scenes": 2, "camvid_deeplab": 1}
"""The same on emulated Arm, which takes a hundred times as long."""

Outputs = Mapping[str, np.ndarray]


def main() -> None:
    """Measures everything, in some ten minutes, and writes the file."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for bundle in IMAGES for row in _rows(bundle, Path(folder))]
    found = {
        "name": "small_machines",
        "command": "python -m tests.machines.measure",
        "data": "test images of the data set that each bundle was trained on, evenly spread",
        "machine": machine(1),
        "versions": versions(),
        "rows": rows,
        "least": {
            name: min(row["least_equal"] for row in rows if row["machine"] == name)
            for name in dict.fromkeys(row["machine"] for row in rows)
        },
        "furthest_confidence": max(row["confidence_steps"] for row in rows),
    }
    with replacing(OUT) as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _rows(name: str, folder: Path) -> list[dict[str, Any]]:
    """What each machine gave of one bundle, beside this machine's."""
    bundle = ROOT / "assets" / "models" / f"{name}.tflite"
    scenes, labels = _scenes(name, folder)
    now = _outputs(folder, lambda out: _call(sys.executable, out, bundle, scenes))
    old = _outputs(folder, lambda out: _call(str(legacy_python()), out, bundle, scenes))
    rows = [_row(name, bundle, OLD, now, old, labels)]
    if name in ON_ARM:
        first = {key: values[: ON_ARM[name]] for key, values in now.items()}
        for core in CORES:
            arm = _outputs(folder, partial(_emulated, core, bundle, scenes[: ON_ARM[name]]))
            rows.append(_row(name, bundle, f"{core}, emulated", first, arm, labels))
    return rows


def _row(
    name: str,
    bundle: Path,
    on: str,
    now: Outputs,
    other: Outputs,
    labels: Sequence[np.ndarray],
) -> dict[str, Any]:
    found = agreement(now, other)
    segmenter = Segmenter(bundle, warm_up="none")
    tier = segmenter.default_tier
    masks = f"{segmenter.info(tier).signature}/mask"
    row = {
        "bundle": name,
        "machine": on,
        "signatures": len(found.masks),
        "images": len(now[masks]),
        "least_equal": round(found.least, 5),
        "mean_equal": round(float(np.mean([*_equal(now, other)])), 5),
        "confidence_steps": found.confidence,
        "state_steps": found.states,
    }
    if on == OLD:
        row["slower"] = round(_ms(other, tier) / _ms(now, tier), 2)
    if on == OLD and len(labels) >= 10:
        scored = {"miou": now, "other_miou": other}
        row |= {key: _miou(outputs[masks], labels) for key, outputs in scored.items()}
    return row


def _equal(now: Outputs, other: Outputs) -> list[float]:
    return [float((now[key] == other[key]).mean()) for key in now if key.endswith("/mask")]


def _ms(outputs: Outputs, tier: str) -> float:
    return float(np.median(outputs[LATENCIES + tier]))


def _miou(masks: np.ndarray, labels: Sequence[np.ndarray]) -> float:
    matrix = ConfusionMatrix(11)
    for mask, label in zip(masks, labels, strict=True):
        matrix.update(label, resized_mask(mask, label.shape))
    return round(float(matrix.mean_iou()), 5)


def _scenes(name: str, folder: Path) -> tuple[list[Path], list[np.ndarray]]:
    """Test images of a bundle as files without loss, and their labels."""
    data = open_dataset(name.partition("_")[0] if "camvid" in name else name, "test")
    places = np.linspace(0, len(data) - 1, IMAGES[name]).round().astype(int).tolist()
    paths = [folder / f"{place:04}.png" for place in places]
    for place, path in zip(places, paths, strict=True):
        Image.fromarray(data.image(place)).save(path)
    return paths, [data.label(place) for place in places]


def _call(python: str, out: Path, bundle: Path, images: Sequence[Path]) -> None:
    """Runs the worker by a Python; only this one's takes the project from its folder."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if python == sys.executable:
        variables["PYTHONPATH"] = str(ROOT)
    words = [python, worker.__file__, str(out), str(bundle), *map(str, images)]
    subprocess.run(words, cwd=out.parent, env=variables, capture_output=True, check=True)


def _emulated(core: str, bundle: Path, images: Sequence[Path], out: Path) -> None:
    run(core, Path(worker.__file__), [out, bundle, *images], timeout=1200)


def _outputs(folder: Path, make: Callable[[Path], object]) -> dict[str, np.ndarray]:
    out = folder / "outputs.npz"
    make(out)
    with np.load(out) as outputs:
        return dict(outputs)


if __name__ == "__main__":
    main()
