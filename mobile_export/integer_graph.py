"""Tensors and operators of an int8 `.tflite` as integer kernels need them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobile_export.integer_kernels import Grid

_ACTIVATIONS = schema.ActivationFunctionType
_TYPES: dict[int, Any] = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.UINT16: np.uint16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.BOOL: np.bool_,
    # Between a CAST and a QUANTIZE whole numbers are stored in float; here they stay integers.
    schema.TensorType.FLOAT32: np.int32,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Args:
        shape: its shape.
        dtype: type of the integers that stand for it.
        scales: size of a step, float32: one, one for each channel, or none.
        zero: the integer that stands for 0.
        constant: its values, None if they come from an operator or from outside.
        real: whether the file has it in float.
    """

    shape: tuple[int, ...]
    dtype: Any
    scales: np.ndarray
    zero: int
    constant: np.ndarray | None
    real: bool = False

    @classmethod
    def read(cls, content: Any, tensor: Any) -> "Tensor":
        """A tensor as the file's schema has it.

        Raises:
            ValueError: its type is not known here.
        """
        if tensor.type not in _TYPES:
            raise ValueError(f"type {tensor.type} is not known in integers")
        shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
        scales, zero, table = np.zeros(0, np.float32), 0, tensor.quantization
        if table is not None and table.scale is not None and len(table.scale):
            scales, zero = np.asarray(table.scale, np.float32), int(table.zeroPoint[0])
        data, constant = content.buffers[tensor.buffer].data, None
        if data is not None:
            constant = np.asarray(data).view(_TYPES[tensor.type]).reshape(shape)
        real = tensor.type == schema.TensorType.FLOAT32
        return cls(shape, _TYPES[tensor.type], scales, zero, constant, real)

    @property
    def scale(self) -> float:
        """Size of a step."""
        if len(self.scales) != 1:
            raise ValueError(f"one scale is expected; got {len(self.scales)}")
        return float(self.scales[0])

    def grid(self, activation: int = _ACTIVATIONS.NONE) -> Grid:
        """The integers that it may hold, behind an activation that is part of an operator."""
        info = np.iinfo(self.dtype)
        low, high = int(info.min), int(info.max)
        if activation in (_ACTIVATIONS.RELU, _ACTIVATIONS.RELU6):
            low = max(low, self.zero)
        elif activation != _ACTIVATIONS.NONE:
            raise ValueError(f"activation {activation} is not known in integers")
        if activation == _ACTIVATIONS.RELU6:
            high = min(high, self.zero + to_integer(np.float32(6) / self.scales[0]))
        return Grid(self.zero, low, high, self.dtype)


@dataclass(frozen=True)
class Node:
    """An operator of the file.

    Args:
        inputs: its input tensors; those that it may have and has not are left out.
        output: its output tensor.
        options: as the file's schema has them.
    """

    inputs: tuple[Tensor, ...]
    output: Tensor
    options: Any

    def constant(self, place: int) -> np.ndarray:
        """The values of an input that must be a constant."""
        values = self.inputs[place].constant
        if values is None:
            raise ValueError(f"input {place} must be a constant")
        return values

    def bias(self, place: int) -> np.ndarray:
        """What is added to sums of products, 0 if nothing is."""
        return self.constant(place) if place < len(self.inputs) else np.zeros((), np.int32)

    def numbers(self, place: int) -> tuple[int, ...]:
        """The values of a constant as plain numbers."""
        return tuple(map(int, self.constant(place).reshape(-1)))

    @property
    def grid(self) -> Grid:
        """The integers that it may give."""
        return self.output.grid(getattr(self.options, "fusedActivationFunction", 0))

    @property
    def quantized(self) -> bool:
        """Whether what it takes has scales, or is plain integers."""
        return bool(len(self.inputs[0].scales))


def to_integer(value: Any) -> int:
    """To the nearest integer, ties away from 0; only for what follows from scales."""
    return int(np.copysign(np.floor(np.abs(value) + value.dtype.type(0.5)), value))
