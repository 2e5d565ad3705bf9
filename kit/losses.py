"""Losses on logits of every pixel; void pixels count nowhere.

Each works on logits `(batch, height, width, classes)` and integer labels `(batch, height, width)`,
on any Keras backend, in float32 also under mixed precision, and gives one number for the batch: 0,
with a gradient of 0, when all its pixels are void. `sample_weight` holds a weight of each image,
`(batch,)` or `(batch, 1, 1)`, 0 or more: pixels count so many times, but where a loss divides by
the number of pixels it does so by that without weights, so that twice the weights are twice the
loss.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kit.data.labels import VOID
from kit.errors import InputError


class _PixelLoss(keras.losses.Loss):
    """What the losses share: checked shapes, and labels taken apart into ids and validity."""

    def __init__(
        self,
        ignore_class: int = VOID,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.ignore_class = ignore_class

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        # Keras would multiply what `call` gives, one number, by the mean of the weights.
        if sample_weight is not None:
            y_true = (y_true, sample_weight)
        return super().__call__(y_true, y_pred)

    def _taken_apart(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """Class ids int32 (0 where void), validity float32, weights float32 of the images.

        The first two are `(batch, height, width)`, and the weights `(batch, 1, 1)`.
        """
        y_true, weights = y_true if isinstance(y_true, tuple) else (y_true, None)
        sides = zip(y_true.shape, y_pred.shape[:-1], strict=False)
        if len(y_pred.shape) != len(y_true.shape) + 1 or any(
            a != b for a, b in sides if a is not None and b is not None
        ):
            raise InputError(
                "`y_true` must be labels (batch, height, width) of the logits' height and width; "
                f"expected {tuple(y_pred.shape[:-1])}, got {tuple(y_true.shape)}"
            )
        labels = ops.cast(y_true, "int32")
        valid = ops.not_equal(labels, self.ignore_class)
        ids, valid = ops.where(valid, labels, 0), ops.cast(valid, "float32")
        if weights is None:
            return ids, valid, ops.ones((1, 1, 1), "float32")
        images = {tensor.shape[0] for tensor in (y_pred, weights)} - {None}
        if len(images) > 1 or any(side != 1 for side in weights.shape[1:]):
            raise InputError(
                "`sample_weight` must hold one weight for each image; "
                f"expected {(y_pred.shape[0],)}, got {tuple(weights.shape)}"
            )
        return ids, valid, ops.reshape(ops.cast(weights, "float32"), (-1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_class": self.ignore_class}


@keras.saving.register_keras_serializable(package="tierseg")
class SegmentationCrossEntropy(_PixelLoss):
    """Cross-entropy of every pixel that is not void.

    With class weights it is the weighted mean: the sum over pixels of weight times cross-entropy,
    divided by the sum of the weights of those pixels.

    Args:
        class_weights: one weight for each class, or `None` for equal weights.
        ignore_class: label id that is void.
        reduction: Keras reduction; the loss is one number already, so only its scaling matters.
        name: name in logs.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_class: int = VOID,
        reduction: str = "sum_over_batch_size",
        name: str | None = "cross_entropy",
    ) -> None:
        super().__init__(ignore_class, reduction, name)
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ids, weights, image_weights = self._taken_apart(y_true, y_pred)
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        num_classes = y_pred.shape[-1]
        if self.class_weights is not None:
            if len(self.class_weights) != num_classes:
                raise InputError(
                    "`class_weights` must hold one weight for each class; "
                    f"expected {num_classes}, got {len(self.class_weights)}"
                )
            weights = weights * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), ids)
        own = ops.sum(ops.one_hot(ids, num_classes) * log_probabilities, axis=-1)
        total = ops.sum(weights)
        return -ops.sum(image_weights * weights * own) / ops.where(total > 0, total, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable(package="tierseg")
class SoftDice(_PixelLoss):
    """1 - Dice of softmax probabilities, per class over the whole batch, then the mean of classes.

    Dice of a class is `2 * sum(p * t) / (sum(p) + sum(t))` over all pixels of the batch that are
    not void. Classes that the batch's labels do not hold are left out of the mean. Weights of
    images weigh the terms of each sum, and their mean the loss.

    Args:
        ignore_class: label id that is void.
        reduction: Keras reduction; the loss is one number already, so only its scaling matters.
        name: name in logs.

    Reference:
        Milletari, Navab, Ahmadi, V-Net, arXiv:1606.04797 (with sums instead of squares).
    """

    def __init__(
        self,
        ignore_class: int = VOID,
        reduction: str = "sum_over_batch_size",
        name: str | None = "soft_dice",
    ) -> None:
        super().__init__(ignore_class, reduction, name)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ids, valid, weights = self._taken_apart(y_true, y_pred)
        counts = ops.expand_dims(valid * weights, -1)
        probabilities = ops.softmax(ops.cast(y_pred, "float32"), axis=-1)
        targets = counts * ops.one_hot(ids, y_pred.shape[-1])
        pixels = tuple(range(len(y_pred.shape) - 1))
        target_sums = ops.sum(targets, axis=pixels)
        present = ops.cast(target_sums > 0, "float32")
        overlap = ops.sum(probabilities * targets, axis=pixels)
        sums = ops.sum(counts * probabilities, axis=pixels) + target_sums
        dice = 2 * overlap / ops.where(target_sums > 0, sums, 1.0)
        loss = ops.sum(present * (1 - dice)) / ops.maximum(ops.sum(present), 1.0)
        return ops.mean(weights) * loss


@keras.saving.register_keras_serializable(package="tierseg")
class CrossEntropyDice(_PixelLoss):
    """Cross-entropy plus `dice_weight` times soft Dice.

    Args:
        dice_weight: weight of `SoftDice`, 0 or more.
        class_weights: class weights of `SegmentationCrossEntropy`.
        ignore_class: label id that is void.
        reduction: Keras reduction; the loss is one number already, so only its scaling matters.
        name: name in logs.

    Raises:
        InputError: `dice_weight` is negative.
    """

    def __init__(
        self,
        dice_weight: float = 1.0,
        class_weights: Sequence[float] | None = None,
        ignore_class: int = VOID,
        reduction: str = "sum_over_batch_size",
        name: str | None = "cross_entropy_dice",
    ) -> None:
        if dice_weight < 0:
            raise InputError(f"`dice_weight` must be 0 or more; got {dice_weight}")
        super().__init__(ignore_class, reduction, name)
        self.dice_weight = float(dice_weight)
        self._cross_entropy = SegmentationCrossEntropy(class_weights, ignore_class)
        self._dice = SoftDice(ignore_class)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        loss = self._cross_entropy.call(y_true, y_pred)
        return loss + self.dice_weight * self._dice.call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        class_weights = self._cross_entropy.class_weights
        return {
            **super().get_config(),
            "dice_weight": self.dice_weight,
            "class_weights": class_weights,
        }


@keras.saving.register_keras_serializable(package="tierseg")
class MultiLevelLoss(_PixelLoss):
    """Sum of the cross-entropies of logits at several resolutions (J-Net, arXiv 2403.05340).

    With t_l the one-hot labels and v_l the validity (1, or 0 where void), both resized to level l
    *after* void pixels have been set to 0 in t, so that void gives no class a share::

        L = sum over l of [ -sum over p and c of t_l(p, c) · log p_l(p, c) / sum over p of v_l(p) ]

    Where nothing is void, each term is the mean over the pixels of the level. The coarsest of
    several levels is resized by the nearest neighbour, those between bilinearly (without
    antialiasing; targets are then soft), and the finest has the labels as they are.

    Where logits have one channel, they are those of a sigmoid: id 1 is the foreground, 0 the
    background, and the cross-entropy the binary one. Otherwise softmax takes its place; that of two
    logits is the sigmoid of their difference, and computed so, in half the time.

    A network with a tail trains on every level by it (not in the phase of the heads), and is judged
    on the finest alone.

    Input: labels `(batch, height, width)`; logits `(batch, height, width, classes)`, or a list of
    them, coarsest first, `(batch, height / s, width / s, classes)` with whole s, the last of s = 1.

    Args:
        ignore_class: label id that is void.
        reduction: Keras reduction; the loss is one number already, so only its scaling matters.
        name: name in logs.

    Raises:
        InputError: by a call, where the sizes do not fit.
    """

    def __init__(
        self,
        ignore_class: int = VOID,
        reduction: str = "sum_over_batch_size",
        name: str | None = "multi_level",
    ) -> None:
        super().__init__(ignore_class, reduction, name)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        levels = list(y_pred) if isinstance(y_pred, list | tuple) else [y_pred]
        ids, valid, weights = self._taken_apart(y_true, levels[-1])
        valid, weights = ops.expand_dims(valid, -1), ops.expand_dims(weights, -1)
        if levels[-1].shape[-1] == 2:
            levels = [ops.cast(logits, "float32") for logits in levels]
            levels = [logits[..., 1:] - logits[..., :1] for logits in levels]
        channels = levels[-1].shape[-1]
        if channels == 1:
            targets = ops.expand_dims(ops.cast(ops.equal(ids, 1), "float32"), -1) * valid
        else:
            targets = ops.one_hot(ids, channels) * valid
        loss = 0.0
        for number, logits in enumerate(levels):
            step = _step(levels[-1], logits)
            resized = _nearest if number == 0 and len(levels) > 1 else _bilinear
            loss += _cross_entropy(resized(targets, step), resized(valid, step), weights, logits)
        return loss


def _step(finest: Any, logits: Any) -> int:
    """How many pixels of the finest level one of the logits has along each axis."""
    sides = [(finest.shape[axis], logits.shape[axis]) for axis in (1, 2)]
    steps = {whole // part for whole, part in sides if whole % part == 0}
    if len(steps) != 1 or any(whole % part for whole, part in sides):
        raise InputError(
            "`y_pred` must be levels whose height and width divide those of the labels alike; "
            f"expected parts of {tuple(finest.shape[1:3])}, got {tuple(logits.shape[1:3])}"
        )
    return steps.pop()


def _nearest(maps: Any, step: int) -> Any:
    """`(batch, height, width, channels)`, every side divided by `step`: the pixel at the middle."""
    return _squares(maps, step)[:, :, step // 2, :, step // 2]


def _bilinear(maps: Any, step: int) -> Any:
    """As `_nearest`, by the mean of the pixels around the middle: what lies half-way weighs 1/2."""
    if step == 1:
        return maps
    middle = slice((step - 1) // 2, step // 2 + 1)
    return ops.mean(_squares(maps, step)[:, :, middle, :, middle], axis=(2, 4))


def _squares(maps: Any, step: int) -> Any:
    """`(batch, height / step, step, width / step, step, channels)`.

    Slices of it are far faster than slices that leave out pixels.
    """
    _, height, width, channels = maps.shape
    return ops.reshape(maps, (-1, height // step, step, width // step, step, channels))


def _cross_entropy(targets: Any, valid: Any, weights: Any, logits: Any) -> Any:
    """Mean cross-entropy of one level, whose targets sum to `valid` in each pixel."""
    logits = ops.cast(logits, "float32")
    if logits.shape[-1] == 1:
        # log sigmoid(x) = x + log sigmoid(-x)
        own = targets * logits + valid * ops.log_sigmoid(-logits)
    else:
        own = targets * ops.log_softmax(logits, axis=-1)
    total = ops.sum(valid)
    return -ops.sum(weights * own) / ops.where(total > 0, total, 1.0)
