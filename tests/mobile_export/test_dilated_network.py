"""Dilated convolutions arrive in the bundle as such, and give what Keras gives."""

from collections import Counter

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import kit
from mobile_export.converter import convert_int8
from mobile_export.inspection import Inspection
from mobile_export.signatures import freeze

SIZE = (72, 88)  # features of 9×11 at stride 8: no rate divides their sides


@pytest.fixture(scope="module")
def network() -> kit.DeepLabV3:
    keras.utils.set_random_seed(1)
    network = kit.DeepLabV3(
        5,
        SIZE,
        head_channels=8,
        output_stride=8,
        width=0.35,
        exits=[{"after": 4, "head": "deeplab-b2d"}],
    )
    network.recalibrate([np.stack(images()).astype("float32")])
    return network


@pytest.fixture(scope="module")
def model(network: kit.DeepLabV3) -> bytes:
    """Logits of both tiers, in integers."""
    tiers = [freeze(network, tier, outputs="logits") for tier in network.tiers]
    return convert_int8(tiers, images())


def images() -> list[np.ndarray]:
    """Coloured blocks, which a network without training still tells apart."""
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (4, SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
    return list(blocks.repeat(8, axis=1).repeat(8, axis=2))


def dilations(model: bytes, signature: str) -> Counter[tuple[str, int]]:
    """How many convolutions of each kind have which distance between their taps."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = content.subgraphs[Inspection(model).signatures[signature]]
    found: Counter[tuple[str, int]] = Counter()
    for operator in graph.operators:
        options = operator.builtinOptions
        if isinstance(options, schema.Conv2DOptionsT | schema.DepthwiseConv2DOptionsT):
            assert options.dilationHFactor == options.dilationWFactor
            found[type(options).__name__[:4], options.dilationHFactor] += 1
    return found


def test_every_dilated_convolution_is_one_operator(network: kit.DeepLabV3, model: bytes) -> None:
    inspection = Inspection(model)
    for tier in network.tiers:
        names = Counter(operator.name for operator in inspection.operators(tier.name))
        assert not [name for name in names if "BATCH" in name], names
        expected: Counter[tuple[str, int]] = Counter()
        for layer in network.tier(tier).layers:
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                kind = "Dept" if isinstance(layer, keras.layers.DepthwiseConv2D) else "Conv"
                expected[kind, layer.dilation_rate[0]] += 1
        assert dilations(model, tier.name) == expected
        assert inspection.float_operators(tier.name) == []
    plain = dilations(model, "plain")
    assert [plain["Dept", rate] for rate in (2, 4)] == [7, 3]
    assert [plain["Conv", rate] for rate in (12, 24, 36)] == [1, 1, 1]


def test_integers_give_what_keras_gives(network: kit.DeepLabV3, model: bytes) -> None:
    """At the early exit, which has a pyramid too; behind 16 blocks without training 8 bits blur."""
    runner = Interpreter(model_content=model).get_signature_runner("plain_exit1")
    scale, zero = runner.get_output_details()["logits"]["quantization"]
    exit_ = network.logits_model("plain_exit1")
    for image in images():
        given = (runner(image=image[None])["logits"].astype("float64") - zero) * scale
        expected = np.asarray(exit_(image[None].astype("float32"))["logits"])
        assert given.shape == expected.shape == (1, 9, 11, 5)
        assert np.corrcoef(given.ravel(), expected.ravel())[0, 1] > 0.95
