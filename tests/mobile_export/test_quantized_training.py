"""Networks that were trained in 8 bits keep their ranges and their numbers in the bundle."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kit
from kit.data import StreetScenes
from kit.quantization import FakeQuant, quantize
from mobile_export import export
from mobile_export.exporter import ExportResult
from mobile_export.fake_quant_comparison import compare_fake_quant
from mobile_export.inspection import Inspection
from mobile_export.runtime import Bundle, Segmenter
from mobile_export.runtime.errors import TiersegError
from tests.kit.conftest import randomised
from tests.kit.small import small_unet

pytestmark = pytest.mark.long

TIERS = ("light_exit1", "light", "heavy_exit1", "heavy")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (64, 64, 3)).astype("uint8") for _ in range(6)]


@pytest.fixture(scope="module")
def plain() -> kit.AdaptiveNetwork:
    keras.utils.set_random_seed(1)
    return randomised(
        small_unet(configurations={"light": "light", "heavy": "heavy"}, exits=[kit.Exit(after=17)])
    )


@pytest.fixture(scope="module")
def network(plain: kit.AdaptiveNetwork, images: list[np.ndarray]) -> kit.AdaptiveNetwork:
    """After two steps on generated scenes."""
    network = quantize(plain, "qat", [np.stack(images).astype("float32")])
    scenes = StreetScenes("train", count=4, image_size=(64, 64))
    batch = np.stack([scenes.image(index) for index in range(4)]).astype("float32")
    labels = np.stack([scenes.label(index) for index in range(4)]) % network.num_classes
    schedule = kit.training.SingleTier(network.resolve("light"))
    loss = kit.losses.SegmentationCrossEntropy()
    network.compile("adamw", loss=loss, schedule=schedule, run_eagerly=True)
    network.fit(batch, labels, batch_size=2, epochs=1, verbose=0)
    return network


@pytest.fixture(scope="module")
def exported(
    network: kit.AdaptiveNetwork,
    images: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> ExportResult:
    """All checks of the verifier pass, chained stages byte for byte as in one shot included."""
    path = tmp_path_factory.mktemp("qat") / "qat.tflite"
    return export(network, path, images, min_agreement=0.9, threads=1)


@pytest.mark.parametrize("tier", TIERS)
def test_masks_are_those_of_the_fake_quantized_tier(
    tier: str, exported: ExportResult, network: kit.AdaptiveNetwork, images: list[np.ndarray]
) -> None:
    segmenter = Segmenter(exported.path, threads=1)
    found = np.stack([segmenter(image, tier=tier).mask for image in images])
    expected = network.predictor(tier)(np.stack(images).astype("float32"))["mask"]
    assert (found == np.asarray(expected)).mean() > 0.95


@pytest.mark.parametrize("tier", TIERS)
def test_operators_round_as_the_network_does(
    tier: str, exported: ExportResult, network: kit.AdaptiveNetwork, images: list[np.ndarray]
) -> None:
    model = Bundle.open(exported.path).model_bytes
    found = compare_fake_quant(model, tier, network, images[:1], kernels="reference")
    for step, layer in zip(found.steps, found.layers, strict=True):
        assert step.near_share >= 0.999, (layer, step)
    assert found.logits.near_share > 0.9
    assert not found.joined


def test_the_verifier_tells_so(exported: ExportResult) -> None:
    (check,) = (check for check in exported.report.checks if check.name == "rounding")
    assert check.passed
    assert "each operator by itself on 100.00 % of its values; logits" in check.detail
    assert all(tier in check.detail for tier in TIERS)


def test_the_file_holds_the_scales_that_training_chose(
    exported: ExportResult, network: kit.AdaptiveNetwork
) -> None:
    arithmetic = network.arithmetic
    assert isinstance(arithmetic, FakeQuant)
    content = schema.ModelT.InitFromPackedBuf(Bundle.open(exported.path).model_bytes, 0)
    scales = {
        float(tensor.quantization.scale[0])
        for graph in content.subgraphs
        for tensor in graph.tensors
        if tensor.quantization is not None and tensor.quantization.scale is not None
    }
    trained = [(float(layer.high) - float(layer.low)) / 255 for layer in arithmetic.activations]
    missing = [
        scale
        for scale in trained
        if not any(abs(scale / found - 1) < 1e-5 for found in scales if found)
    ]
    assert not missing


def test_kernels_are_stored_once_and_no_larger_than_without(
    exported: ExportResult, plain: kit.AdaptiveNetwork, images: list[np.ndarray], tmp_path: Path
) -> None:
    other = export(plain, tmp_path / "ptq.tflite", images, min_agreement=0.5, threads=1)
    sizes = [
        Inspection(Bundle.open(result.path).model_bytes).kernel_bytes()
        for result in (exported, other)
    ]
    assert sizes[0] == sizes[1]


def test_a_tier_that_has_seen_nothing_is_named(
    plain: kit.AdaptiveNetwork, images: list[np.ndarray], tmp_path: Path
) -> None:
    unseen = quantize(plain, "qat")
    with pytest.raises(TiersegError, match="`network` must have seen images in tier light_exit1"):
        export(unseen, tmp_path / "unseen.tflite", images)
    assert not list(tmp_path.iterdir())
