"""The exit policy against equations (1) to (3) of MESS (arXiv 2106.03527), in plain loops."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.layers import Confidence
from kit.search import ExitPolicy

THRESHOLDS = (0.3, 0.5, 0.8)
WINDOWS = {1: 5, 2: 3, 3: 3, 8: 3}


def certainty(pixel: np.ndarray, measure: str) -> float:
    """Measure of one pixel's logits."""
    weights = [math.exp(float(value) - float(pixel.max())) for value in pixel]
    probabilities = [weight / sum(weights) for weight in weights]
    if measure == "top1":
        return max(probabilities)
    entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
    return 1 - entropy / math.log(len(pixel))


def around(row: int, column: int, reach: int, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Places of a square window, cut off at the border."""
    return [
        (r, c)
        for r in range(max(row - reach, 0), min(row + reach + 1, shape[0]))
        for c in range(max(column - reach, 0), min(column + reach + 1, shape[1]))
    ]


def edges(labels: np.ndarray) -> np.ndarray:
    """Pixels one of whose four neighbours has another label."""
    found = np.zeros(labels.shape, bool)
    for row, column in np.ndindex(labels.shape):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < labels.shape[0] and 0 <= c < labels.shape[1]:
                found[row, column] |= labels[r, c] != labels[row, column]
    return found


def reference(
    logits: np.ndarray, policy: ExitPolicy, step: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Share of sure pixels, and where edges were judged by their neighbours, of one image."""
    logits = logits[::step, ::step].astype("float64")
    shape = logits.shape[:2]
    measured = np.zeros(shape)
    for place in np.ndindex(shape):
        measured[place] = certainty(logits[place], policy.measure)
    edge, near = edges(logits.argmax(-1)), np.zeros(shape, bool)
    judged = measured.copy()
    for row, column in np.ndindex(shape):
        near[row, column] = any(edge[place] for place in around(row, column, 1, shape))
        if policy.edge_aware and near[row, column]:
            window = sorted(measured[p] for p in around(row, column, WINDOWS[step] // 2, shape))
            judged[row, column] = window[len(window) // 2]  # the upper one of an even number
    return float((judged >= policy.pixel_threshold).mean()), judged, near


def of_layer(logits: np.ndarray, policy: ExitPolicy, step: int) -> np.ndarray:
    layer = Confidence(policy.pixel_threshold, step, policy.measure, policy.edge_aware)
    return keras.ops.convert_to_numpy(layer(logits))


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random logits that agree with their neighbours, as a network's do."""
    batch, height, width, classes = shape
    coarse = np.random.default_rng(seed).normal(0, 3, (batch, height // 4, width // 4, classes))
    fine = np.random.default_rng(seed + 1).normal(0, 0.7, shape)
    return (coarse.repeat(4, 1).repeat(4, 2) + fine).astype("float32")


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, shape).astype("float32")


@pytest.mark.parametrize("measure", ["top1", "entropy"])
@pytest.mark.parametrize("edge_aware", [False, True])
@pytest.mark.parametrize(
    ("logits", "step"),
    [
        (smooth((2, 12, 16, 5)), 1),
        (smooth((1, 20, 16, 3)), 2),
        (noise((1, 9, 14, 2)), 1),
        (noise((1, 15, 10, 4)), 2),  # 15 rows: the last one is looked at
        (noise((1, 16, 16, 4)), 3),
        (noise((1, 3, 4, 4)), 1),  # smaller than the window
        (noise((1, 1, 6, 4)), 1),
    ],
    ids=lambda value: "x".join(map(str, value.shape)) if isinstance(value, np.ndarray) else None,
)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_layer_is_the_equations(
    logits: np.ndarray, step: int, measure: str, edge_aware: bool, threshold: float
) -> None:
    policy = ExitPolicy(measure, threshold, edge_aware)
    expected = [reference(image, policy, step)[0] for image in logits]
    np.testing.assert_allclose(of_layer(logits, policy, step), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("measure", ["top1", "entropy"])
@pytest.mark.parametrize("edge_aware", [False, True])
def test_several_thresholds_are_each_alone(measure: str, edge_aware: bool) -> None:
    logits = smooth((2, 12, 16, 5), 3)
    layer = Confidence(THRESHOLDS, measure=measure, edge_aware=edge_aware)
    together = keras.ops.convert_to_numpy(layer(logits))
    alone = [of_layer(logits, ExitPolicy(measure, value, edge_aware), 1) for value in THRESHOLDS]
    assert together.shape == (2, len(THRESHOLDS))
    np.testing.assert_array_equal(together, np.stack(alone, axis=1))
    assert (together[:, 0] > together[:, -1]).all()


def test_edge_awareness_changes_what_it_is_meant_to_change() -> None:
    """Unsure pixels along a border of two segments, in which the network is sure."""
    logits = np.zeros((1, 12, 16, 3), "float32")
    logits[:, :, :8, 0] = 9
    logits[:, :, 8:, 1] = 9
    logits[:, :, 7, :2] = 0.6, 0.5
    plain, aware = (
        of_layer(logits, ExitPolicy(edge_aware=edge_aware), 1)[0] for edge_aware in (False, True)
    )
    assert plain == pytest.approx(15 / 16)
    assert aware == 1.0
    _, judged, near = reference(logits[0], ExitPolicy(edge_aware=True), 1)
    assert near.sum(axis=1).tolist() == [4] * 12
    assert judged.min() > 0.99


@pytest.mark.parametrize("sure", [8, 7])
def test_a_median_of_an_even_number_is_the_upper_one(sure: int) -> None:
    """In a map of 4×4 pixels the window of a pixel in the middle holds all 16."""
    logits = np.zeros((1, 4, 4, 2), "float32")
    logits[0, ..., 0] = 0.1
    order = [(1, 1), (1, 2), (2, 1), (2, 2)]
    order += [place for place in np.ndindex(4, 4) if place not in order]
    for row, column in order[-sure:]:
        logits[0, row, column, 0] = 5
    logits[0, 1, 1] = 0, 0.1  # unsure as well, of the other class: edges
    policy = ExitPolicy(pixel_threshold=0.9, edge_aware=True)
    _, judged, near = reference(logits[0], policy, 1)
    assert near.sum() == 15
    assert (judged[1, 1] >= 0.9) == (sure == 8)
    expected = reference(logits[0], policy, 1)[0]
    assert of_layer(logits, policy, 1)[0] == pytest.approx(expected)


def test_defaults_are_those_of_the_layer() -> None:
    policy, layer = ExitPolicy(), Confidence()
    assert (policy.pixel_threshold, policy.measure, policy.edge_aware) == (
        layer.threshold,
        layer.measure,
        layer.edge_aware,
    )


@pytest.mark.parametrize("policy", [ExitPolicy(), ExitPolicy("entropy", 0.75, True)])
def test_a_policy_goes_through_json(policy: ExitPolicy) -> None:
    assert ExitPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_what_a_dictionary_leaves_out_is_the_default() -> None:
    assert ExitPolicy.from_dict({"edge_aware": True}) == ExitPolicy(edge_aware=True)


def test_a_policy_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ExitPolicy().measure = "entropy"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"measure": "margin"}, "`measure` must be top1 or entropy; received: 'margin'"),
        ({"pixel_threshold": 0.0}, "`pixel_threshold` must be between 0 and 1; received: 0.0"),
        ({"pixel_threshold": 1.0}, "`pixel_threshold` must be between 0 and 1; received: 1.0"),
        ({"pixel_threshold": math.nan}, "`pixel_threshold` must be between 0 and 1"),
        ({"threshold": 0.5}, "a policy may have measure, .*; received: threshold"),
    ],
)
def test_wrong_policies_are_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExitPolicy.from_dict(content)
