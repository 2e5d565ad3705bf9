"""Mask and confidence in LiteRT's operators are those of the Keras layers, in integers too."""

import functools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import kit
from kit.layers import ClassMask, Confidence
from mobile_export.converter import convert_float32, convert_int8
from mobile_export.inspection import Inspection
from mobile_export.lowering import lowered_confidence, lowered_mask
from mobile_export.runtime import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.signatures import FrozenTier

NAME = "policy"
SIZE = (44, 60)
HIGHEST = 12.0
"""The logits are the image's three bytes, from 0 to this."""

POLICIES = [("top1", False), ("top1", True), ("entropy", False), ("entropy", True)]
GRIDS = [*((*policy, 1) for policy in POLICIES), ("top1", True, 2), ("entropy", True, 3)]
"""Measure, edge-awareness and step; 3 does not divide the height, so that another operator cuts."""


def frozen(layer: Confidence, *, quantized: bool) -> FrozenTier:
    """A tier whose logits are its image."""

    def run(image: Any) -> dict[str, Any]:
        if quantized:
            image = tf.quantization.fake_quant_with_min_max_args(image, 0, 255)
        logits = image * (HIGHEST / 255)
        confidence = lowered_confidence(logits, layer, quantized=quantized)
        if quantized:
            confidence = tf.quantization.fake_quant_with_min_max_args(confidence, 0, 1)
        return {"confidence": confidence}

    specification = tf.TensorSpec((1, *SIZE, 3), tf.float32, name="image")
    function = tf.function(run, input_signature=[specification]).get_concrete_function()
    return FrozenTier(kit.Tier(NAME), SIZE, function)


@functools.cache
def int8(measure: str, edge_aware: bool, step: int, threshold: float = 0.6) -> bytes:
    """The policy in integers, calibrated on images without a sure pixel and without an edge."""
    layer = Confidence(threshold, step, measure, edge_aware)
    plain = [np.full((*SIZE, 3), value, np.uint8) for value in (0, 255)]
    return convert_int8([frozen(layer, quantized=True)], plain, threads=1)


@functools.cache
def interpreter(model: bytes) -> Interpreter:
    return Interpreter(model)


def of_model(model: bytes, image: np.ndarray) -> float:
    outputs, _ = interpreter(model).run(NAME, {"image": image[None]})
    return float(outputs["confidence"][0]) / 255


def of_layer(image: np.ndarray, layer: Confidence) -> float:
    logits = image[None].astype("float32") * (HIGHEST / 255)
    return float(keras.ops.convert_to_numpy(layer(logits))[0])


def clear_cut(seed: int) -> np.ndarray:
    """Random classes, each pixel clearly sure or clearly unsure by either measure."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 3, [side // 4 for side in SIZE]).repeat(4, 0).repeat(4, 1)
    classes = np.where(generator.random(SIZE) < 0.05, generator.integers(0, 3, SIZE), classes)
    unsure = generator.random(SIZE) < (0.5 if seed % 2 else 0.3)
    return (np.eye(3)[classes] * np.where(unsure, 20, 255)[..., None]).astype(np.uint8)


def smooth(seed: int) -> np.ndarray:
    """Random bytes that change from pixel to pixel as a network's logits do."""
    coarse = np.random.default_rng(seed).normal(128, 50, (8, 11, 3))
    return tf.image.resize(coarse, SIZE, "bicubic").numpy().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("classes", [3, 255])
def test_a_mask_repeats_ids_exactly(scale: int, classes: int) -> None:
    ids = np.random.default_rng(0).integers(0, classes, (1, 4, 6))
    ids[0, 0, :2] = 0, classes - 1
    logits = tf.one_hot(ids, classes)
    mask = lowered_mask(logits, ClassMask(scale)).numpy()
    np.testing.assert_array_equal(mask, ids.repeat(scale, 1).repeat(scale, 2))
    np.testing.assert_array_equal(mask, ClassMask(scale)(logits))
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(("measure", "edge_aware"), POLICIES)
@pytest.mark.parametrize(("shape", "step"), [((9, 14, 5), 1), ((12, 16, 2), 2), ((11, 16, 40), 3)])
def test_the_operators_are_the_layer(
    measure: str, edge_aware: bool, shape: tuple[int, ...], step: int
) -> None:
    logits = np.random.default_rng(4).normal(0, 2, (1, *shape)).astype("float32")
    for threshold in (0.2, 0.5, 0.9):
        layer = Confidence(threshold, step, measure, edge_aware)
        given = lowered_confidence(logits, layer, quantized=False).numpy()
        np.testing.assert_allclose(given, layer(logits), atol=1e-6)


@pytest.mark.parametrize(("measure", "edge_aware", "step"), GRIDS)
def test_integers_decide_clear_cases_exactly(measure: str, edge_aware: bool, step: int) -> None:
    layer = Confidence(0.6, step, measure, edge_aware)
    model, found = int8(measure, edge_aware, step), []
    for seed in range(6):
        image = clear_cut(seed)
        found.append(of_layer(image, layer))
        assert of_model(model, image) == pytest.approx(found[-1], abs=0.51 / 255)
    assert max(found) - min(found) > 0.1


@pytest.mark.parametrize(("measure", "edge_aware", "step"), GRIDS)
def test_integers_follow_the_layer(measure: str, edge_aware: bool, step: int) -> None:
    layer = Confidence(0.6, step, measure, edge_aware)
    model = int8(measure, edge_aware, step)
    errors = [of_model(model, image) - of_layer(image, layer) for image in map(smooth, range(1, 7))]
    # Some pixels lie within rounding of the threshold, and a window's majority with them; of every
    # third pixel there are but 300.
    np.testing.assert_allclose(errors, 0, atol=1 / 255 + (0.006 if step < 3 else 0.01))
    assert abs(np.mean(errors)) < 0.005


@pytest.mark.parametrize("threshold", [0.35, 0.9, 0.97])
def test_entropy_follows_the_layer_at_any_threshold(threshold: float) -> None:
    layer, model = Confidence(threshold, measure="entropy"), int8("entropy", False, 1, threshold)
    for seed in range(6):
        image = smooth(seed)
        assert of_model(model, image) == pytest.approx(of_layer(image, layer), abs=1 / 255 + 0.006)


@pytest.mark.parametrize(("measure", "edge_aware", "step"), GRIDS)
def test_no_operator_works_in_float(measure: str, edge_aware: bool, step: int) -> None:
    inspection = Inspection(int8(measure, edge_aware, step))
    assert inspection.float_operators(NAME) == []
    assert inspection.foreign_operators(NAME) == []
    assert inspection.dynamic_tensors(NAME) == inspection.wrong_scales(NAME) == 0


def test_a_grid_is_cut_by_the_fast_operator() -> None:
    names = [operator.name for operator in Inspection(int8("top1", True, 2)).operators(NAME)]
    assert names[:5].count("SLICE") == 1
    assert "STRIDED_SLICE" not in names[:5]


@pytest.mark.parametrize(("measure", "edge_aware"), POLICIES)
def test_a_float_model_is_not_quantized(measure: str, edge_aware: bool) -> None:
    layer = Confidence(0.6, 2, measure, edge_aware)
    model = convert_float32([frozen(layer, quantized=False)])
    names = {operator.name for operator in Inspection(model).operators(NAME)}
    assert not names & {"QUANTIZE", "DEQUANTIZE", "FAKE_QUANT"}
    image = smooth(3)
    outputs, _ = Interpreter(model).run(NAME, {"image": image[None].astype("float32")})
    assert float(outputs["confidence"][0]) == pytest.approx(of_layer(image, layer), abs=1e-6)


def test_several_thresholds_are_refused() -> None:
    with pytest.raises(TiersegError, match="`layer` must have one threshold to be exported; got 2"):
        lowered_confidence(tf.zeros((1, 4, 4, 3)), Confidence((0.3, 0.6)))
