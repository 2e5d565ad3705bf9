"""One int8 model, calibrated, with the interface that the contract promises."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

import kit
from mobile_export.converter import ConversionError, convert_float32, convert_int8
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.signatures import FrozenTier, chosen_stages, freeze
from tests.mobile_export.blocks import CONFIGURATIONS, Blocks, small_network
from tests.mobile_export.conftest import Made

IMAGES = np.stack([Blocks("val").image(i) for i in range(4)])


def scales(made: Made, tensor: str, *, inputs: bool) -> set[tuple[float, int]]:
    """Scale and zero point of an input or output, in all signatures."""
    content = schema.ModelT.InitFromPackedBuf(made.model, 0)
    found = set()
    for entry in content.signatureDefs:
        (index,) = (
            item.tensorIndex
            for item in (entry.inputs if inputs else entry.outputs)
            if item.name == tensor.encode()
        )
        table = content.subgraphs[entry.subgraphIndex].tensors[index].quantization
        found.add((float(table.scale[0]), int(table.zeroPoint[0])))
    return found


@pytest.mark.parametrize("tier", CONFIGURATIONS)
def test_int8_follows_the_network(made: Made, network: kit.AdaptiveUNet, tier: str) -> None:
    expected = network.predictor(tier).predict(IMAGES.astype(np.float32), verbose=0)
    interpreter = Interpreter(made.model)
    given = [interpreter.run(tier, {"image": image[None]})[0] for image in IMAGES]
    masks = np.concatenate([outputs["mask"] for outputs in given])
    assert masks.dtype == np.uint8
    assert (masks == expected["mask"]).mean() > 0.75
    shares = np.concatenate([outputs["confidence"] for outputs in given]) / 255
    np.testing.assert_allclose(shares, expected["confidence"], atol=0.12)


def test_the_bytes_of_image_and_confidence_mean_what_the_contract_says(made: Made) -> None:
    assert scales(made, "image", inputs=True) == {(1.0, 0)}
    assert scales(made, "confidence", inputs=False) == {(float(np.float32(1 / 255)), 0)}


def test_normalisation_keeps_every_grey_value(made: Made) -> None:
    content = schema.ModelT.InitFromPackedBuf(made.model, 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    for graph in content.subgraphs:
        head = graph.operators[:3]
        kinds = [names[content.operatorCodes[op.opcodeIndex].builtinCode] for op in head]
        assert kinds[:2] == ["QUANTIZE", "MUL"]
        assert kinds[2] in ("ADD", "SUB")
        for operator in head[1:]:
            scale = graph.tensors[operator.outputs[0]].quantization.scale
            assert scale == pytest.approx(2 / 255, rel=1e-3)


# === Stages ===

MIXED = "h" * 16 + "lbhb"  # with `light`, every kind of stage that a decoder has


@pytest.fixture(scope="module")
def exits_network() -> kit.AdaptiveUNet:
    """Early exits in the encoder and in the decoder, of other heads and policies."""
    network = small_network()
    network.add_configuration("mixed", MIXED)
    policy = kit.search.ExitPolicy("entropy", 0.08, edge_aware=True)
    exits = [kit.Exit(13, "deeplab-r2"), kit.Exit(18, "fcn-b1d", policy)]
    network = network.with_exits(exits)
    chosen = [tier for name in ("light", "mixed") for tier in network.exits_of(name)]
    network.recalibrate([IMAGES.astype(np.float32)], chosen)
    return network


@pytest.fixture(scope="module")
def staged(exits_network: kit.AdaptiveUNet) -> Interpreter:
    """Every tier of two configurations in one shot, and in stages."""
    tiers = [t for t in exits_network.tiers if t.configuration in ("light", "mixed")]
    stages = chosen_stages(exits_network, tiers)
    frozen = [freeze(exits_network, tier) for tier in tiers]
    frozen += [freeze(exits_network, tier, stage=stage) for tier, stage in stages]
    return Interpreter(convert_int8(frozen, list(IMAGES), threads=1))


@pytest.mark.parametrize("configuration", ["light", "mixed"])
def test_chained_stages_give_the_bytes_of_one_shot(
    staged: Interpreter, exits_network: kit.AdaptiveUNet, configuration: str
) -> None:
    tiers = exits_network.exits_of(configuration)
    assert len(tiers) == 3
    shares = set()
    for index in range(6):
        image = Blocks("test").image(index)[None]
        given = {"image": image}
        for tier in tiers:
            stage = tier.stage_name(1 + tiers.index(tier))
            outputs, _ = staged.run(stage, given)
            expected, _ = staged.run(tier.name, {"image": image})
            assert expected.keys() == {"mask", "confidence"}
            for name, value in expected.items():
                np.testing.assert_array_equal(outputs.pop(name), value, err_msg=f"{stage} {name}")
            assert len(np.unique(expected["mask"])) > 1
            shares.add(int(expected["confidence"][0]))
            given = outputs
            assert all(name.startswith("state_") for name in given)
            assert {str(array.dtype) for array in given.values()} == ({"uint8"} if given else set())
        assert not given  # behind the last stage
    assert len(shares) > 3


def test_logits_stand_where_mask_and_confidence_would(network: kit.AdaptiveUNet) -> None:
    tier = freeze(network, kit.Tier("light"), outputs="logits")
    model = convert_int8([tier], list(IMAGES), threads=1)
    signature = Interpreter(model).signatures["light"]
    assert {name: str(tensor) for name, tensor in signature.outputs.items()} == {
        "logits": "uint8 (1, 16, 16, 5)"
    }


def test_float32_is_the_network(network: kit.AdaptiveUNet) -> None:
    tier = freeze(network, kit.Tier("medium"), quantized=False)
    interpreter = Interpreter(convert_float32([tier]))
    image = IMAGES[:1].astype(np.float32)
    given, _ = interpreter.run("medium", {"image": image})
    expected = network.predictor("medium").predict(image, verbose=0)
    assert (given["mask"] == expected["mask"]).mean() > 0.999
    np.testing.assert_allclose(given["confidence"], expected["confidence"], atol=1e-2)


def tier_of(function: object) -> FrozenTier:
    specification = tf.TensorSpec((1, 64, 64, 3), tf.float32, name="image")
    concrete = tf.function(function, input_signature=[specification]).get_concrete_function()
    return FrozenTier(kit.Tier("odd"), (64, 64), concrete)


def test_an_operator_that_litert_has_not_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    odd = tier_of(lambda image: {"mask": tf.linalg.inv(image[..., :64, 0])})
    with pytest.raises(ConversionError, match=r"the converter refused the network: .*MatrixInv"):
        convert_float32([odd])
    assert "MatrixInv" not in capfd.readouterr().err


def test_the_converter_is_quiet(
    network: kit.AdaptiveUNet, capfd: pytest.CaptureFixture[str]
) -> None:
    convert_int8([freeze(network, kit.Tier("light"))], list(IMAGES[:1]), threads=1)
    assert capfd.readouterr() == ("", "")
