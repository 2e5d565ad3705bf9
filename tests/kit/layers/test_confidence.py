"""Confidence is the share of sure pixels (arXiv 2106.03527), against NumPy."""

import keras
import numpy as np
import pytest

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


@pytest.mark.parametrize(("gap", "expected"), [(20.0, 1.0), (0.0, 0.0)])
def test_reaches_both_ends(gap: float, expected: float) -> None:
    logits = np.zeros((1, 4, 4, 3), "float32")
    logits[..., 1] = gap
    assert keras.ops.convert_to_numpy(Confidence()(logits)).tolist() == [expected]


def test_config_makes_it_again() -> None:
    again = Confidence.from_config(Confidence(0.7, 8).get_config())
    assert (again.threshold, again.step) == (0.7, 8)
