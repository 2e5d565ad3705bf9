"""Levels of a layer: where they begin, what moves them, how many there are."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.low_bit_activation import DECAY, LowBitActivation


def built(bits: float, least: int = 2) -> LowBitActivation:
    layer = LowBitActivation(keras.Variable(bits, trainable=False), least=least, name="read")
    layer.build((None, 4))
    return layer


X = np.random.default_rng(0).exponential(1, (64, 32)).astype("float32")


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_there_are_as_many_values_as_the_bits_hold(bits: int) -> None:
    layer = built(bits)
    layer(X, training=True)
    values = np.linspace(-1, 30, 5000, dtype="float32")[None]
    found = np.unique(ops.convert_to_numpy(layer(values)))
    assert len(found) == 2**bits
    assert found[0] == 0


def test_a_width_that_changes_needs_no_new_calibration() -> None:
    layer = built(8)
    layer(X, training=True)
    layer.width.assign(2.0)
    step = float(layer.levels()[0])
    assert step == pytest.approx(2.9 * np.sqrt(np.square(X).mean()) / 3, rel=1e-5)


def test_a_layer_may_have_a_least_width() -> None:
    layer = built(2, least=4)
    layer(X, training=True)
    assert float(layer.levels()[2]) == 15


def test_averages_follow_in_training_and_stay_at_inference() -> None:
    layer = built(2)
    layer(X, training=True)
    layer(3 * X, training=True)
    mean = np.square(X).mean() * (DECAY + 9 * (1 - DECAY))
    assert float(ops.convert_to_numpy(layer.mean_square)) == pytest.approx(mean, rel=1e-5)
    layer(100 * X)
    layer.mode = "hold"
    layer(100 * X, training=True)
    assert float(ops.convert_to_numpy(layer.mean_square)) == pytest.approx(mean, rel=1e-5)


def test_observing_takes_the_mean_over_batches_and_lets_values_pass() -> None:
    layer = built(2)
    layer.mode = "observe"
    assert np.array_equal(ops.convert_to_numpy(layer(X)), X)
    layer(3 * X)
    mean = 5 * np.square(X).mean()
    assert float(ops.convert_to_numpy(layer.mean_square)) == pytest.approx(mean, rel=1e-5)
    assert float(ops.convert_to_numpy(layer.high)) == pytest.approx(3 * X.max())


def test_the_factor_of_the_step_alone_is_trained() -> None:
    layer = built(2)
    assert [variable.name for variable in layer.trainable_variables] == ["log_factor"]
