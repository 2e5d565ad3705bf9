"""Confidence is the share of sure pixels (arXiv 2106.03527), against NumPy.

The whole policy, pixel by pixel, is in `tests/kit/search/test_exit_policy.py`.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.layers import Confidence


def share(logits: np.ndarray, threshold: float, step: int) -> np.ndarray:
    looked_at = logits[:, ::step, ::step].astype("float64")
    probabilities = np.exp(looked_at) / np.exp(looked_at).sum(-1, keepdims=True)
    return (probabilities.max(-1) >= threshold).mean(axis=(1, 2))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("step", [1, 3, 8])
def test_equals_numpy(threshold: float, step: int) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (3, 16, 21, 5)).astype("float32")
    got = keras.ops.convert_to_numpy(Confidence(threshold, step)(logits))
    np.testing.assert_allclose(got, share(logits, threshold, step), rtol=1e-6)


@pytest.mark.parametrize("measure", ["top1", "entropy"])
@pytest.mark.parametrize("edge_aware", [False, True])
@pytest.mark.parametrize(("gap", "expected"), [(20.0, 1.0), (0.0, 0.0)])
def test_reaches_both_ends(measure: str, edge_aware: bool, gap: float, expected: float) -> None:
    logits = np.zeros((1, 4, 4, 3), "float32")
    logits[..., 1] = gap
    layer = Confidence(measure=measure, edge_aware=edge_aware)
    assert keras.ops.convert_to_numpy(layer(logits)).tolist() == [expected]


@pytest.mark.parametrize(
    ("probabilities", "certainty"),
    [([0.5, 0.5, 0.0], 1 - np.log(2) / np.log(3)), ([0.9, 0.05, 0.05], 0.641063)],
)
def test_an_entropy_is_divided_by_that_of_equal_classes(
    probabilities: list[float], certainty: float
) -> None:
    logits = np.log(np.asarray(probabilities, "float32") + 1e-9)[None, None, None]
    layer = Confidence((certainty - 1e-4, certainty + 1e-4), measure="entropy")
    assert keras.ops.convert_to_numpy(layer(logits)).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("step", "window"), [(1, 5), (2, 3), (4, 3), (8, 3)])
def test_the_window_shrinks_with_the_grid(step: int, window: int) -> None:
    assert Confidence(step=step).window == window


def test_half_precision_counts_exactly() -> None:
    logits = np.zeros((1, 40, 41, 2), "float32")
    logits[:, :13, :, 0] = 5
    layer = Confidence(edge_aware=True, dtype="mixed_bfloat16", threshold=0.9)
    assert float(layer(logits)[0]) == pytest.approx(13 / 40, abs=1e-6)


def test_config_makes_it_again() -> None:
    again = Confidence.from_config(Confidence(0.7, 8).get_config())
    assert (again.threshold, again.step) == (0.7, 8)
    assert (again.measure, again.edge_aware) == ("top1", False)


@pytest.mark.parametrize("threshold", [0.6, (0.3, 0.6), np.linspace(0.1, 0.9, 3)])
def test_config_goes_through_json(threshold: Any) -> None:
    layer = Confidence(threshold, 2, "entropy", True)
    again = Confidence.from_config(json.loads(json.dumps(layer.get_config())))
    logits = np.random.default_rng(2).normal(0, 2, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (layer(logits), again(logits))))
    assert again.get_config() == layer.get_config()


def test_a_saved_model_keeps_it(tmp_path: Path) -> None:
    logits = keras.Input((8, 12, 4))
    one = Confidence(0.6, 2, "entropy", True)(logits)
    several = Confidence([0.2, 0.4], edge_aware=True)(logits)
    assert (one.shape, several.shape) == ((None,), (None, 2))
    model = keras.Model(logits, [one, several])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    batch = np.random.default_rng(3).normal(0, 2, (2, 8, 12, 4)).astype("float32")
    for got, expected in zip(again(batch), model(batch), strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (got, expected)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "`threshold` must be one number between 0 and 1, .*received: 1.5"),
        ({"threshold": (0.5, 0.0)}, r"`threshold` must .*received: \(0.5, 0.0\)"),
        ({"threshold": ()}, r"`threshold` must .*received: \(\)"),
        ({"step": 0}, "`step` must be 1 or more; received: 0"),
        ({"measure": "margin"}, "`measure` must be top1 or entropy; received: 'margin'"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Confidence(**options)


def test_one_class_has_no_entropy() -> None:
    with pytest.raises(InputError, match="`measure` entropy needs 2 classes or more"):
        Confidence(measure="entropy")(np.zeros((1, 4, 4, 1), "float32"))
