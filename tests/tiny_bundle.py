"""A bundle of a few kilobytes in CONTRACT form, made without Keras, to test runtime and app with.

Its four classes are colours: each pixel gets the class of the nearest colour. Lighter tiers and
earlier exits look at a coarser image, so that their masks differ near edges, and a picture of fine
stripes is clear to the later exits alone. `heavy` has two early exits, and three stages that chain.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HEIGHT, WIDTH = 48, 64
PLAIN_TIERS = ("light", "light_24x32", "medium", "heavy")
TIERS = ("light", "light_24x32", "medium", "heavy_exit1", "heavy_exit2", "heavy")
EXITS = ("heavy_exit1", "heavy_exit2", "heavy")
STAGES = ("heavy_stage1", "heavy_stage2", "heavy_stage3")
THRESHOLDS = {"heavy_exit1": 0.7, "heavy_exit2": 0.8}
COLORS = ((230, 60, 60), (60, 200, 60), (60, 60, 230), (225, 225, 225))
NAMES = ("brick", "grass", "water", "snow")
MIOU = {
    "light": 0.51,
    "light_24x32": 0.48,
    "medium": 0.62,
    "heavy_exit1": 0.55,
    "heavy_exit2": 0.67,
    "heavy": 0.71,
}


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture of four coloured quarters, uint8 `(height, width, 3)`: classes 0 1 / 2 3."""
    image = np.empty((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    image[:middle, :centre], image[:middle, centre:] = COLORS[0], COLORS[1]
    image[middle:, :centre], image[middle:, centre:] = COLORS[2], COLORS[3]
    return image


def stripes(pixels: int) -> np.ndarray:
    """Upright red and blue stripes, each `pixels` wide, uint8 `(HEIGHT, WIDTH, 3)`.

    4 pixels: the first exit of `heavy` sees mud, the second stripes. 1 pixel: the last alone does.
    """
    colors = np.array([COLORS[0], COLORS[2]], np.uint8)
    return np.tile(colors[np.arange(WIDTH) // pixels % 2], (HEIGHT, 1, 1))


def clear_from(tier: str) -> np.ndarray:
    """A picture that this exit of `heavy` and deeper ones are sure of, and no shallower one."""
    return {"heavy_exit1": scene(), "heavy_exit2": stripes(4), "heavy": stripes(1)}[tier]


def expected_mask(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The right mask of `scene`, uint8 `(height, width)`."""
    rows = np.arange(height)[:, None] >= height // 2
    columns = np.arange(width)[None] >= width // 2
    return (2 * rows + columns).astype(np.uint8)


def tiny_metadata(model: bytes) -> dict[str, Any]:
    """What the bundle says of itself, as CONTRACT section 1 asks."""
    labels = [
        {"id": k, "name": name, "color": list(color)}
        for k, (name, color) in enumerate(zip(NAMES, COLORS, strict=True))
    ]
    return {
        "name": "tiny",
        "version": "1",
        "sha256": hashlib.sha256(model).hexdigest(),
        "labels": labels,
        "image": {"height": HEIGHT, "width": WIDTH, "order": "RGB", "range": [0, 255]},
        "tiers": [_tier(name, place) for place, name in enumerate(TIERS)],
        "default_tier": "heavy",
    }


def plain_metadata(model: bytes) -> dict[str, Any]:
    """The metadata of a bundle that offers no early exit."""
    metadata = tiny_metadata(model)
    tiers = [{**_tier(name, place), "stages": []} for place, name in enumerate(PLAIN_TIERS)]
    return {**metadata, "tiers": tiers}


def _tier(name: str, place: int) -> dict[str, Any]:
    depth = EXITS.index(name) + 1 if name in EXITS else 0
    fitted = {"image": THRESHOLDS[name]} if name in THRESHOLDS else {}
    return {
        "name": name,
        "signature": name,
        "stages": list(STAGES[:depth]),
        "configuration": name.partition("_")[0],
        "exit": depth if name in THRESHOLDS else None,
        "input_size": [24, 32] if name.endswith("24x32") else [HEIGHT, WIDTH],
        "parameters": 1000 * (place + 1),
        "macs": 5_000_000 * (place + 1),
        "miou": MIOU[name],
        "thresholds": {"pixel": 0.6, **fitted},
    }


def packed(model: bytes, metadata: Any) -> bytes:
    """The model with its metadata as a zip at the end."""
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
    return stream.getvalue()


def tiny_model(folder: Path) -> bytes:
    """The int8 `.tflite`: a signature per tier and stage. Takes seconds."""
    import tensorflow as tf

    functions = _functions()
    module = tf.Module()
    module.functions = list(functions.values())
    tf.saved_model.save(module, str(folder), signatures=functions)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=list(functions)
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter.representative_dataset = lambda: _calibration(functions)
    return converter.convert()


def _functions() -> dict[str, Any]:
    import tensorflow as tf

    colors = np.asarray(COLORS, np.float32) / 255
    kernel, bias = (2 * colors.T).reshape(1, 1, 3, len(COLORS)), -(colors**2).sum(1)
    blur = np.zeros((3, 3, 3, 3), np.float32)
    blur[:, :, range(3), range(3)] = 0.02
    blur[1, 1, range(3), range(3)] = 0.84

    def pooled(image: Any, stride: int) -> Any:
        image = tf.quantization.fake_quant_with_min_max_args(image, 0, 255) / 255
        return pool(image, stride) if stride > 1 else image

    def pool(features: Any, stride: int) -> Any:
        return tf.nn.avg_pool2d(features, stride, stride, "SAME")

    def pinned(state: Any) -> Any:
        """One scale on either side of a hand-over, whatever each side's calibration sees."""
        return tf.quantization.fake_quant_with_min_max_args(state, 0, 1)

    def head(features: Any) -> dict[str, Any]:
        logits = tf.nn.bias_add(tf.nn.conv2d(features, kernel, 1, "SAME"), bias)
        logits = tf.image.resize(logits, (HEIGHT, WIDTH))
        sure = tf.cast(tf.reduce_max(tf.nn.softmax(8 * logits), -1) >= 0.6, tf.float32)
        confidence = tf.quantization.fake_quant_with_min_max_args(
            tf.reduce_mean(sure, [1, 2]), 0, 1
        )
        mask = tf.cast(tf.argmax(logits, -1, output_type=tf.int32), tf.uint8)
        return {"mask": mask, "confidence": confidence}

    def stage1(image: Any) -> dict[str, Any]:
        features = pooled(image, 1)
        coarse = pinned(pool(features, 4))
        states = {"state_1": coarse, "state_2": pinned(tf.nn.conv2d(features, blur, 1, "SAME"))}
        return {**head(pool(coarse, 2)), **states}

    def stage2(state_1: Any, state_2: Any) -> dict[str, Any]:
        coarse, fine = pinned(state_1), pinned(state_2)
        size = (HEIGHT // 2, WIDTH // 2)
        features = (tf.image.resize(coarse, size, "nearest") + 3 * pool(fine, 2)) / 4
        return {**head(features), "state_3": pinned(tf.nn.conv2d(fine, blur, 1, "SAME"))}

    def stage3(state_3: Any) -> dict[str, Any]:
        return head(tf.nn.conv2d(pinned(state_3), blur, 1, "SAME"))

    def chained(*stages: Any) -> Any:
        """The stages in one graph."""

        def call(image: Any) -> dict[str, Any]:
            outputs = {"image": image}
            for stage in stages:
                states = {k: v for k, v in outputs.items() if k not in ("mask", "confidence")}
                outputs = stage(**states)
            return {name: outputs[name] for name in ("mask", "confidence")}

        return call

    def concrete(function: Any, **shapes: tuple[int, ...]) -> Any:
        specifications = [tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()]
        return tf.function(function, input_signature=specifications).get_concrete_function()

    native = (1, HEIGHT, WIDTH, 3)
    return {
        "light": concrete(lambda image: head(pooled(image, 8)), image=native),
        "medium": concrete(lambda image: head(pooled(image, 2)), image=native),
        "heavy": concrete(chained(stage1, stage2, stage3), image=native),
        "light_24x32": concrete(lambda image: head(pooled(image, 8)), image=(1, 24, 32, 3)),
        "heavy_exit1": concrete(chained(stage1), image=native),
        "heavy_exit2": concrete(chained(stage1, stage2), image=native),
        "heavy_stage1": concrete(stage1, image=native),
        "heavy_stage2": concrete(stage2, state_1=(1, HEIGHT // 4, WIDTH // 4, 3), state_2=native),
        "heavy_stage3": concrete(stage3, state_3=native),
    }


def _calibration(functions: dict[str, Any]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Pictures for every signature; for a stage, what the stage before makes of them."""
    import tensorflow as tf

    dark = np.zeros_like(scene())
    for image in (scene(), scene()[::-1], dark, dark + 255, stripes(1), stripes(4)):
        states: dict[str, Any] = {}
        for key, function in functions.items():
            specifications = function.structured_input_signature[0]
            if specifications[0].name == "image":
                step = HEIGHT // specifications[0].shape[1]
                given = {"image": image[None, ::step, ::step].astype(np.float32)}
            else:
                given = {item.name: states[item.name] for item in specifications}
            yield key, given
            if "_stage" in key:
                states |= function(**{k: tf.constant(v) for k, v in given.items()})
