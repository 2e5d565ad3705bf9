"""Positive filtering distillation against its formula in plain loops. Runs on any backend."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.training import FilteredDistillation
from kit.training.filtered_distillation import MODES

CLASSES = 4
VOID = 255
HAS_TASK = {"ce", "ce_kd", "pfd_ce", "pfd_kd", "pfd_both"}
HAS_TEACHER = {"kd", "ce_kd", "pfd_ce", "pfd_kd", "pfd_both"}
FILTERS_TASK = {"pfd_ce", "pfd_both"}
FILTERS_TEACHER = {"pfd_kd", "pfd_both"}


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, an exit's logits and the teacher's, which is right at about half of the pixels."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, (2, 5, 6))
    logits, teacher = (rng.normal(0, 2, (2, 5, 6, CLASSES)).astype("float32") for _ in range(2))
    teacher += 2 * np.eye(CLASSES, dtype="float32")[labels]
    right = (teacher.argmax(-1) == labels).mean()
    assert 0.3 < right < 0.8
    labels[0, :2, 3:] = VOID
    return labels, logits, teacher


def log_softmax(values: np.ndarray) -> list[float]:
    largest = max(values)
    total = math.log(sum(math.exp(value - largest) for value in values))
    return [value - largest - total for value in values]


def reference(
    labels: np.ndarray,
    logits: np.ndarray,
    teacher: np.ndarray,
    mode: str,
    task: float = 1.0,
    weight: float = 1.0,
    temperature: float = 1.0,
    class_weights: list[float] | None = None,
    void: int = VOID,
) -> float:
    """The formula of `FilteredDistillation`, pixel by pixel."""
    entropies = divergences = weights = 0.0
    count = 0
    for place in np.ndindex(labels.shape):
        label = int(labels[place])
        if label == void:
            continue
        count += 1
        ours, theirs = logits[place].astype(float), teacher[place].astype(float)
        right = float(list(theirs).index(max(theirs)) == label)
        of_class = 1.0 if class_weights is None else class_weights[label]
        weights += of_class
        kept = right if mode in FILTERS_TASK else 1.0
        entropies -= of_class * kept * log_softmax(ours)[label]
        kept = right if mode in FILTERS_TEACHER else 1.0
        soft, target = log_softmax(ours / temperature), log_softmax(theirs / temperature)
        divergences += kept * sum(math.exp(q) * (q - p) for p, q in zip(soft, target, strict=True))
    loss = 0.0
    if mode in HAS_TASK and weights:
        loss += task * entropies / weights
    if mode in HAS_TEACHER and count:
        loss += weight * temperature**2 * divergences / count
    return loss


def number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"task": 0.5, "teacher": 3.0},
        {"temperature": 2.5},
        {"class_weights": [0.2, 1.0, 3.0, 0.0]},
        {"task": 2.0, "teacher": 0.1, "temperature": 0.5, "class_weights": [1, 2, 3, 4]},
    ],
    ids=["plain", "weights", "temperature", "classes", "all"],
)
@pytest.mark.parametrize("mode", MODES)
def test_equals_the_formula(
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray], mode: str, options: dict
) -> None:
    renamed = {{"teacher": "weight"}.get(key, key): value for key, value in options.items()}
    expected = reference(*pixels, mode, **renamed)
    assert expected > 0.01
    assert number(FilteredDistillation(mode, **options)(*pixels)) == pytest.approx(expected, 1e-5)


def test_the_default_filters_the_cross_entropy(
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    values = {mode: number(FilteredDistillation(mode)(*pixels)) for mode in MODES}
    assert number(FilteredDistillation()(*pixels)) == values["pfd_ce"]
    assert len({round(value, 4) for value in values.values()}) == len(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_void_pixels_count_nothing(
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray], mode: str
) -> None:
    labels, logits, teacher = pixels
    loss = FilteredDistillation(mode)
    expected = number(loss(labels, logits, teacher))
    void = labels == VOID
    noise = np.where(void[..., None], 50 * np.random.default_rng(2).normal(size=logits.shape), 0)
    noise = noise.astype("float32")
    assert number(loss(labels, logits + noise, teacher - noise)) == pytest.approx(expected, 1e-6)
    # The mean is over what is left.
    kept = [array[~void][None, None] for array in (labels, logits, teacher)]
    assert number(loss(*kept)) == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_another_label_may_be_void(
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray], mode: str
) -> None:
    labels, logits, teacher = pixels
    labels = np.where(labels == VOID, 1, labels).astype("uint8")
    given = number(FilteredDistillation(mode, ignore_class=1)(labels, logits, teacher))
    assert given == pytest.approx(reference(labels, logits, teacher, mode, void=1), 1e-5)


class TwoLayers(keras.Model):
    """An exit and its teacher side by side, trained by the loss of the exit."""

    def __init__(self, loss: FilteredDistillation) -> None:
        super().__init__()
        self.exit, self.teacher = keras.layers.Dense(CLASSES), keras.layers.Dense(CLASSES)
        self.filtered = loss

    def call(self, features: Any) -> Any:
        return [self.exit(features), self.teacher(features)]

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *rest: Any, **options: Any) -> Any:
        return self.filtered(y, *y_pred)


def trained_once(mode: str, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss of a step, and how far exit and teacher moved."""
    keras.utils.set_random_seed(3)
    model = TwoLayers(FilteredDistillation(mode))
    model.compile(keras.optimizers.SGD(1.0))
    features = np.random.default_rng(4).normal(size=(*labels.shape, 7)).astype("float32")
    model(features)  # makes the weights
    before = [layer.get_weights()[0] for layer in (model.exit, model.teacher)]
    loss = model.fit(features, labels, batch_size=len(labels), verbose=0).history["loss"][0]
    after = [layer.get_weights()[0] for layer in (model.exit, model.teacher)]
    return loss, after[0] - before[0], after[1] - before[1]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("mode", MODES)
def test_no_gradient_reaches_the_teacher(
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray], mode: str
) -> None:
    loss, of_exit, of_teacher = trained_once(mode, pixels[0])
    assert loss > 0
    assert np.isfinite(of_exit).all()
    assert np.abs(of_exit).max() > 1e-3
    assert not of_teacher.any()


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_void_teaches_nothing(mode: str) -> None:
    loss, of_exit, of_teacher = trained_once(mode, np.full((2, 5, 6), VOID))
    assert loss == 0
    assert not of_exit.any()
    assert not of_teacher.any()


@pytest.mark.parametrize("mode", ["pfd_ce", "pfd_kd", "pfd_both"])
def test_what_the_teacher_gets_wrong_is_filtered(mode: str) -> None:
    labels = np.zeros((1, 2, 2), int)
    logits = np.random.default_rng(5).normal(size=(1, 2, 2, CLASSES)).astype("float32")
    wrong = np.zeros_like(logits)
    wrong[..., 1] = 4
    options: dict[str, Any] = {"pfd_ce": {"teacher": 0}, "pfd_kd": {"task": 0}, "pfd_both": {}}
    assert number(FilteredDistillation(mode, **options[mode])(labels, logits, wrong)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "pfd"}, "`mode` must be one of ce, kd, ce_kd, .* received: 'pfd'"),
        ({"task": -1.0}, "`task` and `teacher` .* received: -1.0, 1.0 and 1.0"),
        ({"teacher": -0.5}, "received: 1.0, -0.5 and 1.0"),
        ({"temperature": 0.0}, "`temperature` above 0; received: 1.0, 1.0 and 0.0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FilteredDistillation(**arguments)
