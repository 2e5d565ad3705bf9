"""Operators round as in training, where the file has them otherwise than Keras, and not at all."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kit
from kit.data import StreetScenes
from kit.errors import InputError
from kit.quantization import FakeQuant, quantize
from mobile_export.converter import convert_int8
from mobile_export.fake_quant_comparison import FakeQuantComparison, compare_fake_quant
from mobile_export.signatures import freeze
from tests.kit.conftest import randomised

SIZE = (64, 64)
SCENES = StreetScenes("train", count=3, image_size=SIZE)
IMAGES = [SCENES.image(index) for index in range(len(SCENES))]
DEEPLAB = {"ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "RESIZE_BILINEAR"}


@pytest.fixture(scope="module")
def network() -> kit.AdaptiveNetwork:
    """Dilated and depthwise kernels, pooling and concatenation; a channel of the stem is silent.

    Published encoders have such channels: kernels of zeros, so that the bias is all that is left.
    """
    keras.utils.set_random_seed(1)
    plain = kit.DeepLabV3(len(SCENES.classes), SIZE, width=0.35, head_channels=16, output_stride=8)
    layers = {layer.name: layer for layer in randomised(plain)._flatten_layers()}
    stem, norm = layers["Conv1"], layers["bn_Conv1"]
    stem.kernel.assign(np.asarray(stem.kernel) * (np.arange(stem.filters) > 0))
    norm.beta.assign(np.full(norm.beta.shape, 3.0))
    return quantize(plain, "qat", [np.stack(IMAGES).astype("float32")])


@pytest.fixture(scope="module")
def model(network: kit.AdaptiveNetwork) -> bytes:
    frozen = [freeze(network, tier) for tier in network.tiers]
    return convert_int8(frozen, IMAGES, trained=True, threads=1)


@pytest.fixture(scope="module", params=["reference", "xnnpack"])
def found(
    request: pytest.FixtureRequest, network: kit.AdaptiveNetwork, model: bytes
) -> FakeQuantComparison:
    return compare_fake_quant(model, "plain", network, IMAGES[:2], kernels=request.param)


def test_every_operator_is_within_a_step(found: FakeQuantComparison) -> None:
    assert {step.name for step in found.steps} == DEEPLAB
    for step, layer in zip(found.steps, found.layers, strict=True):
        assert step.near_share >= 0.999, (layer, step)
    assert found.logits.near_share > 0.95


def test_scales_are_those_of_training_but_where_the_converter_rounds_once(
    found: FakeQuantComparison,
) -> None:
    assert found.scale_deviation < 1e-6
    branches = {name.partition("_relu")[0] for name in found.joined}
    # The branch that reaches furthest has the range of all.
    assert branches <= {f"deeplab_aspp{branch}" for branch in range(4)}
    assert len(branches) >= 3


def test_no_bias_is_at_its_limit(model: bytes) -> None:
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    biases = [
        content.buffers[tensor.buffer].data.view(np.int32).astype(np.int64)
        for graph in content.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.INT32
        and tensor.quantization is not None
        and tensor.quantization.scale is not None
        and content.buffers[tensor.buffer].data is not None
    ]
    assert biases
    assert max(np.abs(bias).max() for bias in biases) < 2**30


def test_a_range_that_the_file_has_not_is_named(network: kit.AdaptiveNetwork, model: bytes) -> None:
    assert isinstance(network.arithmetic, FakeQuant)
    learned = network.arithmetic.activations[-1]
    high = float(learned.high)
    learned.high.assign(1.01 * high)
    with pytest.raises(InputError, match=f"for {learned.name}; got none"):
        compare_fake_quant(model, "plain", network, IMAGES[:1])
    learned.high.assign(high)
