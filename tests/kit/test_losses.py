"""Losses against NumPy, in float64 and without a line of theirs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kit.errors import InputError
from kit.losses import CrossEntropyDice, MultiLevelLoss, SegmentationCrossEntropy, SoftDice

SHAPE, CLASSES = (2, 5, 6), 4
WEIGHTS = [0.5, 2.0, 0.0, 3.0]


def batch(case: str = "void") -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits; `case` says what is special about the labels."""
    rng = np.random.default_rng(11)
    logits = rng.normal(0, 3, (*SHAPE, CLASSES)).astype("float32")
    labels = rng.integers(0, CLASSES, SHAPE).astype("int32")
    if case == "absent":
        labels[labels == 1] = 3
    if case in ("void", "absent"):
        labels[rng.random(SHAPE) < 0.3] = 255
    if case == "all void":
        labels[:] = 255
    if case == "one pixel":
        labels[:] = 255
        labels[1, 2, 3] = 1
    return labels, logits


def pixels(labels: np.ndarray, logits: np.ndarray, void: int) -> list[tuple[int, np.ndarray]]:
    """Class and softmax probabilities of every pixel that counts."""
    found = []
    for place in np.ndindex(labels.shape):
        if labels[place] != void:
            powers = np.exp(logits[place].astype(np.float64) - logits[place].max())
            found.append((int(labels[place]), powers / powers.sum()))
    return found


def cross_entropy(
    labels: np.ndarray, logits: np.ndarray, weights: list[float] | None = None, void: int = 255
) -> float:
    weights = [1.0] * logits.shape[-1] if weights is None else weights
    total = sum(weights[c] * -np.log(p[c]) for c, p in pixels(labels, logits, void))
    norm = sum(weights[c] for c, _ in pixels(labels, logits, void))
    return total / norm if norm else 0.0


def dice(labels: np.ndarray, logits: np.ndarray, void: int = 255) -> float:
    counted = pixels(labels, logits, void)
    losses = []
    for number in sorted({c for c, _ in counted}):
        overlap = sum(p[number] for c, p in counted if c == number)
        sums = sum(p[number] + (c == number) for c, p in counted)
        losses.append(1 - 2 * overlap / sums)
    return float(np.mean(losses)) if losses else 0.0


# how a loss is made, and what it must be
Reference = Callable[[np.ndarray, np.ndarray], float]
LOSSES: dict[str, tuple[keras.losses.Loss, Reference]] = {
    "cross-entropy": (SegmentationCrossEntropy(), cross_entropy),
    "weighted": (
        SegmentationCrossEntropy(class_weights=WEIGHTS),
        lambda y, x: cross_entropy(y, x, WEIGHTS),
    ),
    "void is 2": (
        SegmentationCrossEntropy(ignore_class=2),
        lambda y, x: cross_entropy(np.where(y == 255, 2, y), x, void=2),
    ),
    "dice": (SoftDice(), dice),
    "sum": (CrossEntropyDice(), lambda y, x: cross_entropy(y, x) + dice(y, x)),
    "weighted sum": (
        CrossEntropyDice(0.3, WEIGHTS),
        lambda y, x: cross_entropy(y, x, WEIGHTS) + 0.3 * dice(y, x),
    ),
    "sum without dice": (CrossEntropyDice(0.0), cross_entropy),
    "one level": (MultiLevelLoss(), cross_entropy),
}


def labels_for(name: str, labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 255, 2, labels) if name == "void is 2" else labels


def value_and_gradient(
    loss: keras.losses.Loss, labels: np.ndarray, logits: np.ndarray
) -> tuple[float, np.ndarray]:
    if keras.backend.backend() == "jax":
        import jax

        value, gradient = jax.value_and_grad(lambda x: loss(labels, x))(logits)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            variable = tf.convert_to_tensor(logits)
            tape.watch(variable)
            value = loss(labels, variable)
        gradient = tape.gradient(value, variable)
    return float(value), np.asarray(gradient)


@pytest.mark.parametrize("case", ["plain", "void", "absent", "one pixel", "all void"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_value_is_that_of_the_definition(name: str, case: str) -> None:
    loss, reference = LOSSES[name]
    labels, logits = batch(case)
    value = loss(labels_for(name, labels), logits)
    assert value.shape == ()
    assert float(value) == pytest.approx(reference(labels, logits), rel=2e-5, abs=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_void_gives_0_and_no_gradient(name: str) -> None:
    labels, logits = batch("all void")
    value, gradient = value_and_gradient(LOSSES[name][0], labels_for(name, labels), logits)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("case", ["void", "absent"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_the_slope_of_the_definition(name: str, case: str) -> None:
    loss, reference = LOSSES[name]
    labels, logits = batch(case)
    _, gradient = value_and_gradient(loss, labels_for(name, labels), logits)
    void = (labels == 255) if name != "void is 2" else (labels == 255) | (labels == 2)
    np.testing.assert_array_equal(gradient[void], 0.0)
    direction = np.random.default_rng(3).normal(0, 1, logits.shape)
    step = 1e-4
    ahead, behind = (reference(labels, logits + s * step * direction) for s in (1, -1))
    slope = (ahead - behind) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_what_void_pixels_are_taken_for_does_not_matter(name: str) -> None:
    loss = LOSSES[name][0]
    labels, logits = batch("void")
    changed = np.where((labels == 255)[..., None], np.float32(50), logits) * [1, 1, 1, -1]
    changed = np.where((labels == 255)[..., None], changed, logits).astype("float32")
    labels = labels_for(name, labels)
    assert (changed != logits).any()
    assert float(loss(labels, logits)) == pytest.approx(float(loss(labels, changed)), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [60.0, 5000.0])
def test_large_logits_stay_finite(name: str, size: float) -> None:
    labels, logits = batch()
    logits = np.sign(logits) * np.float32(size)
    value, gradient = value_and_gradient(LOSSES[name][0], labels_for(name, labels), logits)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert value > 0


@pytest.mark.parametrize("name", LOSSES)
def test_an_image_of_weight_3_counts_as_three_images(name: str) -> None:
    loss, reference = LOSSES[name]
    labels, logits = batch()
    # as many pixels of each class in both images, so that what a loss divides by is known
    labels[1] = np.random.default_rng(5).permuted(labels[0])
    labels = labels_for(name, labels)
    value = loss(labels, logits, np.reshape([1.0, 3.0], (2, 1, 1)))
    several = [0, 1, 1, 1]
    expected = reference(labels[several], logits[several]) * 2
    assert value.shape == ()
    assert float(value) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_scale_a_loss_but_not_what_it_divides_by(name: str) -> None:
    loss, _ = LOSSES[name]
    labels, logits = batch("void")
    labels = labels_for(name, labels)
    plain = float(loss(labels, logits))
    assert float(loss(labels, logits, np.ones(2))) == pytest.approx(plain, rel=1e-6)
    assert float(loss(labels, logits, np.full(2, 2.5))) == pytest.approx(2.5 * plain, rel=1e-6)
    assert float(loss(labels, logits, np.zeros(2))) == 0.0
    if "dice" not in name and "sum" not in name:
        each = [float(loss(labels, logits, weights)) for weights in np.eye(2)]
        assert sum(each) == pytest.approx(plain, rel=1e-6)
        assert each[0] != pytest.approx(each[1], rel=1e-3)


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((2, 5, 6)), np.ones((2, 1, 2))])
@pytest.mark.parametrize("name", ["sum", "one level"])
def test_weights_that_are_not_of_images_are_refused(name: str, weights: np.ndarray) -> None:
    with pytest.raises(InputError, match="`sample_weight` must hold one weight for each image"):
        LOSSES[name][0](*batch(), weights)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_logits_are_summed_in_float32(name: str, kind: str) -> None:
    loss, reference = LOSSES[name]
    labels, logits = batch()
    labels, logits = np.tile(labels, (1, 40, 40)), np.tile(logits, (1, 40, 40, 1))
    half = ops.cast(logits, kind)
    value = loss(labels_for(name, labels), half)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    rounded = ops.convert_to_numpy(ops.cast(half[:, :5, :6], "float32"))
    # every pixel stands 1600 times: the definition of the small batch holds
    assert float(value) == pytest.approx(reference(labels[:, :5, :6], rounded), rel=1e-4)


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64", "float32"])
@pytest.mark.parametrize("name", LOSSES)
def test_labels_may_be_of_any_type(name: str, kind: str) -> None:
    loss, _ = LOSSES[name]
    labels, logits = batch()
    labels = labels_for(name, labels)
    assert float(loss(labels.astype(kind), logits)) == float(loss(labels, logits))


@pytest.mark.parametrize("name", LOSSES)
def test_a_saved_loss_is_the_same(name: str) -> None:
    loss = LOSSES[name][0]
    labels, logits = batch()
    labels = labels_for(name, labels)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(labels, logits)) == float(loss(labels, logits))


@pytest.mark.parametrize("name", LOSSES)
def test_it_falls_when_a_layer_is_trained(name: str) -> None:
    keras.utils.set_random_seed(0)
    labels, _ = batch("void")
    labels = labels_for(name, labels)
    images = np.eye(CLASSES, dtype="float32")[np.where(labels == 255, 0, labels)]
    model = keras.Sequential([keras.Input((*SHAPE[1:], CLASSES)), keras.layers.Conv2D(CLASSES, 1)])
    model.compile(keras.optimizers.SGD(1.0), LOSSES[name][0], jit_compile=False)
    losses = model.fit(images, labels, epochs=15, batch_size=2, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 5, 6, 1), (2, 5)], ids=str)
def test_labels_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    _, logits = batch()
    with pytest.raises(InputError, match="`y_true` must be labels"):
        LOSSES[name][0](np.zeros(shape, "int32"), logits)


@pytest.mark.parametrize(
    "make", [SegmentationCrossEntropy, lambda weights: CrossEntropyDice(1.0, weights)]
)
def test_the_wrong_number_of_weights_is_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"`class_weights` .* expected 4, got 2"):
        make([1.0, 2.0])(*batch())


def test_a_negative_dice_weight_is_refused() -> None:
    with pytest.raises(InputError, match="`dice_weight` must be 0 or more; got -1"):
        CrossEntropyDice(-1)


# === Several levels ===


def levels_of(channels: int, sides: tuple[int, ...] = (2, 4, 8)) -> list[np.ndarray]:
    rng = np.random.default_rng(12)
    return [rng.normal(0, 2, (2, side, side, channels)).astype("float32") for side in sides]


def large_labels(channels: int, void_share: float) -> np.ndarray:
    rng = np.random.default_rng(13)
    labels = rng.integers(0, max(channels, 2), (2, 8, 8)).astype("int32")
    labels[rng.random(labels.shape) < void_share] = 255
    return labels


def multi_level(labels: np.ndarray, levels: list[np.ndarray]) -> float:
    """The definition, pixel by pixel."""
    total = 0.0
    for number, logits in enumerate(levels):
        step = labels.shape[1] // logits.shape[1]
        middle = [step // 2] if number == 0 else [(step - 1) // 2, step // 2]
        loss = counted = 0.0
        for b, row, column in np.ndindex(logits.shape[:3]):
            x = logits[b, row, column].astype(np.float64)
            x = np.array([0.0, x[0]]) if len(x) == 1 else x
            logs = x - x.max() - np.log(np.exp(x - x.max()).sum())
            for i in middle:
                for j in middle:
                    label = labels[b, row * step + i, column * step + j]
                    if label != 255:
                        loss -= logs[label] / len(middle) ** 2
                        counted += 1 / len(middle) ** 2
        total += loss / counted if counted else 0.0
    return total


@pytest.mark.parametrize("void_share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_levels_are_summed_as_defined(channels: int, void_share: float) -> None:
    labels, levels = large_labels(channels, void_share), levels_of(channels)
    value = MultiLevelLoss()(labels, levels)
    assert float(value) == pytest.approx(multi_level(labels, levels), rel=1e-5)


def test_targets_between_are_soft_and_the_coarsest_is_not() -> None:
    """A quarter of each 2x2 is foreground."""
    labels = np.zeros((1, 4, 4), "int32")
    labels[0, ::2, ::2] = 1
    x = 2.0  # the logit of every pixel
    levels = [np.full((1, side, side, 1), x, "float32") for side in (1, 2, 4)]
    foreground, background = np.log1p(np.exp(-x)), np.log1p(np.exp(x))
    quarter = 0.25 * foreground + 0.75 * background
    # The middle of 4x4 is the pixel (2, 2), which is foreground.
    expected = foreground + quarter + quarter
    assert float(MultiLevelLoss()(labels, levels)) == pytest.approx(expected, rel=1e-5)


def test_void_gives_no_class_a_share() -> None:
    """One pixel in four is known: the level above has its class, not a quarter of it."""
    labels = np.full((1, 2, 2), 255, "int32")
    labels[0, 0, 1] = 1
    x = np.float32(3)
    levels = [np.full((1, side, side, 1), x, "float32") for side in (1, 1, 2)]
    known = np.log1p(np.exp(-x))
    # The coarsest level looks at (1, 1), which is void.
    assert float(MultiLevelLoss()(labels, levels)) == pytest.approx(2 * known, rel=1e-5)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((3, 8), r"`y_pred` must be levels .* parts of \(8, 8\), got \(3, 3\)"),
        ((2, 4), r"`y_true` must be labels .* expected \(2, 4, 4\), got \(2, 8, 8\)"),
    ],
)
def test_levels_that_do_not_fit_are_refused(sides: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MultiLevelLoss()(large_labels(2, 0.0), levels_of(2, sides))
