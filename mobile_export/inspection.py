"""Reads a `.tflite` for the verifier: what is off in its graphs, weights and scales."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OPERATORS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_FLOATS = (
    schema.TensorType.FLOAT16,
    schema.TensorType.FLOAT32,
    schema.TensorType.FLOAT64,
    schema.TensorType.BFLOAT16,
)
_QUANTIZED = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16)
_OUTSIDE = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
_SMALLEST_KERNEL = 1024
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Args:
        name: of the operator, e.g. `CONV_2D`; `CUSTOM Flex…` for one that LiteRT has not.
        inputs: indices of its input tensors; -1 for one that is left out.
        outputs: indices of its output tensors.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Inspection:
    """The parts of a `.tflite` that the contract is about.

    Args:
        model: bytes of the model, without what is appended.

    Attributes:
        signatures: name of each signature -> index of its subgraph, in the file's order.
        graphs: number of subgraphs.
    """

    def __init__(self, model: bytes) -> None:
        self._content = schema.ModelT.InitFromPackedBuf(model, 0)
        self.signatures = {
            entry.signatureKey.decode(): int(entry.subgraphIndex)
            for entry in self._content.signatureDefs or []
        }
        self.graphs = len(self._content.subgraphs)

    def operators(self, signature: str) -> list[Operator]:
        """The operators of a signature's graph in the order in which they run."""
        return [
            Operator(
                self._name(operator), tuple(map(int, operator.inputs)), tuple(operator.outputs)
            )
            for operator in self._graph(signature).operators or []
        ]

    def foreign_operators(self, signature: str) -> list[str]:
        """Names of operators that are not LiteRT's own, each with its count."""
        names = [operator.name for operator in self.operators(signature)]
        return _counted(name for name in names if name.split()[0] in _OUTSIDE)

    def float_operators(self, signature: str) -> list[str]:
        """Names of operators that work in float, each with its count.

        A float tensor may stand between a CAST and a QUANTIZE alone, as in a mean of booleans.
        """
        tensors = self._graph(signature).tensors
        made_by = {out: op.name for op in self.operators(signature) for out in op.outputs}
        allowed = {index for index, name in made_by.items() if name == "CAST"}
        found = []
        for operator in self.operators(signature):
            taken = {i for i in operator.inputs if i >= 0 and tensors[i].type in _FLOATS}
            given = {i for i in operator.outputs if tensors[i].type in _FLOATS}
            if operator.name == "QUANTIZE" and taken <= allowed and not given:
                continue
            if operator.name == "CAST" and not taken:
                continue
            if taken or given:
                found.append(operator.name)
        public = self._graph(signature).inputs.tolist() + self._graph(signature).outputs.tolist()
        found += ["a float input or output"] * any(tensors[i].type in _FLOATS for i in public)
        return _counted(found)

    def dynamic_tensors(self, signature: str) -> int:
        """Number of tensors with a dimension that is known at run time alone."""
        return sum(
            tensor.shapeSignature is not None and min(tensor.shapeSignature, default=0) < 0
            for tensor in self._graph(signature).tensors
        )

    def wrong_scales(self, signature: str) -> int:
        """Number of tensors whose scales are not all finite and above zero, or miss altogether.

        An unsigned integer without scale is plain data (a mask), signed ones are quantities.
        """
        wrong = 0
        for tensor in self._graph(signature).tensors:
            scales = None if tensor.quantization is None else tensor.quantization.scale
            if scales is None or not len(scales):
                wrong += tensor.type in (schema.TensorType.INT8, schema.TensorType.INT16)
            elif tensor.type in (*_QUANTIZED, schema.TensorType.INT32):
                wrong += not (np.isfinite(scales).all() and (scales > 0).all())
        return int(wrong)

    def kernel_bytes(self, signature: str | None = None) -> int:
        """Bytes of the kernels of one signature, or of all; each counts once."""
        graphs = self._content.subgraphs if signature is None else [self._graph(signature)]
        places = {
            tensor.buffer
            for graph in graphs
            for tensor in graph.tensors
            if tensor.shape is not None and len(tensor.shape) > 1
        }
        sizes = [self._content.buffers[place].data for place in places]
        return sum(len(data) for data in sizes if data is not None)

    def scales(self, signature: str, side: str) -> dict[str, tuple[float, int]]:
        """Scale and zero point of each input or output that has them, by name.

        Args:
            signature: name of the signature.
            side: `"inputs"` or `"outputs"`.
        """
        (entry,) = (
            item for item in self._content.signatureDefs if item.signatureKey.decode() == signature
        )
        tables = {
            item.name.decode(): self._graph(signature).tensors[item.tensorIndex].quantization
            for item in getattr(entry, side)
        }
        return {
            name: (float(table.scale[0]), int(table.zeroPoint[0]))
            for name, table in tables.items()
            if table is not None and table.scale is not None and len(table.scale)
        }

    def repeated_weights(self) -> tuple[int, int]:
        """Number and bytes of kernels that the file holds more than once.

        Kernels count as one if their shapes are equal and their values, or, in int8, all but a
        twentieth of their values: that few differ by float rounding. Those that differ within one
        graph are different layers'.
        """
        kernels: dict[tuple[int, ...], dict[int, np.ndarray]] = {}
        users: dict[int, set[int]] = {}
        for number, graph in enumerate(self._content.subgraphs):
            for tensor in graph.tensors:
                data = self._content.buffers[tensor.buffer].data
                if data is not None and len(data) >= _SMALLEST_KERNEL and len(tensor.shape) > 1:
                    key = (tensor.type, *tensor.shape)
                    kernels.setdefault(key, {})[tensor.buffer] = data
                    users.setdefault(tensor.buffer, set()).add(number)
        sizes = [size for group in kernels.values() for size in _repeated(group, users)]
        return len(sizes), sum(sizes)

    def _graph(self, signature: str) -> Any:
        return self._content.subgraphs[self.signatures[signature]]

    def _name(self, operator: Any) -> str:
        code = self._content.operatorCodes[operator.opcodeIndex]
        # Files of before 2020 have the code in the older, one-byte field alone.
        name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return f"CUSTOM {(code.customCode or b'').decode()}" if name == "CUSTOM" else name


def _repeated(kernels: Mapping[int, np.ndarray], users: Mapping[int, set[int]]) -> Iterator[int]:
    """Sizes of the kernels that equal an earlier one, by buffer; `users` are the graphs of each."""
    places = list(kernels)
    for count, place in enumerate(places):
        for earlier in places[:count]:
            share = (kernels[place] == kernels[earlier]).mean()
            if share == 1 or (share >= _NEARLY_ALL and not users[place] & users[earlier]):
                yield len(kernels[place])
                break


def _counted(names: Any) -> list[str]:
    return [f"{count} × {name}" for name, count in Counter(names).items()]
