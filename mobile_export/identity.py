"""Which tensors of a file with several signatures hold the same values."""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

Place = tuple[int, int]
"""(subgraph, tensor)."""

_RESIZES = (
    schema.BuiltinOperator.RESIZE_BILINEAR,
    schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
)


def identities(
    content: Any, after: Mapping[str, str], *, of_any_size: bool = False
) -> dict[Place, bytes]:
    """A digest of how each tensor is computed; equal digests mean equal values.

    A tensor is what its operator, the options and the operator's inputs make of it: down to
    constants, which are their bytes, and to the image. What a stage takes from the stage before it
    is what that stage computed, so that a chain of stages is seen to do what one signature does.

    Args:
        content: a model (`schema.ModelT`) without control flow.
        after: signature of a stage -> signature of the stage before it.
        of_any_size: whether tensors are alike that are computed alike of images of two sizes, each
            interpolation by the factors of the other; their values then differ.

    Returns:
        Digests of the tensors that are constants, inputs, or given by an operator.
    """
    entries = {entry.signatureKey.decode(): entry for entry in content.signatureDefs}
    found: dict[Place, bytes] = {}
    constants: dict[int, bytes] = {}
    for key in sorted(entries, key=lambda name: _stage(name, after)):
        entry = entries[key]
        number = entry.subgraphIndex
        graph = content.subgraphs[number]
        for item in entry.inputs:
            given = after.get(key)
            if given is None:
                found[number, item.tensorIndex] = _digest(
                    b"input",
                    item.name,
                    b"" if of_any_size else _shape(graph.tensors[item.tensorIndex]),
                )
            else:
                source = {output.name: output.tensorIndex for output in entries[given].outputs}
                place = entries[given].subgraphIndex, source[item.name]
                found[number, item.tensorIndex] = found[place]
        for index, tensor in enumerate(graph.tensors):
            data = content.buffers[tensor.buffer].data
            if (number, index) not in found and data is not None:
                if tensor.buffer not in constants:
                    constants[tensor.buffer] = _digest(b"constant", np.asarray(data).tobytes())
                found[number, index] = _digest(constants[tensor.buffer], _shape(tensor))
        for operator in graph.operators:
            inputs = [found.get((number, int(i)), b"none") for i in operator.inputs]
            if of_any_size and _code(content, operator).builtinCode in _RESIZES:
                inputs[1:] = [_factors(graph, operator)]
            whole = _digest(_meaning(content, operator), *inputs)
            for output, index in enumerate(operator.outputs):
                found[number, int(index)] = _digest(whole, str(output).encode())
    return found


def _stage(name: str, after: Mapping[str, str]) -> int:
    """How many stages run before a signature."""
    return 1 + _stage(after[name], after) if name in after else 0


def _meaning(content: Any, operator: Any) -> bytes:
    """What an operator does, apart from what it works on."""
    code = _code(content, operator)
    options = operator.builtinOptions
    fields = {} if options is None else vars(options)
    shown = [(key, np.asarray(value).tolist()) for key, value in sorted(fields.items())]
    return repr((code.builtinCode, code.version, code.customCode, shown)).encode()


def _code(content: Any, operator: Any) -> Any:
    return content.operatorCodes[operator.opcodeIndex]


def _factors(graph: Any, operator: Any) -> bytes:
    """By how much an interpolation enlarges."""
    taken, given = (graph.tensors[int(i)].shape for i in (operator.inputs[0], operator.outputs[0]))
    factors = (Fraction(int(b), int(a)) for a, b in zip(taken, given, strict=True))
    return repr([str(factor) for factor in factors]).encode()


def _shape(tensor: Any) -> bytes:
    return repr([] if tensor.shape is None else list(map(int, tensor.shape))).encode()


def _digest(*parts: bytes) -> bytes:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.digest()
