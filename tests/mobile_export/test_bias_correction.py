"""Corrected int8 layers give on average what the float layers give."""

from collections.abc import Callable
from dataclasses import dataclass

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

import kit
from mobile_export import converter
from mobile_export.bias_correction import corrected
from mobile_export.calibration import Statistics, convolutions
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.signatures import FrozenTier

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(6)]
MIX = RNG.normal(size=(1, 1, 3, 64)).astype(np.float32)
DEPTH = RNG.normal(size=(3, 3, 64, 1)).astype(np.float32)
HEAD = RNG.normal(size=(1, 1, 64, 1)).astype(np.float32)  # one channel, as a depthwise kernel's


def mixed(image: tf.Tensor) -> tf.Tensor:
    """Positive features of a rescaled image."""
    return tf.nn.relu(tf.nn.conv2d(image / 127.5 - 1.0, MIX, 1, "SAME") + 4.0)


FUNCTIONS = {
    "image": lambda image: tf.nn.conv2d(image / 127.5 - 1.0, 0.3 * MIX[..., :4], 1, "SAME"),
    "depthwise": lambda image: tf.nn.depthwise_conv2d(mixed(image), DEPTH, [1] * 4, "VALID"),
    "one channel": lambda image: tf.nn.conv2d(mixed(image), HEAD, 1, "SAME"),
}


def mean_error(function: object, *, correct: bool, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Mean of int8 less float, for each channel, in steps of the output."""
    specification = tf.TensorSpec((1, 16, 16, 3), tf.float32, name="image")

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": function(tf.quantization.fake_quant_with_min_max_args(image, 0, 255))}

    frozen = tf.function(run, input_signature=[specification]).get_concrete_function()
    with monkeypatch.context() as patch:
        if not correct:
            patch.setattr(converter, "corrected", lambda model, *rest: model)
        tier = FrozenTier(kit.Tier("any"), (16, 16), frozen)
        model = converter.convert_int8([tier], IMAGES, threads=1)
    interpreter = Interpreter(model)
    details = interpreter._backend.get_signature_runner("any").get_output_details()["logits"]
    scale, zero = details["quantization"]
    errors = []
    for image in IMAGES:
        given = interpreter.run("any", {"image": image[None]})[0]["logits"].astype(np.float32)
        expected = function(tf.constant(image[None].astype(np.float32))).numpy()
        errors.append(((given - zero) - expected / scale).mean((0, 1, 2)))
    return np.mean(errors, axis=0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_mean_error_is_taken_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (
        np.abs(mean_error(FUNCTIONS[name], correct=correct, monkeypatch=monkeypatch)).mean()
        for correct in (False, True)
    )
    assert after < 0.05
    assert after < before / 3


# === Pairs ===

BESIDE = (0.3 * MIX[..., :4], 0.3 * MIX[..., 4:8])  # two kernels of one shape


@dataclass(frozen=True)
class Conversion:
    """A model before its correction, and what the correction is made of."""

    quantized: bytes
    prepared: bytes
    statistics: Statistics


@pytest.fixture(scope="module")
def beside() -> Conversion:
    """Two convolutions beside each other, behind different features."""
    found: list[Conversion] = []
    specification = tf.TensorSpec((1, 16, 16, 3), tf.float32, name="image")

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.quantization.fake_quant_with_min_max_args(image, 0, 255)
        one, other = (tf.nn.conv2d(image / 127.5 - 1.0, k, 1, "SAME") for k in BESIDE)
        return {"logits": one + other}

    def capture(quantized: bytes, prepared: bytes, statistics: Statistics) -> bytes:
        found.append(Conversion(quantized, prepared, statistics))
        return quantized

    frozen = tf.function(run, input_signature=[specification]).get_concrete_function()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converter, "corrected", capture)
        converter.convert_int8([FrozenTier(kit.Tier("any"), (16, 16), frozen)], IMAGES, threads=1)
    return found[0]


def edited(model: bytes, change: Callable[[schema.ModelT], None]) -> bytes:
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    change(content)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def swap(content: schema.ModelT) -> None:
    """Lets the second of two convolutions that do not depend on each other run first."""
    operators = content.subgraphs[0].operators
    first, second = (operators.index(item) for item in convolutions(content, 0))
    operators[first], operators[second] = operators[second], operators[first]


def biases(model: bytes) -> list[tuple[bytes, list[int]]]:
    """Kernel and bias of each convolution, in the order in which they run."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    tensors = content.subgraphs[0].tensors
    found = []
    for operator in convolutions(content, 0):
        kernel, bias = (content.buffers[tensors[i].buffer].data for i in operator.inputs[1:3])
        found.append((kernel.tobytes(), bias.view(np.int32).tolist()))
    return found


def test_convolutions_are_paired_by_their_kernels_in_any_order(beside: Conversion) -> None:
    swapped = edited(beside.quantized, swap)
    assert biases(swapped) == biases(beside.quantized)[::-1]
    kept, turned = (
        biases(corrected(model, beside.prepared, beside.statistics))
        for model in (beside.quantized, swapped)
    )
    assert turned == kept[::-1]
    assert kept[0][1] != kept[1][1]
    # The float model has them in one order: one of the two is not the quantized one's.
    assert [bias for _, bias in kept] != [bias for _, bias in biases(beside.quantized)]


def test_a_kernel_without_a_counterpart_is_an_error(beside: Conversion) -> None:
    def spoil(content: schema.ModelT) -> None:
        tensors = content.subgraphs[0].tensors
        kernel = tensors[convolutions(content, 0)[1].inputs[1]]
        values = content.buffers[kernel.buffer].data.view(np.int8).copy()
        values[0] += -2 if values[0] > 0 else 2
        content.buffers[kernel.buffer].data = values.view(np.uint8)

    with pytest.raises(RuntimeError, match="no counterpart in the float graph"):
        corrected(edited(beside.quantized, spoil), beside.prepared, beside.statistics)
