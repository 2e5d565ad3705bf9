"""Gives what stages hand on a scale of its own, the same in every signature."""

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobile_export.identity import identities

_OPERATORS = schema.BuiltinOperator


def pinned(
    model: bytes,
    after: Mapping[str, str],
    groups: Mapping[str, str],
    ranges: Mapping[tuple[int, int], tuple[float, float]],
) -> bytes:
    """A float model in which the states of stages are rounded to 8 bits explicitly.

    LiteRT's concatenation and interpolation work in one scale, so the quantizer gives features
    that enter a concatenation its scale, five times too coarse in a U-Net. In the signature of an
    exit in front of it the same features would keep their own, and a stage would hand on other
    bytes than one signature computes. A pair of QUANTIZE and DEQUANTIZE behind the features fixes
    their scale everywhere; the concatenation then takes in rescaled ones.

    Args:
        model: a `.tflite` in float32 that was made for calibration.
        after: signature of each stage that takes states -> signature of the stage before it.
        groups: signature -> its configuration.
        ranges: (subgraph, tensor) -> smallest and largest value, as `record` gives them.

    Returns:
        The model; as it was if there are no stages.
    """
    if not after:
        return model
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    known = identities(content, after)
    entries = {entry.signatureKey.decode(): entry for entry in content.signatureDefs}
    states = {
        (groups[name], known[entry.subgraphIndex, item.tensorIndex])
        for name, entry in entries.items()
        for item in entry.outputs
        if item.name.startswith(b"state_")
    }
    for name, entry in entries.items():
        number = entry.subgraphIndex
        graph = content.subgraphs[number]
        for index in range(len(graph.tensors)):
            place = number, index
            if (groups.get(name), known.get(place)) in states and place in ranges:
                _pin(content, entry, index, *ranges[place])
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _pin(content: Any, entry: Any, index: int, low: float, high: float) -> None:
    """Puts a rounding behind one tensor; all that used it uses what is rounded."""
    graph = content.subgraphs[entry.subgraphIndex]
    users = [op for op in graph.operators if index in op.inputs.tolist()]
    if not users and index in graph.inputs.tolist():
        return  # only handed on
    tensor = graph.tensors[index]
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255) or np.float32(1)
    rounded, restored = (_like(graph, tensor, suffix) for suffix in ("_rounded", "_restored"))
    graph.tensors[rounded].type = schema.TensorType.INT8
    table = schema.QuantizationParametersT()
    table.scale = np.asarray([scale], np.float32)
    table.zeroPoint = np.asarray([np.clip(round(-128 - low / scale), -128, 127)], np.int64)
    graph.tensors[rounded].quantization = table
    graph.tensors[restored].quantization = None
    for operator in users:
        operator.inputs = np.where(operator.inputs == index, restored, operator.inputs)
    graph.outputs = np.where(graph.outputs == index, restored, graph.outputs)
    for item in entry.outputs:
        if item.tensorIndex == index:
            item.tensorIndex = restored
    made_by = [place for place, op in enumerate(graph.operators) if index in op.outputs.tolist()]
    place = made_by[0] + 1 if made_by else 0
    graph.operators[place:place] = [
        _operator(content, _OPERATORS.QUANTIZE, index, rounded),
        _operator(content, _OPERATORS.DEQUANTIZE, rounded, restored),
    ]


def _like(graph: Any, tensor: Any, suffix: str) -> int:
    """A new tensor of the same shape; its index."""
    new = schema.TensorT()
    new.shape, new.shapeSignature = tensor.shape, tensor.shapeSignature
    new.type, new.buffer, new.name = tensor.type, 0, tensor.name + suffix.encode()
    new.hasRank = tensor.hasRank
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def _operator(content: Any, code: int, taken: int, given: int) -> Any:
    codes = [item.builtinCode for item in content.operatorCodes]
    if code not in codes:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 1
        content.operatorCodes.append(entry)
        codes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = codes.index(code)
    operator.inputs, operator.outputs = np.asarray([taken], np.int32), np.asarray([given], np.int32)
    return operator
