"""A PTA network trained with data and network slimming and quantization, and its bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit.data import open_dataset
from kit.training import Recipe, preparation, trainer
from mobile_export import export
from mobile_export.exporter import ExportResult
from mobile_export.runtime import Bundle, Segmenter
from tests.kit.small import WIDTHS, small_unet
from tests.kit.training.steps import TIERS

SIZE = (64, 64)
RECIPE = Recipe(
    name="all",
    data="street_scenes",
    image_size=SIZE,
    crop_size=SIZE,
    epochs=2,
    batch_size=2,
    width=0.35,
    decoder_widths=WIDTHS,
    configurations=TIERS,
    warm_up=0.0,
    precision="qat",
    recalibration_batches=1,
    data_options={"count": 8, "image_size": SIZE},
    slimming={"projection": "empirical", "sizes": 2, "drop": "below_mean"},
    network_slimming={"share": 0.3, "scope": "network", "coupling": 0.5, "end": 0.5},
)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    scenes = open_dataset("street_scenes", "val", count=4, image_size=SIZE)
    return [scenes.image(index) for index in range(len(scenes))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> trainer.TrainingResult:
    folder = tmp_path_factory.mktemp("all")
    original = preparation._compile

    def untraced(network: kit.AdaptiveNetwork, *args: Any) -> None:
        """A few steps take less time than tracing one of each tier and size."""
        original(network, *args)
        network.run_eagerly = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "_compile", untraced)
        patch.setenv("TIERSEG_CACHE", str(folder / "cache"))
        return trainer.train(RECIPE, folder / "run")


@pytest.fixture(scope="module")
def exported(
    trained: trainer.TrainingResult, images: list[np.ndarray], tmp_path_factory: Any
) -> ExportResult:
    path: Path = tmp_path_factory.mktemp("bundle") / "all.tflite"
    return export(trained.network, path, images, min_agreement=0.9, threads=1)


def test_each_saves_its_part(trained: trainer.TrainingResult) -> None:
    first, second = trained.history
    assert set(first["draws"]) | set(second["draws"]) == set(TIERS)
    for epoch in trained.history:
        assert epoch["pixels"] < epoch["full_pixels"]
        assert np.isfinite(epoch["loss"])
    full = small_unet(image_size=SIZE, configurations=TIERS)
    for tier in TIERS:
        smaller = trained.network.profile(tier)
        assert smaller.macs < 0.9 * full.profile(tier).macs
        assert smaller.parameters < full.profile(tier).parameters
    assert trained.network.arithmetic.to_policy() == {"policy": "qat"}


def test_the_bundle_holds_the_smaller_tiers(
    trained: trainer.TrainingResult, exported: ExportResult, images: list[np.ndarray]
) -> None:
    segmenter = Segmenter(exported.path, threads=1)
    metadata = Bundle.open(exported.path).metadata
    assert metadata is not None
    assert {tier["name"]: tier["macs"] for tier in metadata["tiers"]} == {
        tier: trained.network.profile(tier).macs for tier in TIERS
    }
    for tier in TIERS:
        found = np.stack([segmenter(image, tier=tier).mask for image in images])
        expected = trained.network.predictor(tier)(np.stack(images).astype("float32"))["mask"]
        assert (found == np.asarray(expected)).mean() > 0.95
