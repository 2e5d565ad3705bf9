"""Models of a few operators, put together by hand."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

OPERATORS = schema.BuiltinOperator
_TYPES = {
    np.dtype("float32"): schema.TensorType.FLOAT32,
    np.dtype("uint8"): schema.TensorType.UINT8,
    np.dtype("int8"): schema.TensorType.INT8,
    np.dtype("uint16"): schema.TensorType.UINT16,
    np.dtype("int32"): schema.TensorType.INT32,
    np.dtype("bool"): schema.TensorType.BOOL,
}
_OPTIONS = {
    OPERATORS.ADD: (schema.BuiltinOptions.AddOptions, schema.AddOptionsT),
    OPERATORS.SUB: (schema.BuiltinOptions.SubOptions, schema.SubOptionsT),
    OPERATORS.MUL: (schema.BuiltinOptions.MulOptions, schema.MulOptionsT),
    OPERATORS.CONCATENATION: (
        schema.BuiltinOptions.ConcatenationOptions,
        schema.ConcatenationOptionsT,
    ),
    OPERATORS.SPLIT: (schema.BuiltinOptions.SplitOptions, schema.SplitOptionsT),
    OPERATORS.DEPTH_TO_SPACE: (
        schema.BuiltinOptions.DepthToSpaceOptions,
        schema.DepthToSpaceOptionsT,
    ),
    OPERATORS.CONV_2D: (schema.BuiltinOptions.Conv2DOptions, schema.Conv2DOptionsT),
    OPERATORS.DEPTHWISE_CONV_2D: (
        schema.BuiltinOptions.DepthwiseConv2DOptions,
        schema.DepthwiseConv2DOptionsT,
    ),
    OPERATORS.TRANSPOSE_CONV: (
        schema.BuiltinOptions.TransposeConvOptions,
        schema.TransposeConvOptionsT,
    ),
    OPERATORS.AVERAGE_POOL_2D: (schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT),
    OPERATORS.MAX_POOL_2D: (schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT),
    OPERATORS.RESIZE_BILINEAR: (
        schema.BuiltinOptions.ResizeBilinearOptions,
        schema.ResizeBilinearOptionsT,
    ),
    OPERATORS.RESIZE_NEAREST_NEIGHBOR: (
        schema.BuiltinOptions.ResizeNearestNeighborOptions,
        schema.ResizeNearestNeighborOptionsT,
    ),
    OPERATORS.MEAN: (schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT),
    OPERATORS.SUM: (schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT),
    OPERATORS.REDUCE_MAX: (schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT),
    OPERATORS.REDUCE_MIN: (schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT),
    OPERATORS.SOFTMAX: (schema.BuiltinOptions.SoftmaxOptions, schema.SoftmaxOptionsT),
    OPERATORS.ARG_MAX: (schema.BuiltinOptions.ArgMaxOptions, schema.ArgMaxOptionsT),
    OPERATORS.STRIDED_SLICE: (
        schema.BuiltinOptions.StridedSliceOptions,
        schema.StridedSliceOptionsT,
    ),
}


class TinyModel:
    """A model that grows by signatures.

    Attributes:
        content: the model so far.
    """

    def __init__(self) -> None:
        self.content = schema.ModelT()
        self.content.version = 3
        self.content.buffers = [schema.BufferT()]
        self.content.operatorCodes = []
        self.content.subgraphs = []
        self.content.signatureDefs = []

    def signature(self, name: str) -> "TinyGraph":
        """A new signature, empty."""
        return TinyGraph(self.content, name)

    def packed(self) -> bytes:
        """The model as a `.tflite`."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.content.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


class TinyGraph:
    """One signature and its subgraph; tensors are known by their indices.

    Args:
        content: the model that it becomes part of.
        name: of the signature.
    """

    def __init__(self, content: schema.ModelT, name: str) -> None:
        self.content = content
        self.number = len(content.subgraphs)
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.entry = schema.SignatureDefT()
        self.entry.signatureKey = name.encode()
        self.entry.subgraphIndex = self.number
        self.entry.inputs, self.entry.outputs = [], []
        content.subgraphs.append(self.graph)
        content.signatureDefs.append(self.entry)

    def input(
        self,
        name: str,
        shape: Sequence[int] = (1, 4),
        dtype: str = "float32",
        table: tuple[float, int] | None = None,
    ) -> int:
        """An input of the signature; `table` is scale and zero point."""
        index = self.tensor(shape, dtype, table)
        self.graph.inputs.append(index)
        self.entry.inputs.append(_map(name, index))
        return index

    def output(self, name: str, index: int) -> None:
        """Gives a tensor as an output of the signature."""
        self.graph.outputs.append(index)
        self.entry.outputs.append(_map(name, index))

    def constant(self, values: Any) -> int:
        """A float32 constant."""
        array = np.asarray(values, np.float32)
        return self._constant(array.shape, schema.TensorType.FLOAT32, array)

    def integers(self, values: Any) -> int:
        """An int32 constant."""
        array = np.asarray(values, np.int32)
        return self._constant(array.shape, schema.TensorType.INT32, array)

    def steps(
        self, values: Any, scales: float | Sequence[float] = 1.0, zero: int = 0, axis: int = 0
    ) -> int:
        """An int8 constant, or an int32 one with scales; `axis` is that of several scales."""
        array = np.asarray(values)
        index = self._constant(array.shape, _TYPES[array.dtype], array)
        table = self.graph.tensors[index].quantization = quantization(1.0, zero)
        table.scale = np.asarray(scales, np.float32).reshape(-1)
        table.zeroPoint = np.full(len(table.scale), zero, np.int64)
        table.quantizedDimension = axis
        return index

    def apply(self, code: int, *inputs: int, outputs: Sequence[int] = (), **options: Any) -> int:
        """An operator; the index of what it gives, float32 as its first input unless named."""
        codes = [item.builtinCode for item in self.content.operatorCodes]
        if code not in codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.version = code, 1
            entry.deprecatedBuiltinCode = min(code, 127)
            self.content.operatorCodes.append(entry)
            codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = codes.index(code)
        operator.inputs = np.asarray(inputs, np.int32)
        outputs = outputs or [self.tensor(self.graph.tensors[inputs[0]].shape)]
        operator.outputs = np.asarray(outputs, np.int32)
        if code in _OPTIONS:
            operator.builtinOptionsType, kind = _OPTIONS[code]
            operator.builtinOptions = kind()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)
        return int(outputs[0])

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        table: tuple[float, int] | None = None,
    ) -> int:
        """A tensor that nothing has given yet."""
        tensor = schema.TensorT()
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type = _TYPES[np.dtype(dtype)]
        tensor.buffer = 0
        tensor.name = f"tensor{len(self.graph.tensors)}".encode()
        if table is not None:
            tensor.quantization = quantization(*table)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _constant(self, shape: Sequence[int], kind: int, values: np.ndarray) -> int:
        index = self.tensor(shape)
        self.content.buffers.append(schema.BufferT(data=values.reshape(-1).view(np.uint8)))
        self.graph.tensors[index].buffer = len(self.content.buffers) - 1
        self.graph.tensors[index].type = kind
        return index


def quantization(scale: float, zero: int) -> schema.QuantizationParametersT:
    """A table of one scale."""
    table = schema.QuantizationParametersT()
    table.scale = np.asarray([scale], np.float32)
    table.zeroPoint = np.asarray([zero], np.int64)
    return table


def runner(model: bytes, signature: str) -> Any:
    """A function from the inputs of a signature to its outputs."""
    return Interpreter(model_content=model).get_signature_runner(signature)


def _map(name: str, index: int) -> schema.TensorMapT:
    item = schema.TensorMapT()
    item.name, item.tensorIndex = name.encode(), index
    return item
