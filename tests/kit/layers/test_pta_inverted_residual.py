"""The branches of an encoder block."""

import keras
import numpy as np
import pytest

from kit.layers import InvertedResidual, PTAInvertedResidual
from tests.kit.conftest import randomised


def outputs(block: PTAInvertedResidual) -> dict[str, np.ndarray]:
    """What each branch makes of the same input, which is the entry `given`."""
    keras.utils.set_random_seed(8)
    image = keras.Input((4, 6, 8))
    model = randomised(
        keras.Model(image, {branch: block.connect(image, branch, "") for branch in block.choices})
    )
    given = np.random.default_rng(9).normal(size=(2, 4, 6, 8)).astype("float32")
    return {**model.predict(given, verbose=0), "given": given}


def test_the_light_branch_of_a_block_with_a_shortcut_is_the_shortcut() -> None:
    block = PTAInvertedResidual(8, 8, strides=1, name="block")
    made = outputs(block)
    np.testing.assert_array_equal(made["light"], made["given"])
    assert block.light is None


def test_the_heavy_branch_is_the_inverted_residual_and_its_input() -> None:
    block = PTAInvertedResidual(8, 8, strides=1, name="block")
    made = outputs(block)
    image = keras.Input((4, 6, 8))
    inner = keras.Model(image, block.heavy.connect(image, "")).predict(made["given"], verbose=0)
    np.testing.assert_allclose(made["heavy"], made["given"] + inner, rtol=1e-5, atol=1e-5)
    assert np.abs(inner).max() > 0.1


@pytest.mark.parametrize(("strides", "size"), [(1, (4, 6)), (2, (2, 3))])
def test_without_a_shortcut_light_is_a_narrower_block(strides: int, size: tuple[int, int]) -> None:
    block = PTAInvertedResidual(8, 16, strides=strides, light_expansion=2, name="block")
    made = outputs(block)
    assert block.choices == ("light", "heavy")
    for branch in block.choices:
        assert made[branch].shape == (2, *size, 16)
    assert isinstance(block.light, InvertedResidual)
    assert block.light.depthwise.conv.kernel.shape[2] == 16
    assert block.heavy.depthwise.conv.kernel.shape[2] == 48
    assert np.abs(made["light"] - made["heavy"]).max() > 0.1


def test_without_an_expansion_for_it_there_is_no_light_branch() -> None:
    assert PTAInvertedResidual(8, 16, strides=2, name="block").choices == ("heavy",)


def test_both_branches_dilate_alike() -> None:
    block = PTAInvertedResidual(8, 16, strides=1, dilation=4, light_expansion=2, name="block")
    assert block.light is not None
    for branch in (block.light, block.heavy):
        assert [unit.conv.dilation_rate for unit in branch.units] == [(1, 1), (4, 4), (1, 1)]
