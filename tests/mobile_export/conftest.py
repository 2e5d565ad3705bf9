"""One small network and its bundle, converted once for all tests of the export."""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

import kit
from mobile_export import converter, exporter
from mobile_export.exporter import ExportResult, export
from mobile_export.runtime import Bundle
from tests.mobile_export.blocks import CLASSES, Blocks, small_network, with_fitted_exits

MIN_AGREEMENT = 0.7  # the network's features are random, so that 8 bits change many pixels


@dataclass(frozen=True)
class Made:
    """What the export made of the small network.

    Args:
        result: what `export` gave.
        unpacked: the model as it came from the converter.
    """

    result: ExportResult
    unpacked: bytes

    @property
    def path(self) -> Path:
        return self.result.path

    @property
    def model(self) -> bytes:
        return Bundle.open(self.path).model_bytes


@pytest.fixture(scope="session")
def network() -> kit.AdaptiveUNet:
    """The small network; do not change it."""
    return small_network()


@pytest.fixture(scope="session")
def calibration_images() -> list[np.ndarray]:
    data = Blocks("train", 12)
    return [data.image(index) for index in range(len(data))]


@pytest.fixture(scope="session")
def made(
    network: kit.AdaptiveUNet,
    calibration_images: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """The bundle of the small network; do not write to it."""
    path = tmp_path_factory.mktemp("export") / "blocks.tflite"
    unpacked = []

    def pack(model: bytes, *args: object) -> bytes:
        unpacked.append(model)
        return original(model, *args)

    original, converter.pack = converter.pack, pack
    try:
        result = export(
            network,
            path,
            calibration_images,
            labels=CLASSES,
            min_agreement=MIN_AGREEMENT,
            evaluation=Blocks("val", 4),
            threads=1,
        )
    finally:
        converter.pack = original
    assert exporter.convert_int8 is converter.convert_int8
    return Made(result, unpacked[0])


@pytest.fixture(scope="session")
def exits_network(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    """The small network with two early exits, whose heads were fitted; do not change it."""
    return with_fitted_exits(network)


@pytest.fixture(scope="session")
def made_exits(
    exits_network: kit.AdaptiveUNet,
    calibration_images: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> ExportResult:
    """The bundle of the lightest and the heaviest configuration with exits; do not write to it."""
    return export(
        exits_network,
        tmp_path_factory.mktemp("exits") / "blocks.tflite",
        calibration_images,
        labels=CLASSES,
        tiers=[tier for tier in exits_network.tiers if tier.configuration != "medium"],
        min_agreement=0.4,  # the deepest features are 4×4 pixels of noise
        threads=1,
    )
