"""The int8 file of a network that an experiment has trained."""

from pathlib import Path
from types import SimpleNamespace

import kit
from mobile_export.experiments.exported import exported
from mobile_export.runtime import Bundle
from tests.mobile_export.block_folder import tiny_recipe, write_blocks
from tests.mobile_export.blocks import CLASSES, SIZE


def test_it_is_calibrated_on_the_training_split(tmp_path: Path) -> None:
    recipe = tiny_recipe(write_blocks(tmp_path / "blocks", train=6))
    network = kit.FCNVGG16(len(CLASSES), SIZE, width=0.125)
    bundle = tmp_path / "blocks.tflite"
    scale = SimpleNamespace(calibration_images=4, min_agreement=0.0)
    exported(network, bundle, recipe, scale)
    metadata = Bundle.open(bundle).metadata
    assert metadata is not None
    assert metadata["calibration"]["count"] == 4
    assert [label["name"] for label in metadata["labels"]] == [label.name for label in CLASSES]
