"""Kernels of few bits are whole in the file; activations of few bits are no format of int8."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.quantization import FakeQuant, quantize
from kit.quantization.low_bit_conv import LowBitConv
from mobile_export import export
from mobile_export.exporter import ExportResult
from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.whole_kernels import whole_kernels
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES
from tests.mobile_export.int8_convolutions import laid_out, read, signs

SIZE = (32, 32)
WIDTHS = {
    # Three bits in the convolution that sees the image and in those that give logits.
    "1 and 3": {"weight_bits": 1, "edge_bits": 3},
    "2": {"weight_bits": 2},
}


@dataclass(frozen=True)
class Made:
    """A network of few bits in its kernels, and its bundle."""

    widths: dict[str, int]
    network: kit.AdaptiveNetwork
    result: ExportResult

    @property
    def convolutions(self) -> list[LowBitConv]:
        assert isinstance(self.network.arithmetic, FakeQuant)
        return [m for m in self.network.arithmetic.convolutions if isinstance(m, LowBitConv)]


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*SIZE, 3)).astype("uint8") for _ in range(3)]


def quantized(images: list[np.ndarray], **widths: int) -> kit.AdaptiveNetwork:
    """An FCN-8s whose masks have several classes, and of which no kernel is zero."""
    keras.utils.set_random_seed(1)
    network = randomised(kit.FCNVGG16(CLASSES, SIZE, width=0.05))
    rng = np.random.default_rng(2)
    for layer in (*network.head.skips, *network.head.enlarge):
        layer.kernel.assign(layer.kernel + rng.normal(0, 0.05, layer.kernel.shape))
    batch = np.stack(images).astype("float32")
    network = quantize(network, {"policy": "qat", **widths}, [batch])
    raw = np.asarray(network.logits_model(network.default_tier)(batch)["logits"])
    bias = network.head.score.bias
    bias.assign(bias - raw.mean((0, 1, 2)))
    return quantize(network, network.arithmetic.to_policy(), [batch])


@pytest.fixture(scope="module", params=WIDTHS)
def made(
    request: pytest.FixtureRequest,
    images: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """A network and its bundle, which the verifier has passed."""
    widths = WIDTHS[request.param]
    network = quantized(images, **widths)
    path = tmp_path_factory.mktemp("few") / "few.tflite"
    return Made(widths, network, export(network, path, images, min_agreement=0.9, threads=1))


def test_kernels_of_the_file_are_the_trained_integers(made: Made) -> None:
    placed = read(Bundle.open(made.result.path).model_bytes)
    trained = {layer.conv.name: laid_out(layer) for layer in made.convolutions}
    whole = {}
    for item in placed:
        found = [name for name, kernel in trained.items() if signs(item, kernel) is not None]
        if found:
            (name,) = found
            whole[name] = int(np.abs(item.kernel.astype(int)).max())
    assert whole.keys() == trained.keys()
    edges = {name for name, most in whole.items() if most == 3}
    assert set(whole.values()) - {3} == {1}
    # Where the edges keep 8 bits, only they are no such integers.
    eight = [
        layer for layer in made.network.arithmetic.convolutions if type(layer) is not LowBitConv
    ]
    assert len(placed) == len(whole) + len(eight)
    names = edges if "edge_bits" in made.widths else {layer.conv.name for layer in eight}
    assert "block1_conv1" in names
    assert 2 <= len(names) < 6


def test_masks_are_those_of_keras(made: Made, images: list[np.ndarray]) -> None:
    segmenter = Segmenter(made.result.path, threads=1)
    found = np.stack([segmenter(image).mask for image in images])
    batch = np.stack(images).astype("float32")
    expected = np.asarray(made.network.predictor(made.network.default_tier)(batch)["mask"])
    assert (found == expected).mean() > 0.95
    assert np.bincount(expected.reshape(-1)).max() < 0.95 * expected.size


def test_the_verifier_compares_the_rounding_of_each_operator(made: Made) -> None:
    (check,) = (check for check in made.result.report.checks if check.name == "rounding")
    assert check.passed
    assert "each operator by itself on 100.00 % of its values" in check.detail


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_kernels_are_laid_out_as_in_a_file(multiplier: int) -> None:
    conv = keras.layers.DepthwiseConv2D((1, 2), depth_multiplier=multiplier)
    layer = LowBitConv(conv, keras.Variable(1.0, trainable=False), name="narrow")
    layer.build((None, 4, 4, 2 // multiplier))
    # Of the first output channel 1 and -2, of the second -3 and 4.
    conv.kernel.assign(np.reshape([[1, -3], [-2, 4]], conv.kernel.shape))
    arithmetic: Any = SimpleNamespace(convolutions=[layer])
    (kernel,) = whole_kernels(arithmetic)
    assert kernel.dtype == np.int8
    assert kernel.tolist() == [[[[1, -1], [-1, 1]]]]


def test_activations_of_few_bits_are_refused(images: list[np.ndarray], tmp_path: Path) -> None:
    network = quantize(
        kit.FCNVGG16(CLASSES, SIZE, width=0.05), {"policy": "qat", "activation_bits": 7}
    )
    with pytest.raises(TiersegError, match=r"must have activations of 8 bits, .*; got 7$"):
        export(network, tmp_path / "new" / "few.tflite", images)
    assert list(tmp_path.iterdir()) == []
