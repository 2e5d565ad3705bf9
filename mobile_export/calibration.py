"""What the tensors of a float model hold when it sees images."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tqdm import tqdm

from mobile_export.identity import identities

Ranges = dict[tuple[int, int], tuple[float, float]]
"""(subgraph, tensor) -> smallest and largest value."""

_OPERATORS = schema.BuiltinOperator
_CONVOLUTIONS = (_OPERATORS.CONV_2D, _OPERATORS.DEPTHWISE_CONV_2D)
TRANSPOSED = (_OPERATORS.TRANSPOSE_CONV,)
"""Operators that are convolutions the other way round."""
_PASSING = (_OPERATORS.QUANTIZE, _OPERATORS.DEQUANTIZE, _OPERATORS.FAKE_QUANT)
_ARITHMETIC = {
    _OPERATORS.ADD: np.add,
    _OPERATORS.SUB: np.subtract,
    _OPERATORS.MUL: np.multiply,
    _OPERATORS.DIV: np.divide,
}


@dataclass(frozen=True)
class Statistics:
    """What the tensors of a float model hold.

    Args:
        ranges: of each float tensor that is no constant; that of what is only a rescaled image
            follows from 0-255, whatever the images hold.
        means: (subgraph, tensor) -> mean of each channel, float32, of what convolutions take in.
        rescaled: the tensors that are only a rescaled image.
    """

    ranges: Ranges
    means: dict[tuple[int, int], np.ndarray]
    rescaled: frozenset[tuple[int, int]]


def record(
    model: bytes,
    images: Mapping[str, Sequence[np.ndarray]],
    after: Mapping[str, str] | None = None,
    *,
    threads: int | None = None,
) -> Statistics:
    """Runs every signature of a float model on images and notes what its tensors hold.

    The converter's own calibration (TensorFlow 2.21) looks at an operator's inputs after it ran,
    when an operator that works in place has overwritten them: the projection in front of a residual
    addition then gets the range of the sum, up to twice too wide, and normalisation by
    `x / 127.5 - 1` keeps 171 of 256 grey values. Here no tensor is overwritten.

    Tensors of several signatures that are computed alike get the statistics of one run: what a
    chain of stages and a one-shot signature share is then quantized to the last bit alike, and a
    signature that holds nothing new is not run. What is computed alike of images of several sizes
    gets one range and one mean over all of them: on these the scales and the biases depend, which a
    file then holds once.

    Args:
        model: a `.tflite` in float32.
        images: for each signature that takes an image, uint8 arrays `(height, width, 3)` of its
            input size.
        after: signature of each stage that takes states -> signature of the stage that gives them.
        threads: CPU threads. Defaults to the cores.
    """
    after = after or {}
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    known = identities(content, after)
    found: dict[bytes, tuple[float, float]] = {}
    means: dict[bytes, np.ndarray] = {}
    wanted = {
        entry.signatureKey.decode(): _Wanted(content, entry.subgraphIndex, known)
        for entry in content.signatureDefs
    }
    chains = sorted(_chains(images, after), key=len, reverse=True)
    total = sum(len(images[chain[0]]) for chain in chains)
    with tqdm(total=total, desc="calibrate", unit="image", delay=2, disable=None) as bar:
        for chain in chains:
            for key in chain:
                wanted[key].drop(found, means)
            if any(wanted[key].some for key in chain):
                _run(model, chain, images[chain[0]], wanted, found, means, threads, bar)
            else:
                bar.update(len(images[chain[0]]))
    rescaled = _rescaled_image(content)
    watched = {
        (graph, tensor)
        for graph in range(len(content.subgraphs))
        for tensor in _watched(content, graph)
    }
    ranges = {
        place: found[digest]
        for place, digest in known.items()
        if digest in found and place in watched
    }
    of_inputs = {place: means[digest] for place, digest in known.items() if digest in means}
    ranges, of_inputs = _over_sizes(content, after, ranges, of_inputs)
    trained = _rounded_already(content)
    ranges |= trained | _sums_of_means(content, trained)
    return Statistics(ranges | rescaled, of_inputs, frozenset(rescaled))


def _over_sizes(
    content: Any,
    after: Mapping[str, str],
    ranges: Ranges,
    means: dict[tuple[int, int], np.ndarray],
) -> tuple[Ranges, dict[tuple[int, int], np.ndarray]]:
    """The statistics, those of tensors that are alike but for the image's size taken together."""
    sizes, alike = (identities(content, after, of_any_size=flag) for flag in (False, True))
    groups: dict[bytes, dict[bytes, tuple[int, int]]] = {}
    for place, digest in alike.items():
        groups.setdefault(digest, {})[sizes[place]] = place  # one of each size

    def together(place: tuple[int, int], values: Mapping[tuple[int, int], Any]) -> list[Any]:
        return [values[other] for other in groups[alike[place]].values() if other in values]

    lows_and_highs = {place: np.array(together(place, ranges)) for place in ranges}
    return (
        {place: (ends[:, 0].min(), ends[:, 1].max()) for place, ends in lows_and_highs.items()},
        {place: np.mean(together(place, means), axis=0) for place in means},
    )


class _Wanted:
    """What is to be known of the tensors of one signature."""

    def __init__(self, content: Any, graph: int, known: Mapping[tuple[int, int], bytes]) -> None:
        self.graph = graph
        self.watched = {known[graph, index]: index for index in _watched(content, graph)}
        inputs = {int(operator.inputs[0]) for operator in convolutions(content, graph)}
        self.averaged = {known[graph, index]: index for index in inputs}

    @property
    def some(self) -> bool:
        """Whether there is anything left to be known."""
        return bool(self.watched or self.averaged)

    def drop(self, found: Mapping[bytes, Any], means: Mapping[bytes, Any]) -> None:
        """Leaves out what is known already."""
        self.watched = {key: index for key, index in self.watched.items() if key not in found}
        self.averaged = {key: index for key, index in self.averaged.items() if key not in means}

    def read(
        self,
        interpreter: Interpreter,
        found: dict[bytes, tuple[float, float]],
        means: dict[bytes, np.ndarray],
        count: int,
    ) -> None:
        """Takes in what the tensors hold after a run, one of `count`."""
        for digest in self.watched.keys() | self.averaged.keys():
            index = self.watched.get(digest, self.averaged.get(digest))
            values = interpreter.get_tensor(index, self.graph)
            if digest in self.watched:
                low, high = found.get(digest, (np.inf, -np.inf))
                found[digest] = min(low, float(values.min())), max(high, float(values.max()))
            if digest in self.averaged:
                share = values.mean(axis=(0, 1, 2), dtype=np.float64) / count
                means[digest] = np.asarray(means.get(digest, 0) + share)


def _chains(
    images: Mapping[str, Sequence[np.ndarray]], after: Mapping[str, str]
) -> list[list[str]]:
    """Signatures in the order in which they are run: a one-shot one alone, stages in a chain."""
    chains = {key: [key] for key in images}
    following = {before: key for key, before in after.items()}
    for chain in chains.values():
        while chain[-1] in following:
            chain.append(following[chain[-1]])
    return list(chains.values())


def _run(
    model: bytes,
    chain: Sequence[str],
    images: Sequence[np.ndarray],
    wanted: Mapping[str, _Wanted],
    found: dict[bytes, tuple[float, float]],
    means: dict[bytes, np.ndarray],
    threads: int | None,
    bar: Any,
) -> None:
    """Runs a chain of signatures on images, each fed with what the one before it gave."""
    # An interpreter of its own for each signature, since it keeps every tensor in memory.
    interpreters = [
        Interpreter(
            model_content=model,
            num_threads=threads or os.cpu_count(),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        for _ in chain
    ]
    runners = [
        interpreter.get_signature_runner(key)
        for interpreter, key in zip(interpreters, chain, strict=True)
    ]
    for image in images:
        values = {"image": image[None].astype(np.float32)}
        for key, interpreter, runner in zip(chain, interpreters, runners, strict=True):
            outputs = runner(**values)
            wanted[key].read(interpreter, found, means, len(images))
            values = {name: array for name, array in outputs.items() if name.startswith("state_")}
        bar.update()


def convolutions(content: Any, graph: int, *, transposed: bool = False) -> list[Any]:
    """The convolutions of a subgraph, depthwise ones included, in the order in which they run.

    Args:
        content: the model.
        graph: the subgraph.
        transposed: whether transposed ones are among them.
    """
    kinds = (*_CONVOLUTIONS, *TRANSPOSED) if transposed else _CONVOLUTIONS
    return [
        operator
        for operator in content.subgraphs[graph].operators
        if content.operatorCodes[operator.opcodeIndex].builtinCode in kinds
    ]


def is_depthwise(content: Any, operator: Any) -> bool:
    """Whether a convolution is a depthwise one, of which each channel sees one input channel."""
    code = content.operatorCodes[operator.opcodeIndex].builtinCode
    return bool(code == _OPERATORS.DEPTHWISE_CONV_2D)


def with_ranges(model: bytes, ranges: Ranges) -> bytes:
    """The model with the ranges in the place where the quantizer looks for them.

    Args:
        model: a `.tflite` in float32 that was made for calibration.
        ranges: as `record` gives them.
    """
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    for (graph, tensor), (low, high) in ranges.items():
        quantization = content.subgraphs[graph].tensors[tensor].quantization
        quantization.min = np.asarray([low], np.float32)
        quantization.max = np.asarray([high], np.float32)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _watched(content: Any, graph: int) -> set[int]:
    """The tensors of a subgraph of which the quantizer wants to know the range."""
    return {
        index
        for index, tensor in enumerate(content.subgraphs[graph].tensors)
        if tensor.type == schema.TensorType.FLOAT32
        and tensor.quantization is not None
        and tensor.quantization.min is not None
    }


def _rescaled_image(content: Any) -> Ranges:
    """Exact ranges of the tensors that arise from the image by arithmetic with a constant."""
    ranges: Ranges = {}
    for entry in content.signatureDefs:
        if [item.name for item in entry.inputs] != [b"image"]:
            continue
        index = entry.subgraphIndex
        graph, watched = content.subgraphs[index], _watched(content, index)
        known: dict[int, Any] = {int(graph.inputs[0]): np.asarray([0, 255], np.float32)}
        for operator in graph.operators:
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            values: list[Any] = [
                known.get(i, _scalar(content, graph.tensors[i])) for i in operator.inputs
            ]
            if operator.inputs[0] not in known or any(value is None for value in values):
                continue
            if code in _PASSING:
                known[operator.outputs[0]] = values[0]
            elif code in _ARITHMETIC:
                known[operator.outputs[0]] = _ARITHMETIC[code](*values)
        for tensor, ends in known.items():
            if tensor in watched:
                ranges[index, tensor] = (float(ends.min()), float(ends.max()))
    return ranges


def _rounded_already(content: Any) -> Ranges:
    """Ranges of the float tensors that the model itself rounds to 8 bits, as training chose."""
    ranges: Ranges = {}
    for number, graph in enumerate(content.subgraphs):
        for operator in graph.operators:
            if content.operatorCodes[operator.opcodeIndex].builtinCode != _OPERATORS.QUANTIZE:
                continue
            taken, given = int(operator.inputs[0]), graph.tensors[operator.outputs[0]]
            if graph.tensors[taken].type == given.type or given.type != schema.TensorType.INT8:
                continue
            scale, zero = float(given.quantization.scale[0]), int(given.quantization.zeroPoint[0])
            ranges[number, taken] = (scale * (-128 - zero), scale * (127 - zero))
    return ranges


def _sums_of_means(content: Any, trained: Ranges) -> Ranges:
    """Ranges of the sums that a constant makes a mean of, as training chose that of the mean.

    Then each step of the mean is one of the sum, and only the latter is rounded.
    """
    ranges: Ranges = {}
    for number, graph in enumerate(content.subgraphs):
        uses = Counter(int(index) for operator in graph.operators for index in operator.inputs)
        for operator in graph.operators:
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            place = number, int(operator.outputs[0])
            if code != _OPERATORS.MUL or place not in trained:
                continue
            taken, factor = int(operator.inputs[0]), graph.tensors[operator.inputs[1]]
            share = _scalar(content, factor)
            if share is not None and share > 0 and uses[taken] == 1:
                low, high = (end / float(share.item()) for end in trained[place])
                ranges[number, taken] = low, high
    return ranges


def _scalar(content: Any, tensor: Any) -> np.ndarray | None:
    """The value of a float constant with one element, None for anything else."""
    data = content.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) != 4:
        return None
    return data.view(np.float32)
