"""Ranges are those of the float network, also where operators work in place."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from mobile_export.calibration import convolutions, record, with_ranges

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)
IMAGES = [np.random.default_rng(i).integers(40, 200, (8, 8, 3), np.uint8) for i in range(3)]


def steps(image: tf.Tensor) -> dict[str, tf.Tensor]:
    """A residual sum behind a normalisation, in its parts."""
    scaled = image * (1 / 127.5)
    normal = scaled - 1.0
    first = tf.nn.conv2d(normal, KERNEL, 1, "SAME", name="first")
    branch = tf.nn.conv2d(tf.nn.relu(first), 0.1 * KERNEL, 1, "SAME", name="branch")
    total = first + branch
    return {
        "scaled": scaled,
        "normal": normal,
        "branch": branch,
        "total": total,
        "out": tf.nn.conv2d(total, KERNEL, 1, "SAME"),
    }


def converted(folder: Path, images: dict[str, np.ndarray]) -> bytes:
    """The float model as the converter prepares it for quantization, with ranges of one image.

    It has a signature for each of the images, of their size.
    """
    module = tf.Module()
    module.functions = {}
    for name, image in images.items():
        specification = tf.TensorSpec((1, *image.shape), tf.float32, name="image")
        function = tf.function(lambda image: {"out": steps(image)["out"]}, [specification])
        module.functions[name] = function.get_concrete_function()
    tf.saved_model.save(module, str(folder), signatures=dict(module.functions))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(images))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        (name, {"image": image[None].astype(np.float32)}) for name, image in images.items()
    )
    converter._experimental_calibrate_only = True
    return converter.convert()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return converted(tmp_path_factory.mktemp("saved_model"), {"sum": IMAGES[0]})


def by_operator(model: bytes, ranges: dict) -> dict[str, list[tuple[float, float]]]:
    """Ranges of what each kind of operator gives, in the order in which they run."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    found: dict[str, list[tuple[float, float]]] = {}
    for operator in content.subgraphs[0].operators:
        name = names[content.operatorCodes[operator.opcodeIndex].builtinCode]
        if (0, operator.outputs[0]) in ranges:
            found.setdefault(name, []).append(ranges[0, operator.outputs[0]])
    return found


def test_each_range_is_that_of_the_values(prepared: bytes) -> None:
    ranges = by_operator(prepared, record(prepared, {"sum": IMAGES}, threads=1).ranges)
    values = [steps(tf.constant(image[None].astype(np.float32))) for image in IMAGES]
    for operator, place, name in (
        ("CONV_2D", 1, "branch"),
        ("ADD", -1, "total"),
        ("CONV_2D", 2, "out"),
    ):
        expected = (
            min(float(tf.reduce_min(of_image[name])) for of_image in values),
            max(float(tf.reduce_max(of_image[name])) for of_image in values),
        )
        assert ranges[operator][place] == pytest.approx(expected, rel=1e-4), name


def test_the_image_may_take_its_whole_range(prepared: bytes) -> None:
    ranges = by_operator(prepared, record(prepared, {"sum": IMAGES}, threads=1).ranges)
    assert ranges["MUL"] == [pytest.approx((0, 2))]
    shifted = (ranges.get("SUB") or ranges["ADD"])[0]
    assert shifted == pytest.approx((-1, 1))


def test_means_are_those_of_each_channel(prepared: bytes) -> None:
    statistics = record(prepared, {"sum": IMAGES}, threads=1)
    content = schema.ModelT.InitFromPackedBuf(prepared, 0)
    values = [steps(tf.constant(image[None].astype(np.float32))) for image in IMAGES]
    inputs = [int(operator.inputs[0]) for operator in convolutions(content, 0)]
    for tensor, name in ((inputs[0], "normal"), (inputs[2], "total")):
        expected = np.mean([of_image[name].numpy().mean((0, 1, 2)) for of_image in values], axis=0)
        np.testing.assert_allclose(statistics.means[0, tensor], expected, rtol=1e-4, atol=1e-5)
    assert (0, inputs[0]) in statistics.rescaled
    assert (0, inputs[2]) not in statistics.rescaled


def test_sizes_of_an_image_share_ranges_and_means(tmp_path: Path) -> None:
    small = [image[:4, :6] for image in IMAGES]
    model = converted(tmp_path, {"large": IMAGES[0], "small": small[0]})
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    places = {entry.signatureKey.decode(): entry.subgraphIndex for entry in content.signatureDefs}
    found = record(model, {"large": IMAGES, "small": small}, threads=1)
    values = [
        [steps(tf.constant(image[None].astype(np.float32)))["total"] for image in group]
        for group in (IMAGES, small)
    ]
    every = np.concatenate([v.numpy().ravel() for group in values for v in group])
    expected = np.mean(
        [[v.numpy().mean((0, 1, 2)) for v in group] for group in values], axis=(0, 1)
    )
    for graph in places.values():
        tensor = int(convolutions(content, graph)[2].inputs[0])
        assert found.ranges[graph, tensor] == pytest.approx((every.min(), every.max()), rel=1e-4)
        np.testing.assert_allclose(found.means[graph, tensor], expected, rtol=1e-4, atol=1e-5)


def test_the_ranges_reach_the_model(prepared: bytes, tmp_path: Path) -> None:
    ranges = record(prepared, {"sum": IMAGES}, threads=1).ranges
    wider = {place: (low - 1, high + 1) for place, (low, high) in ranges.items()}
    content = schema.ModelT.InitFromPackedBuf(with_ranges(prepared, wider), 0)
    for (graph, tensor), (low, high) in wider.items():
        quantization = content.subgraphs[graph].tensors[tensor].quantization
        assert (quantization.min[0], quantization.max[0]) == pytest.approx((low, high))
