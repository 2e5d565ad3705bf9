"""Convolutions of int8 models: read from a file, and put into one by hand."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kit.quantization.rounded_conv import RoundedConv
from mobile_export.calibration import convolutions
from tests.mobile_export.tiny_models import OPERATORS, TinyModel

INPUT_STEP = 0.25
CODES = {
    "plain": OPERATORS.CONV_2D,
    "depthwise": OPERATORS.DEPTHWISE_CONV_2D,
    "transposed": OPERATORS.TRANSPOSE_CONV,
}


@dataclass(frozen=True)
class Placed:
    """A convolution of the file.

    Args:
        signature: whose graph it is in.
        kernel: int8, in the layout of the file.
        axis: of the kernel's output channels.
        buffer: where the file holds the kernel.
        scale: of each output channel.
        input_scale: of what it takes in.
        bias: int32, with the scale of each channel; None where there is none.
    """

    signature: str
    kernel: np.ndarray
    axis: int
    buffer: int
    scale: np.ndarray
    input_scale: float
    bias: tuple[np.ndarray, np.ndarray] | None


def read(model: bytes) -> list[Placed]:
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    found = []
    for entry in content.signatureDefs:
        tensors = content.subgraphs[entry.subgraphIndex].tensors
        for operator in convolutions(content, entry.subgraphIndex, transposed=True):
            code = content.operatorCodes[operator.opcodeIndex].builtinCode
            is_transposed = code == OPERATORS.TRANSPOSE_CONV
            taken = tensors[operator.inputs[2 if is_transposed else 0]]
            kernel = tensors[operator.inputs[1]]
            place = 3 if is_transposed else 2
            bias = None
            if len(operator.inputs) > place and operator.inputs[place] >= 0:
                tensor = tensors[operator.inputs[place]]
                values = content.buffers[tensor.buffer].data.view(np.int32)
                bias = (values, tensor.quantization.scale)
            values = content.buffers[kernel.buffer].data.view(np.int8).reshape(kernel.shape)
            found.append(
                Placed(
                    entry.signatureKey.decode(),
                    values,
                    kernel.quantization.quantizedDimension,
                    kernel.buffer,
                    kernel.quantization.scale,
                    float(taken.quantization.scale[0]),
                    bias,
                )
            )
    return found


def laid_out(layer: RoundedConv) -> np.ndarray:
    """The integers of a layer, laid out as in a file."""
    integers = layer.integers()
    assert integers is not None
    is_transposed = isinstance(layer.conv, keras.layers.Conv2DTranspose)
    return integers.transpose((2, 0, 1, 3) if is_transposed else (3, 0, 1, 2))


def signs(item: Placed, integers: np.ndarray) -> np.ndarray | None:
    """1 or -1 for each channel if the file holds these integers, else None."""
    if integers.shape != item.kernel.shape:
        return None
    values, integers = (
        np.moveaxis(x.astype(int), item.axis, 0).reshape(x.shape[item.axis], -1)
        for x in (item.kernel, integers)
    )
    same, turned = ((values == sign * integers).all(1) for sign in (1, -1))
    return np.where(same, 1, -1) if (same | turned).all() else None


class Convolutions:
    """A model of convolutions of one input, in one signature or several."""

    def __init__(self) -> None:
        self.model = TinyModel()
        self.graphs: dict[str, tuple[Any, int]] = {}

    def add(
        self,
        kernel: np.ndarray,
        steps: np.ndarray,
        *,
        kind: str = "plain",
        bias: np.ndarray | None = None,
        signature: str = "any",
    ) -> None:
        """A convolution whose kernel has these steps; `bias` in units, not in steps."""
        if signature not in self.graphs:
            graph = self.model.signature(signature)
            self.graphs[signature] = graph, graph.input("x", (1, 8, 8, 6), table=(INPUT_STEP, 0))
        graph, x = self.graphs[signature]
        axis = 3 if kind == "depthwise" else 0
        weights = graph.steps(kernel, steps, axis=axis)
        inputs = [x, weights]
        if kind == "transposed":
            inputs = [graph.integers([1, 8, 8, 4]), weights, x]
        if bias is not None:
            products = INPUT_STEP * steps
            values = np.round(bias / products).astype(np.int32)
            inputs.append(graph.steps(values, products))
        output = graph.tensor((1, 8, 8, 4))
        graph.apply(CODES[kind], *inputs, outputs=[output])

    def packed(self) -> bytes:
        return self.model.packed()
