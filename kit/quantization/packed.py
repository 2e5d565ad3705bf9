"""Networks in files of as many bits as they have."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kit.errors import InputError
from kit.files import replacing
from kit.quantization.fake_quant import FakeQuant
from kit.quantization.fake_quant_conv import FakeQuantConv

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

_MAGIC = b"TIERBITS"
_VERSION = 1
_LENGTH = struct.Struct("<II")  # version, bytes of the header
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class PackedSize:
    """Bytes of a packed network beside those that it would have otherwise.

    Args:
        packed: Of the file.
        float32: Of all its weights in float32.
        int8: Of its kernels in 8 bits, with what else the file holds; `None` where they are float32
            in the file too.
    """

    packed: int
    float32: int
    int8: int | None


def pack(network: AdaptiveNetwork, path: str | Path) -> PackedSize:
    """Write a network into one file, each kernel in its bits.

    Kernels of a network quantized with the policy `qat` are integers of their width, one behind
    the other without a gap, and a float32 step for each output channel; all else, and every weight
    of another network, is float32. The file appears whole or not at all.

    Args:
        network: A network of the kit; its training state is not kept.
        path: Of the file; missing folders are made.

    Raises:
        OSError: the file cannot be written.
    """
    kernels = _convolutions(network)
    entries: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    wide = 0  # bytes that kernels would have more in 8 bits
    for variable in network.weights:
        made = kernels.get(id(variable))
        if made is None:
            values = np.asarray(ops.convert_to_numpy(variable), np.float32)
            entries.append({"shape": values.shape})
            blobs.append(values.astype("<f4").tobytes())
            continue
        codes, step, bits = made.codes()
        entries.append({"shape": codes.shape, "bits": bits, "steps": step.shape})
        blobs += [packed_bits(codes, bits), step.astype("<f4").tobytes()]
        wide += codes.size - len(blobs[-2])
    content = {
        "family": keras.saving.get_registered_name(type(network)),
        "config": keras.saving.serialize_keras_object(network.get_config()),
        "weights": entries,
    }
    header = zlib.compress(json.dumps(content).encode(), 9)
    data = b"".join([_MAGIC, _LENGTH.pack(_VERSION, len(header)), header, *blobs])
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        partial.write_bytes(data)
    total = sum(int(np.prod(variable.shape)) for variable in network.weights)
    return PackedSize(len(data), _FLOAT_BYTES * total, len(data) + wide if kernels else None)


def unpack(path: str | Path) -> AdaptiveNetwork:
    """Read a network that `pack` has written.

    Its kernels are what the integers stand for. To train on, go on from the network that was
    packed: what its kernels were before they were rounded is lost.

    Args:
        path: Of the file.

    Raises:
        InputError: if there is no such file, or it is another or damaged.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"`path` must be a packed network; found none at {source}")
    data = source.read_bytes()
    try:
        return _read(data)
    except (ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
        raise InputError(
            f"`path` must be a whole packed network of version {_VERSION}; received {source}: "
            f"{error}"
        ) from error


def _read(data: bytes) -> AdaptiveNetwork:
    start = len(_MAGIC)
    if data[:start] != _MAGIC:
        raise ValueError(f"it begins with {data[:start]!r}")
    version, length = _LENGTH.unpack_from(data, start)
    if version != _VERSION:
        raise ValueError(f"it is of version {version}")
    start += _LENGTH.size
    content = json.loads(zlib.decompress(data[start : start + length]))
    start += length
    family = keras.saving.get_registered_object(content["family"])
    network = family.from_config(keras.saving.deserialize_keras_object(content["config"]))
    kernels = _convolutions(network)

    def take(size: int) -> bytes:
        nonlocal start
        start += size
        if start > len(data):
            raise ValueError("it ends too early")
        return data[start - size : start]

    def floats(shape: list[int]) -> np.ndarray:
        count = int(np.prod(shape))
        return np.frombuffer(take(_FLOAT_BYTES * count), "<f4").reshape(shape)

    for variable, entry in zip(network.weights, content["weights"], strict=True):
        shape = entry["shape"]
        if "bits" not in entry:
            variable.assign(floats(shape))
            continue
        count, bits = int(np.prod(shape)), entry["bits"]
        codes = unpacked_bits(take(-(-count * bits // 8)), count, bits).reshape(shape)
        kernels[id(variable)].take_codes(codes, floats(entry["steps"]))
    if start != len(data):
        raise ValueError(f"{len(data) - start} bytes follow it")
    return network


def packed_bits(codes: np.ndarray, bits: int) -> bytes:
    """Whole numbers as a stream of bits, the highest of each first.

    Args:
        codes: -(2^(bits - 1) - 1) to 2^(bits - 1) - 1; of one bit, -1 and 1.
        bits: 1–8.
    """
    shifted = codes > 0 if bits == 1 else codes.astype(int) + 2 ** (bits - 1)
    values = np.asarray(shifted, np.uint8).reshape(-1, 1)
    return np.packbits(np.unpackbits(values, axis=1)[:, 8 - bits :]).tobytes()


def unpacked_bits(data: bytes, count: int, bits: int) -> np.ndarray:
    """The `count` whole numbers, float32, that `packed_bits` has written."""
    stream = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits).reshape(count, bits)
    wide = np.zeros((count, 8), np.uint8)
    wide[:, 8 - bits :] = stream
    values = np.packbits(wide, axis=1)[:, 0].astype(np.float32)
    return 2 * values - 1 if bits == 1 else values - 2 ** (bits - 1)


def _convolutions(network: AdaptiveNetwork) -> dict[int, FakeQuantConv]:
    """The convolutions of few bits, by the `id` of their kernel.

    Not those whose kernel is computed of what others use too (`CSCBlock`).
    """
    if not isinstance(network.arithmetic, FakeQuant):
        return {}
    return {
        id(made.conv.kernel): made
        for made in network.arithmetic.convolutions
        if isinstance(made.conv.kernel, keras.Variable)
    }
