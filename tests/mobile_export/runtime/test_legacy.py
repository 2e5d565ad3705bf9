"""The same bundle on tflite-runtime 2.14, which old boards have: the same masks, to rounding."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobile_export.exporter import ExportResult
from mobile_export.runtime import Segmenter, load_image
from tests.machines import every_signature as worker
from tests.machines.agreement import agreement, unlike_their_tier
from tests.machines.every_signature import every_signature
from tests.machines.legacy import ROOT, MissingError, legacy_python

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SHIPPED = sorted((ROOT / "assets" / "models").glob("*.tflite"))
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))[:4:3]

# The kernels round otherwise: XNNPACK is today's default, and off for 8 bits in 2.14. Measured on
# these images: masks 97.2 % equal or more, confidences 4 steps of 255 apart at most.
LEAST_EQUAL = 0.96
CONFIDENCE_STEPS = 8


@pytest.fixture(scope="session")
def old_python() -> Path:
    """Python of an environment that has the base package on tflite-runtime."""
    try:
        return legacy_python()
    except MissingError as missing:
        pytest.skip(f"needs {missing}")


def _run(command: list[Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of the old environment, where this project's folder is not on its path."""
    without = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env=without, capture_output=True, text=True, check=False
    )


def _on_old(python: Path, bundle: Path, images: list[Path], folder: Path) -> dict[str, np.ndarray]:
    out = folder / "outputs.npz"
    done = _run([python, worker.__file__, out, bundle, *images], folder)
    assert done.returncode == 0, done.stderr
    with np.load(out) as outputs:
        return dict(outputs)


def test_the_old_environment_has_no_other_runtime(old_python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util, numpy, mobile_export.runtime.interpreter as interpreter\n"
        "print(importlib.util.find_spec('ai_edge_litert'), numpy.__version__.partition('.')[0])\n"
        "print(interpreter._backend().__module__, interpreter.__file__)\n"
    )
    done = _run([old_python, "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    absent, backend = done.stdout.splitlines()
    assert absent == "None 1"
    module, file = backend.split()
    assert module == "tflite_runtime.interpreter"
    assert Path(file).is_relative_to(old_python.parents[1])


@pytest.mark.parametrize("bundle", SHIPPED, ids=lambda path: path.stem)
def test_every_signature_of_a_shipped_bundle_gives_the_same_mask(
    bundle: Path, old_python: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    old = _on_old(old_python, bundle, SAMPLES, tmp_path)
    found = agreement(every_signature(bundle, SAMPLES), old)
    record_property("agreement", str(found))
    assert found.masks.keys() >= set(Segmenter(bundle, warm_up="none").tiers)
    assert found.least >= LEAST_EQUAL, found
    assert found.confidence <= CONFIDENCE_STEPS, found
    assert unlike_their_tier(bundle, old) == []


def test_exits_stages_and_input_sizes_give_the_same_mask(
    tiny_bundle: Path, old_python: Path, tmp_path: Path
) -> None:
    old = _on_old(old_python, tiny_bundle, SAMPLES, tmp_path)
    found = agreement(every_signature(tiny_bundle, SAMPLES), old)
    assert {"light_24x32", "heavy_exit1", "heavy_exit2", "heavy_stage3"} <= found.masks.keys()
    for signature in ("light", "light_24x32", "heavy_exit1", "heavy_stage1"):
        assert found.masks[signature] == 1, found
    assert found.least >= 0.98, found
    assert found.confidence <= 1
    assert found.states <= 1
    assert unlike_their_tier(tiny_bundle, old) == []


def test_segment_writes_the_masks_of_the_segmenter(old_python: Path, tmp_path: Path) -> None:
    bundle = ROOT / "assets" / "models" / "street_scenes.tflite"
    tierseg = old_python.with_name("tierseg")
    done = _run(
        [tierseg, "segment", bundle, *SAMPLES, "--tier", "light", "--out", "out", "--json"],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    segmenter = Segmenter(bundle, warm_up="none")
    rows = json.loads(done.stdout)["images"]
    assert [row["image"] for row in rows] == [str(path) for path in SAMPLES]
    for row, path in zip(rows, SAMPLES, strict=True):
        result = segmenter(load_image(path), "light")
        with Image.open(tmp_path / row["mask"]) as mask:
            assert (np.asarray(mask) == result.mask).mean() >= LEAST_EQUAL
        assert row["confidence"] == pytest.approx(result.confidence, abs=CONFIDENCE_STEPS / 255)


def test_segment_leaves_early(old_python: Path, tmp_path: Path) -> None:
    bundle = ROOT / "assets" / "models" / "camvid_deeplab.tflite"
    tierseg = old_python.with_name("tierseg")
    command = [tierseg, "segment", bundle, SAMPLES[0], "--adaptive", "--out", "out", "--json"]
    for threshold, steps in (("0", 1), ("1", 6)):
        done = _run([*command, "--threshold", threshold], tmp_path)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["images"][0]["steps"]) == steps


def test_an_exit_that_judges_by_entropy_needs_a_newer_runtime_and_says_so(
    made_exits: ExportResult, old_python: Path, tmp_path: Path
) -> None:
    measures = {tier["policy"]["measure"] for tier in made_exits.manifest["tiers"]}
    assert "entropy" in measures
    bundle = shutil.copy(made_exits.path, tmp_path / "blocks.tflite")
    tierseg = old_python.with_name("tierseg")
    done = _run([tierseg, "segment", bundle, SAMPLES[0], "--out", "out"], tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {bundle} needs a newer runtime; expected one with the operator")
    assert "entropy" in line
    assert line.endswith("got tflite-runtime 2.14.0")
    assert not (tmp_path / "out").exists()
