"""Single operators give the bytes of LiteRT: of its reference kernels, and of XNNPACK's."""

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobile_export import fixed_point
from mobile_export.integer_comparison import compare
from mobile_export.integer_executor import IntegerExecutor
from tests.mobile_export.integers import Integers
from tests.mobile_export.tiny_models import OPERATORS, TinyGraph, TinyModel

RNG = np.random.default_rng(0)
ACTIVATIONS = schema.ActivationFunctionType
PADDING = schema.Padding
MAP = (1, 9, 11, 6)

X86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="kernels for speed differ by processor"
)

Build = Callable[[TinyGraph], int]


def one(build: Build) -> bytes:
    """A model of one signature that gives what `build` makes of its graph."""
    model = TinyModel()
    graph = model.signature("s")
    graph.output("y", build(graph))
    for code in model.content.operatorCodes:
        # The first with int8.
        code.version = 1 if code.builtinCode == OPERATORS.DEPTH_TO_SPACE else 2
    return model.packed()


def inputs(model: bytes, count: int = 3) -> list[dict[str, np.ndarray]]:
    """Random integers for each input."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    (entry,), (graph,) = content.signatureDefs, content.subgraphs
    kinds = {
        schema.TensorType.INT8: (-128, 128, np.int8),
        schema.TensorType.UINT8: (0, 256, np.uint8),
        schema.TensorType.INT32: (0, 200, np.int32),
        schema.TensorType.BOOL: (0, 2, np.bool_),
    }
    found = []
    for _ in range(count):
        values = {}
        for item in entry.inputs:
            tensor = graph.tensors[item.tensorIndex]
            low, high, dtype = kinds[tensor.type]
            values[item.name.decode()] = RNG.integers(low, high, tuple(tensor.shape)).astype(dtype)
        found.append(values)
    return found


def convolved(
    code: int,
    size: tuple[int, int],
    *,
    strides: tuple[int, int] = (1, 1),
    dilation: int = 1,
    padding: int = PADDING.SAME,
    activation: int = ACTIVATIONS.NONE,
    channels: int = 8,
) -> Build:
    """A convolution; `channels` of a depthwise one count for each input."""
    depthwise = code == OPERATORS.DEPTHWISE_CONV_2D

    def build(graph: TinyGraph) -> int:
        x = graph.input("x", MAP, "int8", (0.031, -17))
        count = MAP[3] * channels if depthwise else channels
        shape = (1, *size, count) if depthwise else (count, *size, MAP[3])
        scales = RNG.uniform(0.002, 0.02, count).astype(np.float32)
        kernel = RNG.integers(-127, 128, shape).astype(np.int8)
        weights = graph.steps(kernel, scales, axis=3 if depthwise else 0)
        bias = graph.steps(RNG.integers(-5000, 5000, count).astype(np.int32), 0.031 * scales)
        reach = [(length - 1) * dilation + 1 for length in size]
        rows, columns = (
            -(-side // stride) if padding == PADDING.SAME else (side - length) // stride + 1
            for side, length, stride in zip(MAP[1:3], reach, strides, strict=True)
        )
        y = graph.tensor((1, rows, columns, count), "int8", (0.043, 5))
        options = {"depthMultiplier": channels} if depthwise else {}
        return graph.apply(
            code,
            x,
            weights,
            bias,
            outputs=[y],
            padding=padding,
            strideH=strides[0],
            strideW=strides[1],
            dilationHFactor=dilation,
            dilationWFactor=dilation,
            fusedActivationFunction=activation,
            **options,
        )

    return build


def transposed(size: int, stride: int, padding: int, *, bias: bool) -> Build:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", MAP, "int8", (0.031, -17))
        scales = RNG.uniform(0.002, 0.02, 5).astype(np.float32)
        kernel = RNG.integers(-127, 128, (5, size, size, MAP[3])).astype(np.int8)
        extra = 0 if padding == PADDING.SAME else max(0, size - stride)
        shape = (1, MAP[1] * stride + extra, MAP[2] * stride + extra, 5)
        taken = [graph.integers(shape), graph.steps(kernel, scales), x]
        if bias:
            values = RNG.integers(-5000, 5000, 5).astype(np.int32)
            taken.append(graph.steps(values, 0.031 * scales))
        y = graph.tensor(shape, "int8", (0.043, 5))
        return graph.apply(
            OPERATORS.TRANSPOSE_CONV,
            *taken,
            outputs=[y],
            padding=padding,
            strideH=stride,
            strideW=stride,
        )

    return build


def binary(code: int, *tables: tuple[float, int], shape: tuple[int, ...] = MAP) -> Build:
    """Two inputs and an output of these scales and zero points; `shape` is that of the second."""

    def build(graph: TinyGraph) -> int:
        first = graph.input("x", MAP, "int8", tables[0])
        second = graph.input("z", shape, "int8", tables[1])
        compares = len(tables) == 2
        y = graph.tensor(MAP, "bool" if compares else "int8", None if compares else tables[2])
        return graph.apply(code, first, second, outputs=[y])

    return build


def unary(
    code: int,
    taken: tuple[float, int],
    given: tuple[float, int],
    dtypes: tuple[str, str] = ("int8", "int8"),
    **options: Any,
) -> Build:
    def build(graph: TinyGraph) -> int:
        y_shape, x = MAP, graph.input("x", MAP, dtypes[0], taken)
        y = graph.tensor(y_shape, dtypes[1], given)
        return graph.apply(code, x, outputs=[y], **options)

    return build


def resized(code: int, size: tuple[int, int], **options: bool) -> Build:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", MAP, "int8", (0.1, -3))
        y = graph.tensor((1, *size, MAP[3]), "int8", (0.1, -3))
        return graph.apply(code, x, graph.integers(size), outputs=[y], **options)

    return build


def reduced(
    code: int, axes: list[int], given: tuple[float, int], *, keep: bool, size: int = MAP[3]
) -> Build:
    def build(graph: TinyGraph) -> int:
        shape = (*MAP[:3], size)
        x = graph.input("x", shape, "int8", (0.02, -3))
        kept = [1 if axis in axes else side for axis, side in enumerate(shape)]
        left = [side for axis, side in enumerate(shape) if axis not in axes]
        y = graph.tensor(kept if keep else left, "int8", given)
        return graph.apply(code, x, graph.integers(axes), outputs=[y], keepDims=keep)

    return build


def pooled(code: int, size: tuple[int, int], stride: int, padding: int) -> Build:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", MAP, "int8", (0.02, -3))
        rows, columns = (
            -(-side // stride) if padding == PADDING.SAME else (side - length) // stride + 1
            for side, length in zip(MAP[1:3], size, strict=True)
        )
        y = graph.tensor((1, rows, columns, MAP[3]), "int8", (0.02, -3))
        return graph.apply(
            code,
            x,
            outputs=[y],
            padding=padding,
            strideH=stride,
            strideW=stride,
            filterHeight=size[0],
            filterWidth=size[1],
        )

    return build


def laid_out(graph: TinyGraph) -> int:
    """Six channels of 24 as squares of 2x2 pixels."""
    x = graph.input("x", (1, 5, 7, 24), "int8", (0.02, -3))
    y = graph.tensor((1, 10, 14, 6), "int8", (0.02, -3))
    return graph.apply(OPERATORS.DEPTH_TO_SPACE, x, outputs=[y], blockSize=2)


def counted(graph: TinyGraph) -> int:
    """Class ids as whole numbers in float, as steps of 1 and of 1 / 255."""
    x = graph.input("x", (1, 9, 11), "int32")
    real = graph.apply(OPERATORS.CAST, x, outputs=[graph.tensor((1, 9, 11))])
    y = graph.tensor((1, 9, 11), "int8", (1.0, -128))
    return graph.apply(OPERATORS.QUANTIZE, real, outputs=[y])


def flagged(graph: TinyGraph) -> int:
    x = graph.input("x", (1, 9, 11), "bool")
    real = graph.apply(OPERATORS.CAST, x, outputs=[graph.tensor((1, 9, 11))])
    y = graph.tensor((1, 9, 11), "int8", (1 / 255, -128))
    return graph.apply(OPERATORS.QUANTIZE, real, outputs=[y])


CONV, DEPTHWISE = OPERATORS.CONV_2D, OPERATORS.DEPTHWISE_CONV_2D
A, B, C = (0.031, -17), (0.0123, 40), (0.05, 3)
POOLS = {"MAX_POOL_2D": OPERATORS.MAX_POOL_2D, "AVERAGE_POOL_2D": OPERATORS.AVERAGE_POOL_2D}
COARSE_PLACES = ("corners on each other", "neither")
COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")

SAME_EVERYWHERE: dict[str, Build] = {
    "a convolution of 1×1": convolved(CONV, (1, 1)),
    "a convolution with strides": convolved(CONV, (3, 3), strides=(2, 1)),
    "a dilated convolution": convolved(CONV, (3, 3), dilation=2, activation=ACTIVATIONS.RELU),
    "a convolution within the border": convolved(CONV, (4, 2), padding=PADDING.VALID),
    "a convolution up to 6": convolved(CONV, (3, 3), activation=ACTIVATIONS.RELU6),
    "a depthwise convolution": convolved(DEPTHWISE, (3, 3), channels=1),
    "a depthwise convolution with strides": convolved(
        DEPTHWISE, (3, 3), strides=(2, 2), channels=1
    ),
    "a dilated depthwise convolution": convolved(DEPTHWISE, (3, 3), dilation=2, channels=1),
    "a depthwise convolution of many": convolved(
        DEPTHWISE, (2, 3), channels=3, padding=PADDING.VALID, activation=ACTIVATIONS.RELU6
    ),
    "a transposed convolution": transposed(4, 2, PADDING.SAME, bias=True),
    "a wide transposed convolution": transposed(5, 3, PADDING.VALID, bias=False),
    "a sum": binary(OPERATORS.ADD, A, B, C),
    "a sum of one scale": binary(OPERATORS.ADD, A, A, A),
    "a sum with one value": binary(OPERATORS.ADD, A, B, C, shape=(1,)),
    "a difference": binary(OPERATORS.SUB, A, B, C),
    "a product": binary(OPERATORS.MUL, A, B, (0.02, 4)),
    "a product with channels": binary(OPERATORS.MUL, A, B, (0.02, 4), shape=(1, 1, 1, MAP[3])),
    "a maximum": binary(OPERATORS.MAXIMUM, A, A, A),
    "a minimum": binary(OPERATORS.MINIMUM, A, A, A),
    "other steps": unary(OPERATORS.QUANTIZE, A, C),
    "finer steps": unary(OPERATORS.QUANTIZE, A, B),
    "bytes with a sign": unary(OPERATORS.QUANTIZE, (0.5, 0), (0.5, -128), ("uint8", "int8")),
    "bytes without a sign": unary(OPERATORS.QUANTIZE, A, (0.04, 100), ("int8", "uint8")),
    "channels as pixels": laid_out,
    "whole numbers": counted,
    "flags": flagged,
    "an exponential": unary(OPERATORS.EXP, (0.02, 127), (1 / 255, -128)),
    "a logarithm": unary(OPERATORS.LOG, (0.01, -100), (0.02, 5)),
    "twice the size": resized(OPERATORS.RESIZE_BILINEAR, (18, 22), halfPixelCenters=True),
    "four times the size": resized(OPERATORS.RESIZE_BILINEAR, (36, 44), halfPixelCenters=True),
    "an odd size": resized(OPERATORS.RESIZE_BILINEAR, (13, 7), halfPixelCenters=True),
    "corners on each other": resized(OPERATORS.RESIZE_BILINEAR, (20, 31), alignCorners=True),
    "neither": resized(OPERATORS.RESIZE_BILINEAR, (18, 30)),
    "nearest": resized(OPERATORS.RESIZE_NEAREST_NEIGHBOR, (18, 31), halfPixelCenters=True),
    "nearest, corners": resized(OPERATORS.RESIZE_NEAREST_NEIGHBOR, (18, 31), alignCorners=True),
    "a mean over the map": reduced(OPERATORS.MEAN, [1, 2], (0.003, 7), keep=True),
    "a mean over channels": reduced(OPERATORS.MEAN, [3], (0.015, 7), keep=False, size=11),
    "a mean of one scale": reduced(OPERATORS.MEAN, [1, 2], (0.02, -3), keep=False),
    "a largest channel": reduced(OPERATORS.REDUCE_MAX, [3], (0.02, -3), keep=True),
    "a smallest place": reduced(OPERATORS.REDUCE_MIN, [1, 2], (0.02, -3), keep=False),
    **{
        f"{name} {size}, {stride}, {padding}": pooled(code, size, stride, padding)
        for name, code in POOLS.items()
        for size, stride in (((2, 2), 2), ((3, 1), 1))
        for padding in (PADDING.SAME, PADDING.VALID)
    },
    **{name: binary(getattr(OPERATORS, name), A, A) for name in COMPARISONS},
    "an order of other steps": binary(OPERATORS.LESS_EQUAL, A, B),
}


@pytest.mark.parametrize("kind", ["reference", pytest.param("xnnpack", marks=X86)])
@pytest.mark.parametrize("name", SAME_EVERYWHERE)
def test_an_operator_gives_the_bytes_of_litert(name: str, kind: str) -> None:
    model = one(SAME_EVERYWHERE[name])
    given = inputs(model)
    assert compare(model, "s", given, kernels=kind, rounding=kind).outputs["y"].unequal == 0
    executor = IntegerExecutor(model, "s", rounding=kind)
    found = [executor(**{key: Integers.of(values[key]) for key in values})["y"] for values in given]
    assert len(np.unique(np.asarray(found))) > 1


@pytest.mark.parametrize("kind", ["reference", pytest.param("xnnpack", marks=X86)])
@pytest.mark.parametrize("count", [60, 660])
def test_a_mean_of_flags_goes_where_litert_takes_it(count: int, kind: str) -> None:
    """A share of sure pixels, at each value that flags can give it, ties included."""

    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 1, count), "int8", (1 / 255, -128))
        y = graph.tensor((1,), "int8", (1 / 255, -128))
        return graph.apply(OPERATORS.MEAN, x, graph.integers([1, 2]), outputs=[y], keepDims=False)

    flags = np.tri(count + 1, count, -1, bool)
    given = [{"x": np.where(row, 127, -128).astype(np.int8)[None, None]} for row in flags]
    assert compare(one(build), "s", given, kernels=kind, rounding=kind).outputs["y"].unequal == 0


@pytest.mark.parametrize("classes", [2, 11])
def test_softmax_is_the_reference_and_a_step_from_the_float_one(classes: int) -> None:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 9, 11, classes), "int8", (0.05, 3))
        y = graph.tensor((1, 9, 11, classes), "int8", (1 / 256, -128))
        return graph.apply(OPERATORS.SOFTMAX, x, outputs=[y], beta=1.0)

    model = one(build)
    given = inputs(model, 20)
    assert compare(model, "s", given).outputs["y"].unequal == 0
    assert compare(model, "s", given, kernels="xnnpack").outputs["y"].largest <= 1


def test_a_sum_is_a_step_from_the_float_one() -> None:
    """The reference kernel of ai-edge-litert 2.3 gives no sums, so that it is not compared with."""
    model = one(reduced(OPERATORS.SUM, [3], (0.05, 7), keep=False))
    given = inputs(model, 5)
    found = compare(model, "s", given, kernels="xnnpack").outputs["y"]
    assert found.largest <= 1
    values = IntegerExecutor(model, "s")(**given[0])["y"]
    exact = (given[0]["x"].astype(float) + 3).sum(-1) * 0.02 / 0.05 + 7
    # Rounded twice, to halves of a step first.
    np.testing.assert_allclose(values, np.clip(exact, -128, 127), atol=0.76)


@pytest.mark.parametrize("kernels", ["builtin", "xnnpack"])
def test_other_kernels_differ_by_a_step_at_most(kernels: str) -> None:
    for name, build in SAME_EVERYWHERE.items():
        model = one(build)
        found = compare(model, "s", inputs(model, 1), kernels=kernels).outputs["y"]
        # Where sizes are no multiples, XNNPACK's places of pixels are finer.
        assert found.largest <= (3 if name in COARSE_PLACES else 1), name


@X86
def test_convolutions_for_speed_differ_in_ties_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their second rounding takes ties upwards; the reference's takes them away from zero."""
    models = [one(convolved(CONV, size)) for size in ((1, 1), (2, 2), (3, 3))]
    given = [inputs(model, 20) for model in models]

    def unequal() -> list[int]:
        return [
            compare(model, "s", values, kernels="builtin").outputs["y"].unequal
            for model, values in zip(models, given, strict=True)
        ]

    assert min(unequal()) > 0
    monkeypatch.setattr(fixed_point, "shifted", fixed_point.shifted_up)
    assert unequal() == [0] * len(models)
