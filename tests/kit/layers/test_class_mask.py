"""The mask is the argmax of the logits, each decision repeated."""

import keras
import numpy as np
import pytest

from kit.layers import ClassMask


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_equals_numpy(scale: int) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype("float32")
    mask = keras.ops.convert_to_numpy(ClassMask(scale)(logits))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(
        mask, logits.argmax(-1).repeat(scale, axis=1).repeat(scale, axis=2)
    )


def test_the_last_of_255_classes_fits() -> None:
    logits = np.zeros((1, 1, 1, 255), "float32")
    logits[..., 254] = 1
    assert keras.ops.convert_to_numpy(ClassMask(2)(logits)).tolist() == [[[254, 254], [254, 254]]]


def test_shape_and_type_are_known_before_it_runs() -> None:
    spec = ClassMask(4)(keras.Input((6, 8, 3)))
    assert (spec.shape, spec.dtype) == ((None, 24, 32), "uint8")


def test_config_makes_it_again() -> None:
    assert ClassMask.from_config(ClassMask(4).get_config()).scale == 4
