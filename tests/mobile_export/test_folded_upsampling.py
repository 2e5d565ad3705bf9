"""Learned doublings as one convolution each: the same result, borders and biases included."""

import keras
import numpy as np
import pytest

from kit.layers import HighResTail, StackedUpsample, TailConfig
from mobile_export.folded_upsampling import with_folded_upsampling


def filled(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return model


def tail(classes: int, scale: int) -> keras.Model:
    logits = keras.Input((3, 4, classes))
    wired = HighResTail(TailConfig(scale), classes, name="tail").connect(logits)
    return filled(keras.Model(logits, wired[-1]))


def kinds(model: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in model.layers}


@pytest.mark.parametrize(("classes", "scale"), [(1, 16), (1, 8), (3, 16), (2, 2)])
def test_a_tail_gives_the_same_without_transposed_convolutions(classes: int, scale: int) -> None:
    model = tail(classes, scale)
    folded = with_folded_upsampling(model)
    assert "Conv2DTranspose" in kinds(model)
    assert not {"Conv2DTranspose", "Conv2D"} & kinds(folded)
    x = np.random.default_rng(2).normal(size=(2, 3, 4, classes)).astype("float32")
    expected, found = (keras.ops.convert_to_numpy(each(x)) for each in (model, folded))
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_what_was_not_folded_stays() -> None:
    x = keras.Input((4, 4, 8))
    doubled = keras.layers.Conv2DTranspose(8, 2, strides=2)(x)
    refined = keras.layers.Conv2D(4, 3, padding="same")(doubled)
    # Its doubled map is wanted too, and another is activated before it is refined.
    active = keras.layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(x)
    other = keras.layers.Conv2D(4, 3, padding="same")(active)
    strided = keras.layers.Conv2D(4, 3, padding="same", strides=2)(doubled)
    model = filled(keras.Model(x, [refined, doubled, other, strided]))
    folded = with_folded_upsampling(model)
    values = np.random.default_rng(3).normal(size=(1, 4, 4, 8)).astype("float32")
    for found, expected in zip(folded(values), model(values), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    names = [type(layer).__name__ for layer in folded.layers]
    assert names.count("Conv2DTranspose") == 2
    assert names.count("Conv2D") == 2


@pytest.mark.parametrize(("channels", "is_folded"), [(8, True), (64, False)])
def test_kernels_stay_small(channels: int, is_folded: bool) -> None:
    x = keras.Input((4, 4, channels))
    unit = StackedUpsample(4, channels, channels, name="unit")
    folded = with_folded_upsampling(filled(keras.Model(x, unit.connect(x))))
    # Of two doublings the last is in front of the convolution.
    transposed = sum(isinstance(layer, keras.layers.Conv2DTranspose) for layer in folded.layers)
    assert transposed == (1 if is_folded else 2)


def test_a_model_without_any_is_itself() -> None:
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(x))
    assert with_folded_upsampling(model) is model
