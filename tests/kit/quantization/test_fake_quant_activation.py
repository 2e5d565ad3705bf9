"""Ranges of activations against TensorFlow Model Optimization and values worked out by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.fake_quant_again import FakeQuantAgain
from kit.quantization.moving_average import DECAY
from tests.kit.quantization.gradients import gradient_of


def built(**arguments: object) -> FakeQuantActivation:
    layer = FakeQuantActivation(**arguments, name="range")  # type: ignore[arg-type]
    layer.build((None, 4))
    return layer


def ends(layer: FakeQuantActivation) -> tuple[float, float]:
    return float(ops.convert_to_numpy(layer.low)), float(ops.convert_to_numpy(layer.high))


def batch(seed: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1, scale, (8, 4)).astype("float32")


def test_the_first_batch_is_the_range_and_the_next_moves_it_a_little() -> None:
    layer = built()
    assert not layer.is_calibrated
    layer(np.float32([[-1, 0, 2, 3]]), training=True)
    assert ends(layer) == (-1, 3)
    layer(np.float32([[-2, 0, 2, 13]]), training=True)
    assert ends(layer) == pytest.approx((-1 - (1 - DECAY), 3 + 10 * (1 - DECAY)), rel=1e-5)
    assert layer.is_calibrated


def test_zero_is_in_every_range() -> None:
    layer = built()
    layer(np.float32([[2.0, 5.0]]), training=True)
    assert ends(layer) == (0, 5)


def test_256_values_of_which_zero_is_one() -> None:
    layer = built(limits=(-1.0, 3.0))
    values = np.linspace(-2, 4, 10_001, dtype="float32")[None]
    found = np.unique(ops.convert_to_numpy(layer(values)))
    assert len(found) == 256
    assert 0.0 in found
    np.testing.assert_allclose(np.diff(found), 4 / 255, rtol=1e-3)
    assert layer.is_calibrated


def test_inference_moves_nothing() -> None:
    layer = built()
    layer(batch(0), training=True)
    before = ends(layer)
    layer(batch(1, 50), training=False)
    assert ends(layer) == before


def test_held_ranges_stay_in_training() -> None:
    layer = built()
    layer(batch(0), training=True)
    before = ends(layer)
    layer.mode = "hold"
    layer(batch(1, 50), training=True)
    assert ends(layer) == before


def test_observing_widens_and_lets_values_pass() -> None:
    layer = built()
    layer.mode = "observe"
    for seed in (0, 1):
        x = batch(seed)
        assert np.array_equal(ops.convert_to_numpy(layer(x)), x)
    both = np.stack([batch(0), batch(1)])
    assert ends(layer) == (pytest.approx(both.min()), pytest.approx(both.max()))


def test_the_same_range_again() -> None:
    layer = built(limits=(-1.0, 1.0))
    again = FakeQuantAgain(layer, name="again")
    x = batch(3)
    assert np.array_equal(ops.convert_to_numpy(again(x)), ops.convert_to_numpy(layer(x)))
    assert not again.weights
    layer.mode = "observe"
    assert np.array_equal(ops.convert_to_numpy(again(x)), x)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow alone has TFMOT")
def test_equals_tensorflow_model_optimization() -> None:
    """Range and values, batch by batch, from one beginning; and the gradient."""
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.quantization.keras import quantizers

    theirs = quantizers.MovingAverageQuantizer(
        num_bits=8, per_axis=False, symmetric=False, narrow_range=False
    )
    weights = {"min_var": tf.Variable(-0.5), "max_var": tf.Variable(0.75)}
    layer = built()
    layer.low.assign(-0.5)
    layer.high.assign(0.75)
    layer.updates.assign(1.0)
    for seed in range(5):
        x = tf.constant(batch(seed))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            expected, found = theirs(x, training=True, weights=weights), layer(x, training=True)
        np.testing.assert_array_equal(found, expected)
        gradients = [tape.gradient(y, x) for y in (found, expected)]
        np.testing.assert_array_equal(*gradients)
        assert 0 < float(tf.reduce_mean(gradients[0])) < 1
        assert ends(layer) == (float(weights["min_var"]), float(weights["max_var"]))


def test_moving_average_by_the_formula() -> None:
    """Also on the backend where TensorFlow Model Optimization cannot go."""
    layer = built()
    layer(batch(0), training=True)
    low, high = ends(layer)
    for seed in range(1, 5):
        x = batch(seed)
        layer(x, training=True)
        low -= (low - min(x.min(), 0)) * (1 - DECAY)
        high -= (high - max(x.max(), 0)) * (1 - DECAY)
        assert ends(layer) == pytest.approx((low, high), rel=1e-5)


def test_a_range_of_nothing_but_zeros_gives_zeros() -> None:
    """As behind a kernel that begins with zeros."""
    layer = built()
    zeros = np.zeros((2, 4), "float32")
    for training in (True, True, False):
        assert not ops.convert_to_numpy(layer(zeros, training=training)).any()
    assert not ops.convert_to_numpy(layer(zeros + 1)).round(6).any()
    np.testing.assert_array_equal(gradient_of(lambda x: ops.sum(layer(x)), zeros), zeros + 1)
