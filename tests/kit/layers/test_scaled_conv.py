"""Step and gain are factors of the kernel, and are saved with it."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kit.layers import ScaledConv2D


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype("float32")


def test_the_step_scales_the_dictionary_and_not_the_bias(x: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    conv = ScaledConv2D(4, 3, padding="same")
    plain = numpy(conv(x))
    conv.bias.assign([1.0, 2.0, 3.0, 4.0])
    conv.step.assign(0.5)
    np.testing.assert_allclose(numpy(conv(x)), 0.5 * plain + [1, 2, 3, 4], atol=1e-5)
    np.testing.assert_allclose(numpy(conv.kernel), 0.5 * numpy(conv.dictionary))


def test_the_gain_is_between_what_is_trained_and_the_dictionary(x: np.ndarray) -> None:
    conv = ScaledConv2D(4, 3, gain=0.1)
    conv.build(x.shape)
    (trained,) = (v for v in conv.trainable_variables if v.name == "kernel")
    np.testing.assert_allclose(numpy(conv.dictionary), 0.1 * numpy(trained), rtol=1e-6)


def test_it_is_loaded_as_it_was_saved(x: np.ndarray, tmp_path: Path) -> None:
    conv = ScaledConv2D(4, 3, gain=0.1, padding="same", name="conv")
    assert ScaledConv2D.from_config(conv.get_config()).get_config() == conv.get_config()
    image = keras.Input(x.shape[1:])
    model = keras.Model(image, conv(image))
    conv.step.assign(0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
