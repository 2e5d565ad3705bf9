"""Metrics against an example by hand and against NumPy."""

from typing import Any

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.losses import SegmentationCrossEntropy
from kit.metrics import (
    ConfusionMatrix,
    MeanDice,
    MeanIoU,
    boundary_band,
    median_frequency_weights,
)
from tests.kit.data.samples import MemoryDataset

# class 3 occurs nowhere, class 2 only in the predictions; the last two pixels are void
LABELS = np.array([[0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 255, 255]])
PREDICTIONS = np.array([[0, 0, 1, 1], [1, 0, 2, 0], [0, 0, 0, 1]])
COUNTS = [[5, 1, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
IOU = [5 / 8, 2 / 4, 0.0, np.nan]
DICE = [10 / 13, 4 / 6, 0.0, np.nan]


def scored(labels: np.ndarray, predictions: np.ndarray, classes: int = 4) -> ConfusionMatrix:
    matrix = ConfusionMatrix(classes)
    matrix.update(labels, predictions)
    return matrix


def test_the_example_by_hand() -> None:
    matrix = scored(LABELS, PREDICTIONS)
    np.testing.assert_array_equal(matrix.counts, COUNTS)
    scores = matrix.per_class()
    np.testing.assert_allclose(scores["iou"], IOU)
    np.testing.assert_allclose(scores["dice"], DICE)
    np.testing.assert_allclose(scores["accuracy"], [5 / 7, 2 / 3, np.nan, np.nan])
    assert matrix.mean_iou() == pytest.approx(np.mean(IOU[:3]))
    assert matrix.mean_dice() == pytest.approx(np.mean(DICE[:3]))
    assert matrix.pixel_accuracy() == pytest.approx(7 / 10)


def test_parts_add_up_to_the_whole() -> None:
    matrix = ConfusionMatrix(4)
    for row in range(3):
        matrix.update(LABELS[row], PREDICTIONS[row].astype(np.uint8))
    np.testing.assert_array_equal(matrix.counts, COUNTS)


def test_predictions_on_void_do_not_count() -> None:
    changed = np.where(LABELS == 255, 3, PREDICTIONS)
    np.testing.assert_array_equal(scored(LABELS, changed).counts, COUNTS)
    beyond = np.where(LABELS == 255, 255, PREDICTIONS)
    np.testing.assert_array_equal(scored(LABELS, beyond).counts, COUNTS)


@pytest.mark.parametrize("classes", [1, 4])
def test_nothing_counted_is_nan(classes: int) -> None:
    matrix = scored(np.full((2, 3), 255), np.zeros((2, 3), int), classes)
    scores = [matrix.mean_iou(), matrix.mean_dice(), matrix.pixel_accuracy()]
    assert np.isnan(scores).all()
    assert all(np.isnan(values).all() for values in matrix.per_class().values())


def test_another_void_id() -> None:
    matrix = ConfusionMatrix(2, ignore_class=0)
    matrix.update(np.array([0, 1, 1]), np.array([1, 1, 0]))
    np.testing.assert_array_equal(matrix.counts, [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("labels", "predictions", "reason"),
    [
        ([0, 4], [0, 0], "`labels` must hold class ids 0 to 3; got 4"),
        ([0, 0], [0, 255], "`predictions` must hold class ids 0 to 3; got 255"),
        ([0, 0], [0, -1], "`predictions` must hold class ids 0 to 3; got -1"),
        ([0, 0], [0], "`predictions` must have the shape"),
    ],
)
def test_wrong_ids_and_shapes_are_refused(
    labels: list[int], predictions: list[int], reason: str
) -> None:
    matrix = ConfusionMatrix(4)
    with pytest.raises(InputError) as error:
        matrix.update(np.array(labels), np.array(predictions))
    assert reason in str(error.value)
    assert not matrix.counts.any()


@pytest.mark.parametrize("make", [ConfusionMatrix, MeanIoU, MeanDice])
def test_no_classes_are_refused(make: Any) -> None:
    with pytest.raises(InputError, match="`num_classes` must be 1 or more; got 0"):
        make(0)


METRICS = {"mean_iou": MeanIoU, "mean_dice": MeanDice}


def logits_of(ids: np.ndarray, classes: int = 4) -> np.ndarray:
    """Noisy logits whose largest is that of `ids`."""
    noise = np.random.default_rng(1).normal(0, 1, (*ids.shape, classes))
    return (noise + 20 * np.eye(classes)[ids]).astype("float32")


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "scores"), [("mean_iou", IOU), ("mean_dice", DICE)])
def test_keras_metrics_on_the_example_by_hand(name: str, scores: list[float], kind: str) -> None:
    metric = METRICS[name](4)
    logits = keras.ops.cast(logits_of(PREDICTIONS)[None], kind)
    metric.update_state(LABELS[None], logits)
    assert float(metric.result()) == pytest.approx(np.mean(scores[:3]), rel=1e-6)
    np.testing.assert_array_equal(metric.counts, COUNTS)
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_keras_metrics_sum_over_batches(name: str) -> None:
    rng = np.random.default_rng(2)
    metric, matrix = METRICS[name](6), ConfusionMatrix(6)
    for _ in range(4):
        labels = rng.integers(0, 5, (2, 7, 9))  # class 5 is only ever predicted
        labels[rng.random(labels.shape) < 0.2] = 255
        predictions = np.where(rng.random(labels.shape) < 0.5, labels % 6, 5)
        metric.update_state(labels, logits_of(predictions, 6))
        matrix.update(labels, predictions)
    assert float(metric.result()) == pytest.approx(getattr(matrix, name)(), rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_a_batch_of_void_changes_nothing(name: str) -> None:
    metric = METRICS[name](4)
    metric.update_state(LABELS[None], logits_of(PREDICTIONS)[None])
    before = float(metric.result())
    metric.update_state(np.full_like(LABELS, 255)[None], logits_of(PREDICTIONS)[None])
    assert float(metric.result()) == before > 0


def doubled(values: np.ndarray, axis: int) -> np.ndarray:
    """Twice the size along an axis, bilinearly between the centres of pixels."""
    before = np.concatenate([values.take([0], axis), values], axis)
    after = np.concatenate([values, values.take([-1], axis)], axis)
    left = 0.75 * values + 0.25 * before.take(range(values.shape[axis]), axis)
    right = 0.75 * values + 0.25 * after.take(range(1, values.shape[axis] + 1), axis)
    shape = [*values.shape]
    shape[axis] *= 2
    return np.stack([left, right], axis + 1).reshape(shape)


@pytest.mark.parametrize("name", METRICS)
def test_smaller_logits_are_resized_bilinearly(name: str) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1, (2, 5, 6, 4)).astype("float32")
    labels = rng.integers(0, 4, (2, 10, 12))
    metric, matrix = METRICS[name](4), ConfusionMatrix(4)
    metric.update_state(labels, logits)
    matrix.update(labels, doubled(doubled(logits, 1), 2).argmax(-1))
    assert float(metric.result()) == pytest.approx(getattr(matrix, name)(), rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_of_a_model_that_is_fitted(name: str) -> None:
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(5)
    images = rng.normal(0, 1, (5, 6, 7, 3)).astype("float32")
    labels = rng.integers(0, 4, (5, 6, 7))
    labels[rng.random(labels.shape) < 0.2] = 255
    model = keras.Sequential([keras.Input((6, 7, 3)), keras.layers.Conv2D(4, 1)])
    model.compile(loss=SegmentationCrossEntropy(), metrics=[METRICS[name](4)])
    found = model.evaluate(images, labels, batch_size=2, verbose=0, return_dict=True)
    predictions = model.predict(images, verbose=0).argmax(-1)
    assert found[name] == pytest.approx(getattr(scored(labels, predictions), name)(), rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_a_saved_metric_is_the_same(name: str) -> None:
    metric = METRICS[name](4, ignore_class=3)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    assert (again.num_classes, again.ignore_class, again.name) == (4, 3, name)


@pytest.mark.parametrize("name", METRICS)
def test_wrong_arguments_of_a_keras_metric_are_refused(name: str) -> None:
    logits = logits_of(PREDICTIONS)[None]
    with pytest.raises(InputError, match="`y_pred` must hold 3 logits a pixel; got 4"):
        METRICS[name](3).update_state(LABELS[None], logits)
    with pytest.raises(InputError, match="`sample_weight` must be None"):
        METRICS[name](4).update_state(LABELS[None], logits, sample_weight=LABELS[None])


def test_median_frequency_weights_by_hand() -> None:
    dataset = MemoryDataset(3, (2, 5))
    dataset.labels[0] = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]
    dataset.labels[1] = [[0, 0, 0, 0, 1], [255, 255, 255, 255, 255]]
    dataset.labels[2] = 0
    # class 0: 22 of 30 pixels; class 1: 3 of the 20 of its two images; class 2: nowhere
    frequency = np.array([22 / 30, 3 / 20])
    weights = median_frequency_weights(dataset)
    np.testing.assert_allclose(weights, [*(np.median(frequency) / frequency), 0])


def test_median_frequency_weights_of_nothing_but_void() -> None:
    dataset = MemoryDataset(2)
    dataset.labels[:] = 255
    np.testing.assert_array_equal(median_frequency_weights(dataset), [0, 0, 0])


@pytest.mark.parametrize("radius", [1, 2])
def test_the_band_of_a_boundary_reaches_to_both_sides(radius: int) -> None:
    labels = np.zeros((9, 12), np.uint8)
    labels[:, 6:] = 3
    expected = np.zeros((9, 12), bool)
    expected[:, 6 - radius : 6 + radius] = True
    assert np.array_equal(boundary_band(labels, radius), expected)
    assert not boundary_band(np.full((5, 5), 2), radius).any()
