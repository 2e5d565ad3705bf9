"""Gives kernels that were trained as integers these very integers in the file."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kit.quantization.rounding import Rounding
from mobile_export.calibration import TRANSPOSED, convolutions

_MOST = 127
_HALF_STEP = 0.51  # a rounding error, with room for float32's own


def whole_kernels(arithmetic: Rounding) -> list[np.ndarray]:
    """The kernels as the integers that they were trained as, int8, laid out as in a `.tflite`."""
    kernels = []
    for made in arithmetic.convolutions:
        values = made.integers()
        if values is None:
            continue
        if isinstance(made.conv, keras.layers.DepthwiseConv2D):
            height, width = values.shape[:2]
            values = values.reshape(1, height, width, -1)
        elif isinstance(made.conv, keras.layers.Conv2DTranspose):
            values = values.transpose(2, 0, 1, 3)
        else:
            values = values.transpose(3, 0, 1, 2)
        kernels.append(values)
    return kernels


def with_whole_kernels(model: bytes, kernels: Sequence[np.ndarray]) -> bytes:
    """An int8 model whose kernels are the integers that they were trained as.

    A kernel's integers reach 53 in some output channel, say. Folding normalisation into it changes
    the step alone, and perhaps the sign; but the quantizer takes the largest for 127 and rounds all
    others anew. Here the integers are put back, and scale and bias go with them.

    Args:
        model: the int8 `.tflite`, as the quantizer gives it.
        kernels: as `whole_kernels` gives them; what has none here stays as it is.
    """
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    buffers: dict[bytes, int] = {}
    for graph, subgraph in enumerate(content.subgraphs):
        for operator in convolutions(content, graph, transposed=True):
            kernel = subgraph.tensors[operator.inputs[1]]
            values = content.buffers[kernel.buffer].data.view(np.int8).reshape(kernel.shape)
            axis = kernel.quantization.quantizedDimension
            integers = _found(values, axis, kernels)
            if integers is None:
                continue
            kernel.buffer = _buffer(content, buffers, integers)
            ratio = _stretch(integers, axis)
            kernel.quantization.scale = (kernel.quantization.scale * ratio).astype(np.float32)
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            place = 3 if code in TRANSPOSED else 2
            if len(operator.inputs) > place and operator.inputs[place] >= 0:
                _rescale(content, buffers, subgraph.tensors[operator.inputs[place]], ratio)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _found(values: np.ndarray, axis: int, kernels: Sequence[np.ndarray]) -> np.ndarray | None:
    """Which kernel it is that the quantizer has stretched to 127 in each channel.

    A channel whose gain was rounded to zero tells nothing, and stays zero.
    """
    shape = [1] * values.ndim
    shape[axis] = -1
    others = tuple(index for index in range(values.ndim) if index != axis)
    has_gain = values.any(others).reshape(shape)
    for kernel in kernels:
        if kernel.shape != values.shape:
            continue
        # A negative gain has turned the channel's sign.
        products = (values.astype(int) * kernel).sum(others)
        signs = np.where(products < 0, -1, 1).reshape(shape)
        integers = kernel * signs * has_gain
        stretch = _stretch(integers, axis).reshape(shape)
        if (np.abs(integers * stretch - values) <= _HALF_STEP).all():
            return integers.astype(np.int8)
    return None


def _stretch(kernel: np.ndarray, axis: int) -> np.ndarray:
    """By how much 127 exceeds the largest magnitude of each channel; 1 for a channel of zeros."""
    others = tuple(index for index in range(kernel.ndim) if index != axis)
    largest = np.abs(kernel.astype(int)).max(others)
    return np.where(largest > 0, _MOST / np.maximum(largest, 1), 1.0)


def _rescale(content: Any, buffers: dict[bytes, int], bias: Any, ratio: np.ndarray) -> None:
    """Writes a bias in steps that are `ratio` times as large."""
    values = content.buffers[bias.buffer].data.view(np.int32)
    bias.buffer = _buffer(content, buffers, np.round(values / ratio).astype(np.int32))
    bias.quantization.scale = (bias.quantization.scale * ratio).astype(np.float32)


def _buffer(content: Any, known: dict[bytes, int], values: np.ndarray) -> int:
    """The buffer of these values, one for equal ones."""
    data = values.tobytes()
    if data not in known:
        content.buffers.append(schema.BufferT(data=np.frombuffer(data, np.uint8)))
        known[data] = len(content.buffers) - 1
    return known[data]
