"""Makes a `.tflite` smaller without changing what it computes.

A file with several signatures repeats itself: each has tables of its own for the scales of the same
weights, and names for tensors that no one asks for.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_FILE_IDENTIFIER = b"TFL3"
_BUFFER_ALIGNMENT = 16  # what the schema asks for `Buffer.data`
_KEPT_METADATA = (b"min_runtime_version",)
_TIE_SHARE = 0.05  # 2.5 % were seen, in weights that had been on an 8-bit grid before


def pack(
    model: bytes, signatures: Sequence[str] | None = None, *, merge_ties: bool = True
) -> bytes:
    """Writes a model anew, everything in it once.

    Equal weight buffers, quantization tables, shapes and options are stored once and referred to
    from wherever they are used, which FlatBuffers allow; names of tensors that are neither input
    nor output are left out, and so is what the converter noted for itself.

    Tiers share a kernel up to a positive gain of each output channel, that of their own BatchNorm
    statistics. The gain goes into the channel's scale and leaves the same int8 values, but for
    elements that lie half-way between two of them: there, float rounding decides, differently in
    each tier, and one element keeps a whole kernel from being shared. `merge_ties` takes one tier's
    decision for all; either neighbour is as near to the float weight as the other.

    Args:
        model: a `.tflite` without anything appended.
        signatures: names of the signatures to keep, in the order in which the file shall list them
            and their subgraphs. Defaults to all, in the order that they have.
        merge_ties: share int8 kernels of one shape that differ by one step in at most 5 % of their
            elements, but not within a signature: there they are different layers'.

    Returns:
        A `.tflite` of which every output is byte-equal to the model's, if no ties were merged.
    """
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    if signatures is not None:
        _reorder(content, signatures)
    content.description = None
    content.metadata = [entry for entry in content.metadata or [] if entry.name in _KEPT_METADATA]
    if merge_ties:
        _merge_ties(content)
    _share_buffers(content)
    for graph in content.subgraphs:
        public = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in public:
                tensor.name = None
            if tensor.shapeSignature is not None and min(tensor.shapeSignature, default=0) >= 0:
                tensor.shapeSignature = None
    builder = _SharingBuilder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def single(model: bytes, signature: str) -> bytes:
    """A model with one of the signatures alone, to know what it takes by itself.

    Args:
        model: a `.tflite` without anything appended.
        signature: name of the signature that is kept.
    """
    return pack(model, [signature])


def _reorder(content: Any, signatures: Sequence[str]) -> None:
    """Keeps some signatures and their subgraphs, in an order; no operator calls a subgraph."""
    by_name = {entry.signatureKey.decode(): entry for entry in content.signatureDefs}
    content.signatureDefs = [by_name[name] for name in signatures]
    content.subgraphs = [content.subgraphs[entry.subgraphIndex] for entry in content.signatureDefs]
    for index, entry in enumerate(content.signatureDefs):
        entry.subgraphIndex = index


def _merge_ties(content: Any) -> None:
    """Lets kernels that differ by ties alone point at the first of them."""
    groups: dict[Any, dict[int, np.ndarray]] = {}
    for graph in content.subgraphs:
        taken: dict[int, int] = {}  # buffer of this graph -> the one that it points at now
        for tensor in graph.tensors:
            data = content.buffers[tensor.buffer].data
            if tensor.type != schema.TensorType.INT8 or data is None:
                continue
            values = data.view(np.int8).astype(np.int16)
            kernels = groups.setdefault((*tensor.shape, tensor.quantization.quantizedDimension), {})
            if tensor.buffer not in taken:
                shares = {
                    buffer: steps.mean()
                    for buffer, other in kernels.items()
                    if (steps := np.abs(values - other)).max() <= 1
                    and (not steps.any() or buffer not in taken.values())
                }
                nearest = min(shares, key=shares.__getitem__, default=tensor.buffer)
                if shares.get(nearest, 1) > _TIE_SHARE:
                    nearest = tensor.buffer
                    kernels[nearest] = values
                taken[tensor.buffer] = nearest
            tensor.buffer = taken[tensor.buffer]


def _share_buffers(content: Any) -> None:
    """Lets every tensor of equal bytes point at one buffer, and drops what none points at."""
    empty, *_ = content.buffers  # buffer 0 is empty by convention: "no data"
    kept, places = [empty], {b"": 0}

    def place(index: int) -> int:
        data = content.buffers[index].data
        key = b"" if data is None else bytes(data)
        if key not in places:
            places[key] = len(kept)
            kept.append(content.buffers[index])
        return places[key]

    for graph in content.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = place(tensor.buffer)
    for entry in content.metadata:
        entry.buffer = place(entry.buffer)
    content.buffers = kept


class _SharingBuilder(flatbuffers.Builder):
    """A FlatBuffers builder that writes each vector, string and table once.

    What was just written is compared with what was written before, by its bytes where they are
    data and by what they point at where they are offsets. If it is there already, the builder goes
    back to where it stood and hands out the earlier one.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[Any, int] = {}
        self._start = 0  # where the builder stood before what is being written
        self._kind: tuple[int, int] = (0, 0)
        self._links: list[tuple[int, int]] = []

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        self._begin(elemSize, alignment)
        return super().StartVector(elemSize, numElems, alignment)

    def EndVector(self, numElems: int | None = None) -> int:  # noqa: N802, N803
        size = 4 + self.vectorNumElems * self._kind[0]
        offset = super().EndVector(numElems)
        targets = tuple(target for _, target in self._links)
        return self._shared(
            (self._kind, targets or bytes(self.Bytes[self.head : self.head + size])), offset
        )

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        self._begin(0, 0)
        self.Prep(8, 0)  # so that equal tables have equal gaps
        super().StartObject(numfields)

    def EndObject(self) -> int:  # noqa: N802
        fields = tuple(place and place - self.objectEnd for place in self.current_vtable)
        links = tuple((place - self.objectEnd, target) for place, target in self._links)
        content = bytearray(self.Bytes[self.head : len(self.Bytes) - self.objectEnd])
        for place, _ in links:
            start = len(content) - place
            content[start : start + 4] = bytes(4)
        key = (fields, links, bytes(content))
        return self._shared(key, super().EndObject())

    def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
        super().PrependUOffsetTRelative(off)
        self._links.append((self.Offset(), off))

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, _BUFFER_ALIGNMENT)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        return self.EndVector()

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: N802
        self._begin(1, 0)
        return super().CreateString(s, encoding, errors)

    def _begin(self, element_size: int, alignment: int) -> None:
        self._start, self._kind, self._links = self.Offset(), (element_size, alignment), []

    def _shared(self, key: Any, offset: int) -> int:
        earlier = self._written.setdefault(key, offset)
        if earlier != offset:
            self.head = len(self.Bytes) - self._start
        return earlier
