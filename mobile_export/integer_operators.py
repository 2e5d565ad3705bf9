"""What each operator of an int8 `.tflite` does, made of integer kernels and the file's scales."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobile_export import integer_kernels as kernels
from mobile_export.fixed_point import Multiplier, shifted, softmax, softmax_table
from mobile_export.integer_graph import Node, Tensor, to_integer
from mobile_export.integer_kernels import Window, centred

Kernel = Callable[..., np.ndarray]
"""From the arrays that an operator takes, in the order of its inputs, to what it gives."""

Builder = Callable[[Node], Kernel]
"""Makes ready what an operator does; ValueError if that is not known in integers."""

# === Convolutions ===


def in_double(values: Tensor, kernel: Tensor, output: Tensor) -> Kernel:
    """From steps of the sums of products to those of the output, from scales in float64."""
    return Multiplier.of(values.scale * kernel.scales.astype(np.float64) / output.scale)


def convolution(node: Node, *, depthwise: bool = False, factor: Any = in_double) -> Kernel:
    """CONV_2D and DEPTHWISE_CONV_2D; `factor` as `in_double`."""
    values, weights, *_ = node.inputs
    array, bias, options, grid = node.constant(1), node.bias(2), node.options, node.grid
    if not depthwise and weights.shape[3] != values.shape[3]:
        raise ValueError("groups are not known in integers")
    dilations = int(options.dilationHFactor), int(options.dilationWFactor)
    window = _window(node, values.shape, weights.shape[1:3], dilations)
    products = kernels.depthwise_convolution if depthwise else kernels.convolution
    scaled = factor(values, weights, node.output)
    return lambda given, *_: grid(scaled(products(given, array, values.zero, window) + bias))


def transposed_convolution(node: Node, *, factor: Any = in_double) -> Kernel:
    """TRANSPOSE_CONV; `factor` as `in_double`."""
    _, weights, values, *_ = node.inputs
    array, bias, shape, grid = node.constant(1), node.bias(3), node.output.shape, node.grid
    window, size = _window(node, shape, weights.shape[1:3]), (shape[1], shape[2])
    scaled = factor(values, weights, node.output)

    def run(_: Any, __: Any, given: np.ndarray, *___: Any) -> np.ndarray:
        total = kernels.transposed_convolution(given, array, values.zero, window, size)
        return grid(scaled(total + bias))

    return run


def _window(
    node: Node, shape: tuple[int, ...], size: tuple[int, ...], dilations: kernels.Pair = (1, 1)
) -> Window:
    strides = int(node.options.strideH), int(node.options.strideW)
    same = node.options.padding == schema.Padding.SAME
    return Window.over(shape, (size[0], size[1]), strides, dilations, same=same)


# === Arithmetic ===


def _sum(node: Node, *, sign: int) -> Kernel:
    if not node.quantized:
        return lambda values, others: values + sign * others
    first, second = node.inputs
    # The scales are added and divided in the types that TensorFlow Lite has there.
    common = float(2 * max(first.scales[0], second.scales[0]))
    finer, grid = [Multiplier.of(tensor.scale / common) for tensor in node.inputs], node.grid
    coarser = Multiplier.of(common / float(np.float32(2**20) * node.output.scales[0]))

    def run(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        raised = (centred(values, first.zero) << 20, centred(others, second.zero) << 20)
        return grid(coarser(finer[0](raised[0]) + sign * finer[1](raised[1])))

    return run


def product(node: Node, *, factor: Callable[[Any], Kernel] = Multiplier.of) -> Kernel:
    """MUL; `factor` from steps of products to those of the output."""
    if not node.quantized:
        return lambda values, others: values * others
    first, second = node.inputs
    # TensorFlow Lite multiplies and divides these in float32.
    scaled = factor(first.scales[0] * second.scales[0] / node.output.scales[0])
    grid = node.grid
    return lambda values, others: grid(
        scaled(centred(values, first.zero) * centred(others, second.zero))
    )


def _comparison(node: Node, *, holds: Any) -> Kernel:
    if not node.quantized:
        return lambda values, others: np.asarray(holds(values, others))
    first, second = node.inputs
    factors = [Multiplier.of(tensor.scale) for tensor in node.inputs]
    return lambda values, others: np.asarray(
        holds(
            factors[0](centred(values, first.zero) << 8),
            factors[1](centred(others, second.zero) << 8),
        )
    )


def _table(node: Node, *, function: Callable[[float], float]) -> Kernel:
    """A function of one value, looked up among what it gives for each of 256."""
    taken, given, grid = node.inputs[0], node.output, node.grid
    inverse = np.float32(1) / given.scales[0]
    lowest = (grid.low - given.zero) * given.scales[0]
    steps = []
    for value in range(-128, 128):
        real = taken.scales[0] * np.float32(value - taken.zero)
        try:
            steps.append(to_integer(np.float32(function(float(real))) * inverse))
        except ValueError:  # no logarithm
            steps.append(to_integer(lowest * inverse))
    table = grid(np.asarray(steps))
    return lambda values: table[values.astype(np.int32) + 128]


def _softmax(node: Node) -> Kernel:
    taken, grid = node.inputs[0], node.output.grid()
    beta, largest = float(node.options.beta), 2.0**31 - 1
    table = softmax_table(Multiplier.of(min(beta * taken.scale * 2**26, largest)))

    def run(values: np.ndarray) -> np.ndarray:
        steps = values.astype(np.int32)
        return grid(softmax(table[steps.max(-1, keepdims=True) - steps]))

    return run


# === Reductions ===


def sums(node: Node, scaled: Kernel) -> Kernel:
    """MEAN and SUM; `scaled` from sums in steps of what is taken to steps of what is given."""
    taken, grid = node.inputs[0], node.output.grid()
    axes, kept = node.numbers(1), bool(node.options.keepDims)
    return lambda values, _: grid(
        scaled(centred(values, taken.zero).sum(axes, np.int32, keepdims=kept))
    )


def count(node: Node) -> int:
    """How many values MEAN or SUM makes one of."""
    return math.prod(node.inputs[0].shape[axis] for axis in node.numbers(1))


def _total(node: Node) -> Kernel:
    return sums(node, Multiplier.of(node.inputs[0].scale / node.output.scale))


def _mean(node: Node) -> Kernel:
    number, factor = count(node), Multiplier.of(node.inputs[0].scale / node.output.scale)
    # Divided by the number beforehand, with as many bits as 31 and the shift leave.
    places = min(number.bit_length() - 1, 32, 31 + int(factor.shift))
    factor = Multiplier((factor.significand << places) // number, factor.shift - places)
    return sums(node, factor)


def _extreme(node: Node, *, largest: bool) -> Kernel:
    axes, kept = node.numbers(1), bool(node.options.keepDims)
    return lambda values, _: np.asarray(
        values.max(axes, keepdims=kept) if largest else values.min(axes, keepdims=kept)
    )


def _largest_place(node: Node) -> Kernel:
    (axis,) = node.numbers(1)
    return lambda values, _: values.argmax(axis).astype(node.output.dtype)


# === Maps ===


def _pool(node: Node, *, mean: bool) -> Kernel:
    options, grid = node.options, node.grid
    size = int(options.filterHeight), int(options.filterWidth)
    window = _window(node, node.inputs[0].shape, size)
    pool = kernels.average_pool if mean else kernels.maximum_pool
    return lambda values: np.clip(pool(values, window), grid.low, grid.high).astype(grid.dtype)


def bilinear(node: Node, *, taps: Any = kernels.taps, rounded: Any = shifted) -> Kernel:
    """RESIZE_BILINEAR; `taps` and `rounded` as those of the kernel."""
    if node.output.dtype != np.int8:
        raise ValueError("TensorFlow Lite interpolates int8 alone in integers")
    rows, columns = _places(node, taps)
    return lambda values, _: kernels.bilinear(values, rows, columns, rounded)


def _nearest(node: Node) -> Kernel:
    rows, columns = _places(node, kernels.nearest)
    return lambda values, _: values[:, rows][:, :, columns]


def _places(node: Node, find: Callable[..., Any]) -> tuple[Any, Any]:
    """Where the rows and the columns of the output lie on the input."""
    sides, lengths, options = node.inputs[0].shape[1:3], node.numbers(1), node.options
    rows, columns = (
        find(
            side,
            length,
            half_pixel_centers=bool(options.halfPixelCenters),
            align_corners=bool(options.alignCorners),
        )
        for side, length in zip(sides, lengths, strict=True)
    )
    return rows, columns


def _padded(node: Node) -> Kernel:
    widths = node.constant(1).tolist()
    return lambda values, _: np.pad(values, widths, constant_values=node.output.zero)


# === Types and places ===


def _quantized(node: Node) -> Kernel:
    (taken,), grid = node.inputs, node.output.grid()
    factor = Multiplier.of((taken.scale if node.quantized else 1) / node.output.scale)
    return lambda values: grid(factor(centred(values, taken.zero)))


def _cast(node: Node) -> Kernel:
    return lambda values: values.astype(node.output.dtype)


def _bytes(node: Node) -> Kernel:
    return lambda values: (
        np.ascontiguousarray(values).view(node.output.dtype).reshape(node.output.shape)
    )


def _joined(node: Node) -> Kernel:
    grid, axis = node.grid, int(node.options.axis)
    return lambda *values: np.clip(np.concatenate(values, axis), grid.low, grid.high)


def _shaped(node: Node) -> Kernel:
    return lambda values, *_: values.reshape(node.output.shape)


def _turned(node: Node) -> Kernel:
    axes = node.numbers(1)
    return lambda values, _: values.transpose(axes)


def _repeated(node: Node) -> Kernel:
    counts = node.numbers(1)
    return lambda values, _: np.tile(values, counts)


def _laid_out(node: Node) -> Kernel:
    side = node.options.blockSize

    def lay_out(values: np.ndarray) -> np.ndarray:
        batch, height, width, depth = values.shape
        squares = values.reshape(batch, height, width, side, side, depth // side**2)
        rows = squares.transpose(0, 1, 3, 2, 4, 5)
        return rows.reshape(batch, side * height, side * width, -1)

    return lay_out


def _slice(node: Node) -> Kernel:
    begins, sizes = node.numbers(1), node.numbers(2)
    places = tuple(
        slice(begin, None if size < 0 else begin + size)
        for begin, size in zip(begins, sizes, strict=True)
    )
    return lambda values, *_: values[places]


def _strided_slice(node: Node) -> Kernel:
    options, places = node.options, []
    if options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask or options.offset:
        raise ValueError("only masks of begins and ends are known")
    ends = zip(node.numbers(1), node.numbers(2), node.numbers(3), strict=True)
    for axis, (begin, end, step) in enumerate(ends):
        first = None if options.beginMask >> axis & 1 else begin
        last = None if options.endMask >> axis & 1 else end
        places.append(slice(first, last, step))
    return lambda values, *_: values[tuple(places)]


def _plain(_: Node, *, function: Kernel) -> Kernel:
    return function


REFERENCE: dict[str, Builder] = {
    "ADD": partial(_sum, sign=1),
    "ARG_MAX": _largest_place,
    "AVERAGE_POOL_2D": partial(_pool, mean=True),
    "BITCAST": _bytes,
    "CAST": _cast,
    "CONCATENATION": _joined,
    "CONV_2D": convolution,
    "DEPTH_TO_SPACE": _laid_out,
    "DEPTHWISE_CONV_2D": partial(convolution, depthwise=True),
    "EQUAL": partial(_comparison, holds=np.equal),
    "EXP": partial(_table, function=math.exp),
    "GREATER": partial(_comparison, holds=np.greater),
    "GREATER_EQUAL": partial(_comparison, holds=np.greater_equal),
    "LESS": partial(_comparison, holds=np.less),
    "LESS_EQUAL": partial(_comparison, holds=np.less_equal),
    "LOG": partial(_table, function=math.log),
    "MAXIMUM": partial(_plain, function=np.maximum),
    "MAX_POOL_2D": partial(_pool, mean=False),
    "MEAN": _mean,
    "MINIMUM": partial(_plain, function=np.minimum),
    "MUL": product,
    "NOT_EQUAL": partial(_comparison, holds=np.not_equal),
    "PAD": _padded,
    "QUANTIZE": _quantized,
    "REDUCE_MAX": partial(_extreme, largest=True),
    "REDUCE_MIN": partial(_extreme, largest=False),
    "RESHAPE": _shaped,
    "RESIZE_BILINEAR": bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
    "SELECT": partial(_plain, function=np.where),
    "SELECT_V2": partial(_plain, function=np.where),
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
    "SUB": partial(_sum, sign=-1),
    "SUM": _total,
    "TILE": _repeated,
    "TRANSPOSE": _turned,
    "TRANSPOSE_CONV": transposed_convolution,
}
"""The operators, rounded as TensorFlow Lite's reference kernels do."""
