"""The last layers of a tier in operators that LiteRT runs in integers, to the same result."""

import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kit.layers import ClassMask, Confidence
from kit.layers.confidence import EDGE_WIDTH, MAJORITY
from mobile_export.runtime.errors import TiersegError

_Pin = Callable[[Any, float, float], Any]

_LARGEST_GAP = 10.0
"""Logits further below the largest than this count as this far: they would add 0.0005 nats."""

_ROOM = 1.25
"""Share by which a range reaches beyond the values that decide a comparison."""


def lowered_mask(logits: Any, layer: ClassMask) -> Any:
    """`ClassMask` in operators that LiteRT has, to the same result.

    Keras's own `argmax` (which looks at the sign bit of zeros) has no LiteRT form, nor has nearest
    interpolation of integers. To 352×480 on one thread, repeating an id twice within an integer, as
    here, took 0.03 ms, by TILE 0.22 ms, by RESIZE_NEAREST_NEIGHBOR of quantized ids 3.2 ms.

    Args:
        logits: float32 `(1, height, width, classes)`, at most 255 classes.
        layer: the layer to stand in for.

    Returns:
        uint8 `(1, scale * height, scale * width)`.
    """
    mask = tf.argmax(logits, axis=-1, output_type=tf.int32)
    _, height, width = mask.shape
    scale = layer.scale
    if scale == 1:
        return tf.cast(mask, tf.uint8)
    if scale == 2:
        row = tf.bitcast(tf.cast(mask * 0x101, tf.uint16), tf.uint8)
    elif scale == 4:
        row = tf.bitcast(mask * 0x1010101, tf.uint8)
    else:
        row = tf.tile(tf.cast(mask, tf.uint8)[..., None], (1, 1, 1, scale))
    row = tf.reshape(row, (1, height, 1, scale * width))
    return tf.reshape(tf.concat([row] * scale, axis=2), (1, scale * height, scale * width))


def lowered_confidence(logits: Any, layer: Confidence, *, quantized: bool = True) -> Any:
    """`Confidence` in operators that LiteRT has, to the same result.

    For an int8 model the ranges of all that calibration images could misjudge are pinned: zeros and
    ones are exact then, whatever the images hold. The entropy takes an integer logarithm, which
    runtimes have since TensorFlow Lite 2.15; all else runs on 1.14.

    Args:
        logits: float32 `(1, height, width, classes)`.
        layer: the layer to stand in for, with one threshold.
        quantized: whether the ranges are pinned, for a conversion to integers.

    Returns:
        float32 `(1,)`, 0-1, its own range not pinned.

    Raises:
        TiersegError: the layer has several thresholds.
    """
    if len(layer.thresholds) != 1:
        raise TiersegError(
            f"`layer` must have one threshold to be exported; got {len(layer.thresholds)}"
        )
    pin = tf.quantization.fake_quant_with_min_max_args if quantized else _free
    (threshold,) = layer.thresholds
    logits = _every(layer.step, logits)
    is_sure = _by_top1 if layer.measure == "top1" else _by_entropy
    sure = _flags(is_sure(logits, threshold, pin), pin)
    if layer.edge_aware:
        votes = _over_squares(tf.nn.avg_pool2d, sure, layer.window, pin)
        majority = _flags(votes >= MAJORITY, pin)
        sure = tf.where(_near_edges(logits, pin) >= 0.5, majority, sure)
    return tf.reduce_mean(sure, axis=(1, 2))


def _free(values: Any, low: float, high: float) -> Any:
    """Leaves values as they are."""
    return values


def _flags(booleans: Any, pin: _Pin) -> Any:
    """Booleans as zeros and ones."""
    return pin(tf.cast(booleans, tf.float32), 0, 1)


def _every(step: int, logits: Any) -> Any:
    """Every `step`-th pixel in both directions.

    From 88×120 pixels of 11 classes to 44×60, SLICE took 6 µs, STRIDED_SLICE with steps 140 µs.
    """
    _, height, width, classes = logits.shape
    if step == 1:
        return logits
    if height % step or width % step:
        return logits[:, ::step, ::step]
    rows, columns = height // step, width // step
    squares = tf.reshape(logits, (rows, step, columns, step * classes))
    corners = tf.slice(squares, (0, 0, 0, 0), (rows, 1, columns, classes))
    return tf.reshape(corners, (1, rows, columns, classes))


def _by_top1(logits: Any, threshold: float, pin: _Pin) -> Any:
    """Whether the largest class probability reaches the threshold."""
    return tf.reduce_max(tf.nn.softmax(logits), axis=-1) >= threshold


def _by_entropy(logits: Any, threshold: float, pin: _Pin) -> Any:
    """Whether 1 - H / log(classes) reaches the threshold.

    With gaps g = logit - largest logit and Z = Σ exp(g), H = log Z - Σ g·exp(g) / Z, and H reaches
    no further than T if Z·(log Z - T) ≤ Σ g·exp(g). Both exponentials are squares of exp(g / 2),
    for 8 bits hold the root of a small probability but not the probability; ranges end a little
    beyond what a sure pixel can have. The plain sum of SOFTMAX times LOG_SOFTMAX, whose fixed
    scales are 1/256 and 1/16, took 153 µs instead of 85 µs (44×60 pixels of 11 classes, one thread)
    and four times the error in the share of sure pixels.
    """
    classes = logits.shape[-1]
    limit = (1 - threshold) * math.log(classes)
    largest_sum = min(classes, _ROOM * math.exp(limit))
    largest_product = _ROOM * max(limit, math.exp(limit - 1))
    gaps = pin(logits - tf.reduce_max(logits, axis=-1, keepdims=True), -_LARGEST_GAP, 0)
    roots = pin(tf.exp(pin(0.5 * gaps, -_LARGEST_GAP / 2, 0)), 0, 1)
    total = pin(tf.reduce_sum(pin(roots * roots, 0, 1), axis=-1), 0, largest_sum)
    terms = pin(roots * pin(roots * gaps, -2 / math.e, 0), -1 / math.e, 0)
    weighted = pin(tf.reduce_sum(terms, axis=-1), -largest_product, 0)
    # A sum is 1 at least, and its logarithm no less than 0.
    largest_log = math.log(largest_sum)
    excess = pin(pin(tf.math.log(total), 0, largest_log) - limit, -limit, largest_log - limit)
    # Above 0 no pixel is sure, so that there the range may be short.
    return pin(total * excess, -largest_product, largest_product / 4) <= weighted


def _near_edges(logits: Any, pin: _Pin) -> Any:
    """Above 1/2 near semantic edges, as `Confidence` has them, else 0: `(1, height, width)`.

    Ids are compared by arithmetic in 8 bits: of 44×60 pixels in 8 µs, by NOT_EQUAL in 57 µs.
    """
    labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
    labels = pin(tf.cast(labels, tf.float32), 0, 255)
    down = _unlike(labels[:, 1:], labels[:, :-1], pin)
    right = _unlike(labels[:, :, 1:], labels[:, :, :-1], pin)
    sides = (
        tf.pad(down, ((0, 0), (0, 1), (0, 0))),
        tf.pad(down, ((0, 0), (1, 0), (0, 0))),
        tf.pad(right, ((0, 0), (0, 0), (0, 1))),
        tf.pad(right, ((0, 0), (0, 0), (1, 0))),
    )
    edges = functools.reduce(tf.maximum, sides)
    return _over_squares(tf.nn.max_pool2d, edges, EDGE_WIDTH, pin)


def _unlike(ids: Any, others: Any, pin: _Pin) -> Any:
    """Near 1, or above, where whole numbers differ, else 0."""
    differences = pin(ids - others, -1, 1)
    return pin(differences * differences, 0, 1)


def _over_squares(pool: Any, maps: Any, side: int, pin: _Pin) -> Any:
    """Pools `(1, height, width)` over the squares around each pixel, cut off at the border.

    One direction at a time, the other one as channels, along which kernels are fast: the mean over
    5×5 of 44×60 pixels took 22 µs so, 175 µs as a map of one channel. What the mean of rounded
    means is off, less than 1/255, no comparison with `MAJORITY` notices.
    """
    for _ in range(2):
        _, height, width = maps.shape
        pooled = pool(tf.reshape(maps, (1, height, 1, width)), (side, 1), 1, "SAME")
        maps = tf.transpose(tf.reshape(pin(pooled, 0, 1), (1, height, width)), (0, 2, 1))
    return maps
