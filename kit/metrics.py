"""Quality of label maps: everything from one confusion matrix, void pixels left out.

The rule everywhere: rows are true classes, columns predicted ones; a class that neither the labels
nor the predictions hold is left out of a mean; one matrix is summed over the whole data set.
"""

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from kit.data.dataset import Dataset
from kit.data.labels import VOID
from kit.errors import InputError


class ConfusionMatrix:
    """Counts pixels by true and predicted class, in NumPy.

    Args:
        num_classes: number of classes, 1 or more.
        ignore_class: label id of pixels that are not counted.

    Attributes:
        counts: int64 `(num_classes, num_classes)`; row = true class, column = predicted class.

    Raises:
        InputError: `num_classes` is below 1.
    """

    def __init__(self, num_classes: int, ignore_class: int = VOID) -> None:
        if num_classes < 1:
            raise InputError(f"`num_classes` must be 1 or more; got {num_classes}")
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds label maps and predicted label maps.

        Args:
            labels: integer array of class ids, any shape.
            predictions: integer array of the same shape.

        Raises:
            InputError: the shapes differ, or an id is beyond the classes.
        """
        if labels.shape != predictions.shape:
            raise InputError(
                f"`predictions` must have the shape of `labels`; expected {labels.shape}, "
                f"got {predictions.shape}"
            )
        valid = labels != self.ignore_class
        pair = [labels[valid].astype(np.int64), predictions[valid].astype(np.int64)]
        for name, ids in zip(("labels", "predictions"), pair, strict=True):
            if ids.size and not 0 <= ids.min() <= ids.max() < self.num_classes:
                wrong = ids[(ids < 0) | (ids >= self.num_classes)][0]
                raise InputError(
                    f"`{name}` must hold class ids 0 to {self.num_classes - 1}; got {wrong}"
                )
        cells = np.bincount(pair[0] * self.num_classes + pair[1], minlength=self.num_classes**2)
        self.counts += cells.reshape(self.counts.shape)

    def per_class(self) -> dict[str, np.ndarray]:
        """Scores of each class, 0-1, NaN for a class that never occurs.

        Returns:
            `"iou"`, `"dice"` and `"accuracy"` (share of the class's pixels that were found; NaN
            where the labels never hold it), each float64 `(num_classes,)`.
        """
        hits = np.diag(self.counts)
        true, predicted = self.counts.sum(1), self.counts.sum(0)
        with np.errstate(invalid="ignore"):
            return {
                "iou": hits / (true + predicted - hits),
                "dice": 2 * hits / (true + predicted),
                "accuracy": np.where(true > 0, hits / true, np.nan),
            }

    def mean_iou(self) -> float:
        """Mean intersection over union of the classes that occur, 0-1; NaN when none does."""
        return _mean(self.per_class()["iou"])

    def mean_dice(self) -> float:
        """Mean Dice (F1) of the classes that occur, 0-1; NaN when none does."""
        return _mean(self.per_class()["dice"])

    def pixel_accuracy(self) -> float:
        """Share of pixels with the right class, 0-1; NaN when nothing was counted."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")


class _ConfusionMetric(keras.metrics.Metric):
    """A Keras metric with a confusion matrix for its state."""

    _default_name: ClassVar[str]

    def __init__(
        self,
        num_classes: int,
        ignore_class: int = VOID,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if num_classes < 1:
            raise InputError(f"`num_classes` must be 1 or more; got {num_classes}")
        super().__init__(name=name or self._default_name, dtype=dtype)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.counts = self.add_variable(
            (num_classes, num_classes), initializer="zeros", name="counts", dtype="float32"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: integer labels `(batch, height, width)`.
            y_pred: logits `(batch, h, w, num_classes)`; resized bilinearly to the labels' height
                and width where these differ.
            sample_weight: not supported, must be `None`.
        """
        if sample_weight is not None:
            raise InputError(
                "`sample_weight` must be None: void pixels are left out by their label"
            )
        if y_pred.shape[-1] != self.num_classes:
            raise InputError(
                f"`y_pred` must hold {self.num_classes} logits a pixel; got {y_pred.shape[-1]}"
            )
        labels = ops.cast(y_true, "int32")
        logits = ops.cast(y_pred, "float32")
        size = tuple(labels.shape[1:3])
        if size != tuple(logits.shape[1:3]):
            height, width = ops.shape(labels)[1:3]
            logits = ops.image.resize(
                logits, (height, width), interpolation="bilinear", data_format="channels_last"
            )
        valid = ops.cast(ops.not_equal(labels, self.ignore_class), "float32")
        true = ops.one_hot(ops.where(valid > 0, labels, 0), self.num_classes)
        true = ops.reshape(true * ops.expand_dims(valid, -1), (-1, self.num_classes))
        predicted = ops.one_hot(ops.argmax(logits, axis=-1), self.num_classes)
        predicted = ops.reshape(predicted, (-1, self.num_classes))
        # a product of zeros and ones: exact, and faster than a scatter on every backend
        self.counts.assign_add(ops.matmul(ops.transpose(true), predicted))

    def _mean(self, numerator: Any, denominator: Any) -> Any:
        """Mean of a ratio over the classes that occur; 0 when none does."""
        occurs = ops.cast(denominator > 0, "float32")
        ratio = numerator / ops.where(denominator > 0, denominator, 1.0)
        return ops.sum(ratio * occurs) / ops.maximum(ops.sum(occurs), 1.0)

    def _hits_and_sums(self) -> tuple[Any, Any]:
        """Right pixels, and true plus predicted pixels, of each class."""
        counts = ops.convert_to_tensor(self.counts)
        return ops.diagonal(counts), ops.sum(counts, axis=0) + ops.sum(counts, axis=1)

    def get_config(self) -> dict[str, Any]:
        config = {"num_classes": self.num_classes, "ignore_class": self.ignore_class}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="tierseg")
class MeanIoU(_ConfusionMetric):
    """Mean intersection over union, from logits and integer labels.

    Args:
        num_classes: number of classes.
        ignore_class: label id of pixels that are not counted.
        name: name in logs.
        dtype: Keras dtype of the result.
    """

    _default_name = "mean_iou"

    def result(self) -> Any:
        hits, sums = self._hits_and_sums()
        return self._mean(hits, sums - hits)


@keras.saving.register_keras_serializable(package="tierseg")
class MeanDice(_ConfusionMetric):
    """Mean Dice (F1) over classes, from logits and integer labels.

    Args:
        num_classes: number of classes.
        ignore_class: label id of pixels that are not counted.
        name: name in logs.
        dtype: Keras dtype of the result.
    """

    _default_name = "mean_dice"

    def result(self) -> Any:
        hits, sums = self._hits_and_sums()
        return self._mean(2 * hits, sums)


def median_frequency_weights(dataset: Dataset) -> np.ndarray:
    """Class weights that make rare classes count, from the labels of a data set.

    The frequency of a class is its share of the pixels (void left out of neither count) of the
    images that hold it; its weight is the median of all frequencies divided by its own.

    Args:
        dataset: the training split.

    Returns:
        float64 `(number of classes,)`; 0 for a class that no label map holds.

    Reference:
        Eigen, Fergus, arXiv:1411.4734; Badrinarayanan, Kendall, Cipolla (SegNet), arXiv:1511.00561.
    """
    num_classes = len(dataset.classes)
    pixels = np.zeros(num_classes)
    seen = np.zeros(num_classes)
    for index in tqdm(
        range(len(dataset)), desc=f"counting classes of {dataset.name}", delay=2, disable=None
    ):
        label = dataset.label(index)
        counts = np.bincount(label.ravel(), minlength=num_classes)[:num_classes]
        pixels += counts
        seen += np.where(counts > 0, label.size, 0)
    frequency = np.divide(pixels, seen, out=np.zeros(num_classes), where=seen > 0)
    median = np.median(frequency[frequency > 0]) if frequency.any() else 0.0
    return np.divide(median, frequency, out=np.zeros(num_classes), where=frequency > 0)


def _mean(scores: np.ndarray) -> float:
    """Mean of the scores that are not NaN; NaN when all are."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")


def boundary_band(labels: np.ndarray, radius: int) -> np.ndarray:
    """Pixels near a boundary between two classes, void among them.

    Args:
        labels: class ids `(height, width)`.
        radius: distance in pixels, along rows or columns, at which a pixel is still near; 1 is the
            pixels that touch another class.

    Returns:
        bool `(height, width)`.
    """
    low, high = labels, labels
    for axis in (0, 1):
        low, high = _spread(low, radius, axis, np.minimum), _spread(high, radius, axis, np.maximum)
    return low != high


def _spread(values: np.ndarray, radius: int, axis: int, take: Any) -> np.ndarray:
    """The least or largest value within a distance along one axis."""
    width = [(radius, radius) if index == axis else (0, 0) for index in range(2)]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, width, mode="edge"), 2 * radius + 1, axis
    )
    return take.reduce(windows, axis=-1)
