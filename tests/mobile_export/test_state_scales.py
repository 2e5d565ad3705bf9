"""States are rounded to 8 bits where they arise, in every signature of a configuration alike."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobile_export.state_scales import pinned
from tests.mobile_export.tiny_models import OPERATORS, TinyGraph, TinyModel, runner

RNG = np.random.default_rng(0)
SCALE, SHIFT = (RNG.normal(size=(1, 4)).astype(np.float32) for _ in range(2))
AFTER = {"c_stage2": "c_stage1", "c_stage3": "c_stage2"}
GROUPS = {"c": "c", "c_exit1": "c", **{f"c_stage{k}": "c" for k in (1, 2, 3)}, "d": "d"}
RANGE = (-1.0, 4.0)


def features(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.MUL, graph.input("image"), graph.constant(SCALE))


def joined(graph: TinyGraph, x: int) -> int:
    """Two users of the features, one of them an operator of one scale."""
    wide = graph.tensor((1, 8))
    shifted = graph.apply(OPERATORS.ADD, x, graph.constant(SHIFT))
    return graph.apply(OPERATORS.CONCATENATION, x, shifted, outputs=[wide], axis=1)


@pytest.fixture(scope="module")
def model() -> TinyModel:
    """Configuration c in one shot, its exit, three stages of which the second hands on; and d."""
    made = TinyModel()
    for name in ("c", "d"):
        graph = made.signature(name)
        graph.output("mask", joined(graph, features(graph)))
    for name in ("c_exit1", "c_stage1"):
        graph = made.signature(name)
        x = features(graph)
        graph.output("mask", graph.apply(OPERATORS.RELU, x))
        if name == "c_stage1":
            graph.output("state_x", x)
    graph = made.signature("c_stage2")
    x = graph.input("state_x")
    graph.output("state_x", x)
    graph = made.signature("c_stage3")
    graph.output("mask", joined(graph, graph.input("state_x")))
    return made


def ranges(
    model: TinyModel, ends: tuple[float, float]
) -> dict[tuple[int, int], tuple[float, float]]:
    """The same range for every tensor."""
    graphs = enumerate(model.content.subgraphs)
    return {(number, index): ends for number, g in graphs for index in range(len(g.tensors))}


def kinds(model: bytes) -> dict[str, list[str]]:
    """Names of the operators of each signature, in the order in which they run."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    names = {value: name for name, value in vars(OPERATORS).items()}
    return {
        entry.signatureKey.decode(): [
            names[content.operatorCodes[operator.opcodeIndex].builtinCode]
            for operator in content.subgraphs[entry.subgraphIndex].operators
        ]
        for entry in content.signatureDefs
    }


def rounded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """To the nearest of 256 values from `low`, or 0, to `high`, or 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255) or np.float32(1)
    zero = int(np.clip(round(-128 - low / float(scale)), -128, 127))
    steps = np.clip(np.round(values / scale) + zero, -128, 127)
    return ((steps - zero) * scale).astype(np.float32)


def test_without_stages_nothing_changes(model: TinyModel) -> None:
    packed = model.packed()
    assert pinned(packed, {}, GROUPS, ranges(model, RANGE)) is packed


def test_roundings_stand_behind_the_features_of_one_configuration(model: TinyModel) -> None:
    found = kinds(pinned(model.packed(), AFTER, GROUPS, ranges(model, RANGE)))
    pair = ["QUANTIZE", "DEQUANTIZE"]
    assert found == {
        "c": ["MUL", *pair, "ADD", "CONCATENATION"],
        "d": ["MUL", "ADD", "CONCATENATION"],
        "c_exit1": ["MUL", *pair, "RELU"],
        "c_stage1": ["MUL", *pair, "RELU"],
        "c_stage2": [],
        "c_stage3": [*pair, "ADD", "CONCATENATION"],
    }


def test_a_tensor_of_unknown_range_is_left_alone(model: TinyModel) -> None:
    found = kinds(pinned(model.packed(), AFTER, GROUPS, {}))
    assert found == kinds(model.packed())


@pytest.mark.parametrize("ends", [RANGE, (0.5, 3.0), (-2.0, -0.5), (0.0, 0.0)])
def test_all_ways_give_the_values_of_the_rounded_features(
    model: TinyModel, ends: tuple[float, float]
) -> None:
    made = pinned(model.packed(), AFTER, GROUPS, ranges(model, ends))
    image = RNG.normal(0, 2, (1, 4)).astype(np.float32)
    exact = image * SCALE
    expected = rounded(exact, *ends)
    assert not np.array_equal(exact, expected)
    wide = np.concatenate([expected, expected + SHIFT], axis=1)
    np.testing.assert_allclose(runner(made, "c")(image=image)["mask"], wide, atol=1e-6)
    relu = np.maximum(expected, 0)
    np.testing.assert_allclose(runner(made, "c_exit1")(image=image)["mask"], relu, atol=1e-6)

    first = runner(made, "c_stage1")(image=image)
    np.testing.assert_allclose(first["state_x"], expected, atol=1e-6)
    np.testing.assert_allclose(first["mask"], relu, atol=1e-6)
    second = runner(made, "c_stage2")(state_x=first["state_x"])
    third = runner(made, "c_stage3")(**second)["mask"]
    np.testing.assert_array_equal(third, runner(made, "c")(image=image)["mask"])

    free = np.concatenate([exact, exact + SHIFT], axis=1)
    np.testing.assert_allclose(runner(made, "d")(image=image)["mask"], free, atol=1e-6)


def test_every_rounding_of_a_state_has_one_scale(model: TinyModel) -> None:
    made = pinned(model.packed(), AFTER, GROUPS, ranges(model, RANGE))
    content = schema.ModelT.InitFromPackedBuf(made, 0)
    tables = {
        (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for graph in content.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.INT8
    }
    assert tables == {(float(np.float32(5 / 255)), -77)}  # 0 is 51 steps above the lowest, -128
