"""Positive filtering distillation and what it is compared with (MESS, arXiv 2106.03527)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from kit.data.labels import VOID
from kit.errors import InputError

MODES = {
    "ce": (True, False, False, False),
    "kd": (False, True, False, False),
    "ce_kd": (True, True, False, False),
    "pfd_ce": (True, True, True, False),
    "pfd_kd": (True, True, False, True),
    "pfd_both": (True, True, True, True),
}
"""Mode -> whether it has the task's term, the teacher's term, and which of them are filtered."""


class FilteredDistillation:
    """Loss of an early exit, given the labels and the final exit's logits.

    With V the pixels that are not void and m_p = 1 where the teacher's class is the true one:

        L = 1/|V| · Σ over V of [ task · w_p · CE(y_p, t_p) + teacher · τ² · w'_p · KL(T_p ‖ y_p) ]

    where KL is taken between softmaxes at temperature τ, and the weight of a term that is filtered
    is m_p, else 1: an exit learns nothing from pixels that the whole network gets wrong. The
    filter's name and purpose are the paper's, its formula is not public. Both sums are divided by
    |V| whether filtered or not, so that the modes' scales stay comparable.

    Args:
        mode: `"ce"` and `"kd"` are one term alone, `"ce_kd"` both without a filter; `"pfd_ce"`
            filters the first, `"pfd_kd"` the second, `"pfd_both"` both.
        task: Weight of the cross-entropy, 0 or more.
        teacher: Weight of the divergence, 0 or more.
        temperature: τ, above 0.
        class_weights: Weight of each class in the cross-entropy; equal by default. Their weighted
            mean is taken, as by `SegmentationCrossEntropy`.
        ignore_class: Label id that is void.

    Raises:
        InputError: naming the argument.
    """

    def __init__(
        self,
        mode: str = "pfd_ce",
        task: float = 1.0,
        teacher: float = 1.0,
        temperature: float = 1.0,
        class_weights: Sequence[float] | None = None,
        ignore_class: int = VOID,
    ) -> None:
        if mode not in MODES:
            raise InputError(f"`mode` must be one of {', '.join(MODES)}; received: {mode!r}")
        if min(task, teacher) < 0 or temperature <= 0:
            raise InputError(
                "`task` and `teacher` must be 0 or more and `temperature` above 0; "
                f"received: {task}, {teacher} and {temperature}"
            )
        self.mode = mode
        self.task = task
        self.teacher = teacher
        self.temperature = temperature
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.ignore_class = ignore_class

    def __call__(self, labels: Any, logits: Any, teacher_logits: Any) -> Any:
        """The loss of a batch.

        Args:
            labels: `(batch, height, width)` integers.
            logits: `(batch, height, width, classes)` of the exit.
            teacher_logits: The same of the final exit; no gradient reaches them.

        Returns:
            One number; 0 if all pixels are void.
        """
        has_task, has_teacher, filters_task, filters_teacher = MODES[self.mode]
        labels = ops.cast(labels, "int32")
        logits = ops.cast(logits, "float32")
        target = ops.stop_gradient(ops.cast(teacher_logits, "float32"))
        valid = ops.cast(labels != self.ignore_class, "float32")
        ids = ops.where(labels == self.ignore_class, 0, labels)
        right = valid * ops.cast(ops.cast(ops.argmax(target, axis=-1), "int32") == ids, "float32")
        loss = 0.0
        if has_task:
            weights = valid
            if self.class_weights is not None:
                weights = valid * ops.take(ops.convert_to_tensor(self.class_weights), ids)
            hot = ops.one_hot(ids, logits.shape[-1])
            entropy = -ops.sum(hot * ops.log_softmax(logits), axis=-1)
            filter_ = right if filters_task else 1.0
            loss += self.task * _mean(weights * filter_ * entropy, weights)
        if has_teacher:
            ours = ops.log_softmax(logits / self.temperature)
            theirs = ops.log_softmax(target / self.temperature)
            divergence = ops.sum(ops.exp(theirs) * (theirs - ours), axis=-1)
            filter_ = right if filters_teacher else valid
            loss += self.teacher * self.temperature**2 * _mean(filter_ * divergence, valid)
        return loss


def _mean(values: Any, weights: Any) -> Any:
    total = ops.sum(weights)
    return ops.sum(values) / ops.where(total > 0, total, 1.0)
