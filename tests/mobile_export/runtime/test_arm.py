"""The shipped bundles on emulated 64-bit Arm: the masks of this machine, byte for byte."""

from pathlib import Path

import numpy as np
import pytest

from tests.machines import every_signature as worker
from tests.machines.agreement import agreement, unlike_their_tier
from tests.machines.arm import CORES, ROOT, MissingError, run
from tests.machines.every_signature import every_signature

pytestmark = [pytest.mark.arm, pytest.mark.timeout(900)]

MODELS = ROOT / "assets" / "models"
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))[:1]


def _on_arm(core: str, bundle: Path, folder: Path) -> dict[str, np.ndarray]:
    out = folder / "outputs.npz"
    try:
        run(core, Path(worker.__file__), [out, bundle, *SAMPLES], timeout=800)
    except MissingError as missing:
        pytest.fail(f"needs {missing}")
    with np.load(out) as outputs:
        return dict(outputs)


@pytest.mark.parametrize("core", CORES)
def test_exits_stages_and_input_sizes_give_the_same_bytes(
    core: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    _check_equal(core, tiny_bundle, tmp_path)


@pytest.mark.parametrize("core", CORES)
def test_every_tier_of_the_street_scenes_gives_the_same_bytes(core: str, tmp_path: Path) -> None:
    _check_equal(core, MODELS / "street_scenes.tflite", tmp_path)


def test_every_exit_and_stage_of_deeplab_gives_the_same_bytes(tmp_path: Path) -> None:
    _check_equal("cortex-a76", MODELS / "camvid_deeplab.tflite", tmp_path)


def _check_equal(core: str, bundle: Path, folder: Path) -> None:
    arm = _on_arm(core, bundle, folder)
    found = agreement(every_signature(bundle, SAMPLES), arm)
    assert found.least == 1, found
    assert (found.confidence, found.states) == (0, 0), found
    assert unlike_their_tier(bundle, arm) == []
