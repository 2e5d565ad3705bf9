"""Projections of ELU-Net: sizes and parameters."""

import keras
import pytest

from kit.layers import StackedUpsample


@pytest.mark.parametrize(("scale", "doublings"), [(1, 0), (2, 1), (4, 2), (8, 3)])
def test_each_doubling_keeps_the_channels(scale: int, doublings: int) -> None:
    x = keras.Input((3, 5, 4))
    model = keras.Model(x, StackedUpsample(scale, 4, 2, name="up").connect(x))
    assert model.output_shape == (None, 3 * scale, 5 * scale, 2)
    assert model.count_params() == doublings * (4 * 4 * 4 + 4) + 9 * 4 * 2 + 2
    assert all(layer.activation is keras.activations.linear for layer in model.layers[1:])
