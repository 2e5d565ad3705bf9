"""Makes what one stage gives and what the next one takes the same bytes."""

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobile_export.runtime.errors import TiersegError

_ROUNDING = 1e-6  # float32 scales of one range, computed twice, differ by less


def joined(model: bytes, after: Mapping[str, str]) -> bytes:
    """An int8 model in which a state has one scale on both sides.

    A state that a stage only hands on is touched by no operator, and the quantizer leaves it in
    float; it becomes the bytes that the stage before gave.

    Args:
        model: an int8 `.tflite` with uint8 inputs and outputs.
        after: signature of each stage that takes states -> signature of the stage before it.

    Raises:
        TiersegError: the scales of a state differ by more than rounding.
    """
    if not after:
        return model
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    entries = {entry.signatureKey.decode(): entry for entry in content.signatureDefs}
    done = {name for name in after.values() if name not in after}
    while len(done) < len({*after, *after.values()}):
        for name, before in after.items():
            if name not in done and before in done:
                _join(content, name, entries[name], entries[before])
                done.add(name)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _join(content: Any, name: str, entry: Any, before: Any) -> None:
    """Gives the inputs of one stage the scales that they were written with."""
    given = {item.name: item.tensorIndex for item in before.outputs}
    for item in entry.inputs:
        source = content.subgraphs[before.subgraphIndex].tensors[given[item.name]]
        target = content.subgraphs[entry.subgraphIndex].tensors[item.tensorIndex]
        if target.type == schema.TensorType.FLOAT32:
            target.type = source.type
        elif not _alike(source.quantization, target.quantization):
            raise TiersegError(
                f"{name} must take {item.name.decode()} as it was given; its scale is "
                f"{target.quantization.scale}, that of the stage before {source.quantization.scale}"
            )
        target.quantization = source.quantization


def _alike(first: Any, second: Any) -> bool:
    """Whether two tables of scales are equal but for rounding."""
    return np.array_equal(first.zeroPoint, second.zeroPoint) and np.allclose(
        first.scale, second.scale, rtol=_ROUNDING, atol=0
    )
