"""The branches of a decoder stage."""

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.layers import PTADecoderStage, PTAInvertedResidual
from tests.kit.conftest import randomised

BRANCHES = ("light", "heavy", "both")


@pytest.fixture(scope="module")
def outputs() -> dict[str, np.ndarray]:
    """What each branch makes of the same inputs."""
    keras.utils.set_random_seed(5)
    stage = PTADecoderStage(6, can_skip=True, name="stage")
    deep, skip = keras.Input((4, 5, 8)), keras.Input((8, 10, 3))
    model = keras.Model(
        [deep, skip],
        {b: stage.connect(deep, skip, b, "") for b in (*BRANCHES, "skip")},
    )
    randomised(model)
    rng = np.random.default_rng(6)
    given = [rng.normal(size=(2, *x.shape[1:])).astype("float32") for x in (deep, skip)]
    made = model.predict(given, verbose=0)
    return {**made, "given": given[0]}


def test_both_is_the_mean(outputs: dict[str, np.ndarray]) -> None:
    mean = (outputs["light"] + outputs["heavy"]) / 2
    np.testing.assert_allclose(outputs["both"], mean, rtol=1e-5, atol=1e-6)
    assert np.abs(outputs["light"] - outputs["heavy"]).max() > 0.1


@pytest.mark.parametrize("branch", BRANCHES)
def test_every_branch_doubles_the_resolution(branch: str, outputs: dict[str, np.ndarray]) -> None:
    assert outputs[branch].shape == (2, 8, 10, 6)


def test_skip_hands_its_deeper_input_on(outputs: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(outputs["skip"], outputs["given"])


def test_only_a_stage_that_may_be_skipped_offers_it() -> None:
    assert "skip" not in PTADecoderStage(4, can_skip=False, name="a").choices
    assert "skip" in PTADecoderStage(4, can_skip=True, name="b").choices


def test_an_encoder_block_without_a_light_branch_says_so() -> None:
    block = PTAInvertedResidual(8, 16, strides=2, name="block")
    with pytest.raises(InputError, match="`branch` must be one of heavy; received: 'light'"):
        block.connect(keras.Input((4, 4, 8)), "light", "")
