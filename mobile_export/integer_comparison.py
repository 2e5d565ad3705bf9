"""Compares integers computed here with LiteRT's, operator by operator."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kit.errors import InputError
from mobile_export.inspection import Inspection
from mobile_export.integer_executor import IntegerExecutor, Step
from mobile_export.packing import single

_RESOLVERS = {
    "reference": OpResolverType.BUILTIN_REF,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}

_ONE_STEP = 1


@dataclass(frozen=True)
class Difference:
    """How far integers are from LiteRT's.

    Args:
        name: of the operator that gave them, or of the output.
        operators: number of operators that are counted.
        values: number of integers.
        unequal: number of those that are not LiteRT's.
        distant: number of those that are more than a step from LiteRT's.
        largest: largest difference in steps.
    """

    name: str
    operators: int
    values: int
    unequal: int
    distant: int
    largest: int

    @classmethod
    def between(cls, name: str, mine: np.ndarray, theirs: np.ndarray) -> "Difference":
        """The difference of two arrays of whole numbers, no operator counted.

        Args:
            name: of what gave them.
            mine: any type.
            theirs: any type, of the same shape.
        """
        if mine.shape != theirs.shape:
            raise RuntimeError(f"{name} gives {mine.shape} here and {theirs.shape} in LiteRT")
        # Whole numbers that LiteRT has in float are compared as such.
        steps = np.abs(mine.astype(np.int64) - theirs.astype(np.int64))
        unequal, distant = np.count_nonzero(steps), np.count_nonzero(steps > _ONE_STEP)
        return cls(name, 0, steps.size, int(unequal), int(distant), int(steps.max(initial=0)))

    @property
    def equal_share(self) -> float:
        """Share of the integers that are LiteRT's."""
        return 1 - self.unequal / max(1, self.values)

    @property
    def near_share(self) -> float:
        """Share of the integers that are LiteRT's or next to them."""
        return 1 - self.distant / max(1, self.values)

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.name,
            self.operators + other.operators,
            self.values + other.values,
            self.unequal + other.unequal,
            self.distant + other.distant,
            max(self.largest, other.largest),
        )


@dataclass(frozen=True)
class Comparison:
    """How far a signature in integers is from LiteRT.

    Args:
        steps: of each operator in the order in which they run, fed with what LiteRT fed it with, so
            that no difference comes from an operator before it.
        outputs: of each output by its name, from the inputs to the end.
    """

    steps: tuple[Difference, ...]
    outputs: Mapping[str, Difference]

    @property
    def operators(self) -> dict[str, Difference]:
        """The steps summed up by the name of their operator, in alphabetical order."""
        found: dict[str, Difference] = {}
        for step in sorted(self.steps, key=lambda item: item.name):
            found[step.name] = found[step.name] + step if step.name in found else step
        return found


def compare(
    model: bytes,
    signature: str,
    inputs: Iterable[Mapping[str, np.ndarray]],
    *,
    kernels: str = "reference",
    rounding: str = "reference",
) -> Comparison:
    """Runs a signature here and in LiteRT, and tells the difference.

    Args:
        model: bytes of the model.
        signature: name of the signature.
        inputs: for each run the inputs by name; at least one.
        kernels: LiteRT's reference kernels (`"reference"`), those that it has itself for speed
            (`"builtin"`), or what it takes by default: XNNPACK's where there are any
            (`"xnnpack"`).
        rounding: of the integers here, as `IntegerExecutor` has it.

    Raises:
        InputError: no such signature, kernels or rounding, an operator that is not known in
            integers, or inputs that are not the signature's.
    """
    if signature in Inspection(model).signatures:
        model = single(model, signature)
    executor = IntegerExecutor(model, signature, rounding=rounding)
    interpreter = open_interpreter(model, executor.steps, kernels)
    runner = interpreter.get_signature_runner(signature)
    steps = [Difference(step.name, 1, 0, 0, 0, 0) for step in executor.steps]
    outputs: dict[str, Difference] = {}
    for given in inputs:
        mine = executor(**given)
        for name, array in runner(**given).items():
            found = Difference.between(name, mine[name], array)
            outputs[name] = outputs[name] + found if name in outputs else found
        for place, step in enumerate(executor.steps):
            taken = [_tensor(executor, interpreter, index) for index in step.inputs]
            theirs = interpreter.get_tensor(step.output, 0)
            found = Difference.between(step.name, executor.run(step, taken), theirs)
            steps[place] = steps[place] + found
    return Comparison(tuple(steps), outputs)


def open_interpreter(model: bytes, steps: Sequence[Step], kernels: str) -> Interpreter:
    """LiteRT, its tensors to be read after a run.

    Args:
        model: bytes of a model of one signature.
        steps: of its operators.
        kernels: as of `compare`.

    Raises:
        InputError: no such kernels.
    """
    if kernels not in _RESOLVERS:
        raise InputError(f"`kernels` must be one of {', '.join(_RESOLVERS)}; got {kernels!r}")
    return Interpreter(
        model_content=_with_all_outputs(model, steps),
        num_threads=1,
        experimental_op_resolver_type=_RESOLVERS[kernels],
        # XNNPACK has no such thing: what it computes is kept because it is an output.
        experimental_preserve_all_tensors=kernels != "xnnpack",
    )


def _with_all_outputs(model: bytes, steps: Sequence[Step]) -> bytes:
    """A model of one signature in which every tensor that an operator gives is an output."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    (graph,) = content.subgraphs
    every = dict.fromkeys([*map(int, graph.outputs), *(step.output for step in steps)])
    graph.outputs = np.asarray(list(every), np.int32)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(executor: IntegerExecutor, interpreter: Any, index: int) -> np.ndarray | None:
    """What LiteRT's tensor holds, None for a constant."""
    tensor = executor.tensors[index]
    if tensor.constant is not None:
        return None
    return np.asarray(interpreter.get_tensor(index, 0)).astype(tensor.dtype)
