"""The adjoint is one, and is the transposed convolution."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.layers import AdjointConv2D, ScaledConv2D


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


@pytest.mark.parametrize("size", [3, 5])
def test_it_is_the_adjoint_of_the_dictionary(size: int) -> None:
    """<W x, y> = <x, Wᵀ y>, whatever step and bias of the owner."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(2, 6, 7, count)).astype("float32") for count in (3, 4))
    owner = ScaledConv2D(4, size, padding="same")
    forward = numpy(owner(x))
    owner.step.assign(0.5)
    owner.bias.assign(rng.normal(size=4))
    adjoint = AdjointConv2D(owner, name="adjoint")
    back = numpy(adjoint(y))
    assert np.vdot(forward, y) == pytest.approx(np.vdot(x, back), rel=1e-4)
    transposed = ops.conv_transpose(y, owner.dictionary, strides=1, padding="same")
    np.testing.assert_allclose(back, numpy(transposed), atol=1e-5)
    assert not adjoint.weights
