"""Runs a signature of an int8 `.tflite` on integers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kit.errors import InputError
from mobile_export.inspection import Inspection, Operator
from mobile_export.integer_graph import Node, Tensor
from mobile_export.integer_operators import REFERENCE, Builder, Kernel
from mobile_export.integer_xnnpack import XNNPACK

_ROUNDINGS = {"reference": REFERENCE, "xnnpack": XNNPACK}


@dataclass(frozen=True)
class Step:
    """One operator, ready to run.

    Args:
        name: of the operator, e.g. `CONV_2D`.
        inputs: indices of the tensors that it takes.
        output: index of the tensor that it gives.
        kernel: from the former to the latter.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    kernel: Kernel


class IntegerExecutor:
    """One signature of an int8 `.tflite` in NumPy, without a float between image and mask.

    Tensors are int8, uint8, or plain integers, sums are int32 and int64, and scales act as integer
    multipliers with shifts. Floats are used while the file is read alone: scales become
    multipliers, and functions that TensorFlow Lite looks up, EXP and LOG, tables of 256 integers.

    Args:
        model: bytes of the model.
        signature: name of the signature.
        rounding: `"reference"` for the bytes of TensorFlow Lite's reference kernels, `"xnnpack"`
            for those of LiteRT's default, but for SOFTMAX and SUM, which it has in float.

    Attributes:
        signature: name of the signature.
        tensors: every tensor that an operator takes or gives, by its index in the file.
        steps: the operators in the order in which they run.

    Raises:
        InputError: no such signature or rounding, or an operator that is not known in integers.
    """

    def __init__(self, model: bytes, signature: str, *, rounding: str = "reference") -> None:
        if rounding not in _ROUNDINGS:
            known = ", ".join(_ROUNDINGS)
            raise InputError(f"`rounding` must be one of {known}; got {rounding!r}")
        inspection = Inspection(model)
        if signature not in inspection.signatures:
            known = ", ".join(inspection.signatures)
            raise InputError(f"`signature` must be one of {known}; got {signature!r}")
        content = schema.ModelT.InitFromPackedBuf(model, 0)
        (entry,) = (
            item for item in content.signatureDefs if item.signatureKey.decode() == signature
        )
        graph = content.subgraphs[entry.subgraphIndex]
        self.signature = signature
        self._inputs = {item.name.decode(): int(item.tensorIndex) for item in entry.inputs}
        self._outputs = {item.name.decode(): int(item.tensorIndex) for item in entry.outputs}
        self.tensors: dict[int, Tensor] = {}
        self.steps: list[Step] = []
        for name, index in (self._inputs | self._outputs).items():
            self.tensors[index] = tensor = Tensor.read(content, graph.tensors[index])
            if tensor.real:
                raise InputError(f"`model` must take and give integers; got {name} in float")
        for operator, details in zip(
            inspection.operators(signature), graph.operators or [], strict=True
        ):
            try:
                self._add(content, graph, operator, details.builtinOptions, _ROUNDINGS[rounding])
            except ValueError as error:
                raise InputError(
                    "`model` must hold operators that are known in integers; got "
                    f"{operator.name} for tensor {operator.outputs[0]} of signature "
                    f"{signature!r}: {error}"
                ) from error

    def _add(
        self,
        content: Any,
        graph: Any,
        operator: Operator,
        options: Any,
        builders: Mapping[str, Builder],
    ) -> None:
        """Makes an operator ready."""
        if operator.name not in builders:
            raise ValueError("the operator is unknown")
        if len(operator.outputs) != 1:
            raise ValueError("one output is known")
        taken, (given,) = tuple(i for i in operator.inputs if i >= 0), operator.outputs
        for index in (*taken, given):
            self.tensors[index] = Tensor.read(content, graph.tensors[index])
        node = Node(tuple(self.tensors[index] for index in taken), self.tensors[given], options)
        if any(tensor.real for tensor in node.inputs) and operator.name != "QUANTIZE":
            raise ValueError("it works in float")
        if node.output.real and operator.name != "CAST":
            raise ValueError("it works in float")
        self.steps.append(Step(operator.name, taken, given, builders[operator.name](node)))

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the signature.

        Args:
            inputs: an array for each of its inputs, of the type that the file has.

        Returns:
            The outputs by name.

        Raises:
            InputError: inputs that are not the signature's.
        """
        values = self.values(inputs)
        return {name: values[index] for name, index in self._outputs.items()}

    def values(self, inputs: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
        """Runs the signature and gives every tensor by its index, constants left out.

        Args:
            inputs: as in a call.

        Raises:
            InputError: inputs that are not the signature's.
        """
        if set(inputs) != set(self._inputs):
            expected, got = ", ".join(sorted(self._inputs)), ", ".join(sorted(inputs))
            raise InputError(f"`inputs` must be {expected} for {self.signature!r}; got {got}")
        values: dict[int, np.ndarray] = {}
        for name, index in self._inputs.items():
            array, tensor = inputs[name], self.tensors[index]
            if array.shape != tensor.shape or array.dtype != tensor.dtype:
                raise InputError(
                    f"`{name}` must be {np.dtype(tensor.dtype)} of shape {tensor.shape}; "
                    f"got {array.dtype} of shape {array.shape}"
                )
            values[index] = array
        for step in self.steps:
            values[step.output] = self.run(step, [values.get(index) for index in step.inputs])
        return values

    def run(self, step: Step, inputs: Sequence[np.ndarray | None]) -> np.ndarray:
        """What one operator gives.

        Args:
            step: the operator.
            inputs: what it takes; None for a constant.
        """
        arrays = [
            self.tensors[index].constant if array is None else array
            for index, array in zip(step.inputs, inputs, strict=True)
        ]
        return step.kernel(*arrays)
