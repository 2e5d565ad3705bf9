"""Networks in integer training: taken over, trained, saved and handed back."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import kit
from kit.errors import InputError
from kit.quantization import Integer, IntegerSGD, quantize
from kit.quantization.integer_activation import IntegerActivation
from kit.quantization.l1_norm import L1Norm
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet

FITTED = {"policy": "integer", "strict": False, "fitted_spans": True}


def numpy(value: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value))


def arithmetic_of(network: kit.AdaptiveNetwork) -> Integer:
    assert isinstance(network.arithmetic, Integer)
    return network.arithmetic


@pytest.fixture(scope="module")
def plain() -> kit.AdaptiveNetwork:
    keras.utils.set_random_seed(1)
    return randomised(
        small_unet(configurations={"light": "light", "heavy": "heavy"}, exits=[kit.Exit(after=8)])
    )


@pytest.fixture(scope="module", params=["integer", "fitted"])
def quantized(
    request: pytest.FixtureRequest, plain: kit.AdaptiveNetwork, images: np.ndarray
) -> kit.AdaptiveNetwork:
    return quantize(plain, FITTED if request.param == "fitted" else "integer", [images])


def test_a_trained_network_is_taken_over_as_the_same_function(
    plain: kit.AdaptiveNetwork, quantized: kit.AdaptiveNetwork, images: np.ndarray
) -> None:
    for tier in plain.tiers:
        expected, found = (numpy(made.tier(tier)(images)) for made in (plain, quantized))
        assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.99, tier


def test_handed_back_it_is_the_function_that_it_was(
    quantized: kit.AdaptiveNetwork, images: np.ndarray
) -> None:
    back = quantize(quantized, "float32")
    assert back.arithmetic.policy == "float32"
    for tier in back.tiers:
        expected, found = (numpy(made.tier(tier)(images)) for made in (quantized, back))
        assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.99, tier


def test_every_normalisation_and_activation_is_replaced(quantized: kit.AdaptiveNetwork) -> None:
    for tier in quantized.tiers:
        layers = quantized.tier(tier).layers
        assert not [x.name for x in layers if isinstance(x, keras.layers.BatchNormalization)]
        assert not [x.name for x in layers if isinstance(x, keras.layers.Conv2D)]
        assert sum(isinstance(x, L1Norm) for x in layers) > 5
        assert sum(isinstance(x, IntegerActivation) for x in layers) > 5
        assert arithmetic_of(quantized).uncalibrated(quantized.tier(tier)) == []


def test_statistics_and_kernels_lie_in_their_ranges(quantized: kit.AdaptiveNetwork) -> None:
    for norm in arithmetic_of(quantized).norms:
        span = float(norm.statistics_span)
        assert np.abs(numpy(norm.norm.moving_mean)).max() <= span
        assert numpy(norm.deviation).max() <= span
    for conv in arithmetic_of(quantized).convolutions:
        assert np.abs(numpy(conv.conv.kernel)).max() <= float(conv.kernel_span)


def test_saves_and_loads(
    quantized: kit.AdaptiveNetwork, images: np.ndarray, tmp_path: Path
) -> None:
    quantized.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    assert loaded.arithmetic.to_policy() == quantized.arithmetic.to_policy()
    for tier in quantized.tiers:
        expected, found = (numpy(made.tier(tier)(images)) for made in (quantized, loaded))
        np.testing.assert_array_equal(found, expected)


def test_steps_of_the_light_tier_move_its_weights_by_whole_steps_and_no_others(
    plain: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray
) -> None:
    network = quantize(plain, "integer", [images])
    network.compile(
        IntegerSGD(2.0**-4),
        loss=kit.losses.SegmentationCrossEntropy(),
        schedule=kit.training.SingleTier(network.resolve("light")),
    )
    own = {id(variable) for variable in network.tier("light").trainable_variables}
    before = [numpy(variable).copy() for variable in network.trainable_variables]
    history = network.fit(images, labels, batch_size=4, epochs=1, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for variable, old in zip(network.trainable_variables, before, strict=True):
        moved = numpy(variable) - old
        assert id(variable) in own or not moved.any(), variable.path
        if id(variable) in own and variable.name == "kernel":
            assert moved.any(), variable.path
            # Of 24 bits, in float32's own precision near 1.
            np.testing.assert_allclose(moved * 2**23, np.round(moved * 2**23), atol=0.51)


def test_another_optimizer_is_refused(quantized: kit.AdaptiveNetwork) -> None:
    with pytest.raises(InputError, match=r"must be kit\.quantization\.IntegerSGD .*: SGD"):
        quantized.compile("sgd", loss=kit.losses.SegmentationCrossEntropy())


def test_magnitude_is_kept_where_there_is_normalisation(plain: kit.AdaptiveNetwork) -> None:
    fcn = kit.FCNVGG16(CLASSES, IMAGE_SIZE, width=0.05)
    assert arithmetic_of(quantize(plain, "integer")).keeps_magnitude
    assert not arithmetic_of(quantize(fcn, "integer")).keeps_magnitude
    kept = quantize(fcn, {"policy": "integer", "magnitude": "keep"})
    assert arithmetic_of(kept).keeps_magnitude


def test_first_and_last_convolutions_may_stay_in_float(plain: kit.AdaptiveNetwork) -> None:
    network = quantize(plain, {"policy": "integer", "strict": False, "float_first_last": True})
    floats = {
        made.conv.name for made in arithmetic_of(network).convolutions if made.weight_bits is None
    }
    # The lightest configuration ends at a quarter of the resolution, with a head of its own.
    assert floats == {"Conv1", "head_2", "head_4", "exit_8_fcn_classes"}


def test_a_new_network_has_its_statistics_from_calibration(images: np.ndarray) -> None:
    network = quantize(small_unet(), "integer", [images])
    means = [numpy(norm.norm.moving_mean) for norm in arithmetic_of(network).norms]
    assert all(mean.any() for mean in means)
    with pytest.raises(InputError, match="readable more than once for a new network"):
        quantize(small_unet(), "integer", iter([images]))
