"""Signal-to-noise of layers: who is named as the worst, and against whom it is measured."""

import keras
import numpy as np
import pytest

import kit
from kit.quantization.layer_noise import layer_noise
from tests.kit.conftest import randomised
from tests.kit.small import small_unet


@pytest.fixture(scope="module")
def network() -> kit.AdaptiveNetwork:
    keras.utils.set_random_seed(1)
    return randomised(small_unet(configurations={"light": "light", "heavy": "heavy"}))


def test_every_rounded_output_has_a_figure_and_noise_gathers(
    network: kit.AdaptiveNetwork, images: np.ndarray
) -> None:
    found = layer_noise(network, ["light"], [images])["light"]
    assert {"rescale", "Conv1_relu6"} <= {item.layer for item in found}
    assert all(item.snr_db > 5 for item in found)
    by_name = {item.layer: item.snr_db for item in found}
    assert by_name["rescale"] > by_name["Conv1_relu6"] > found[-1].snr_db


def test_a_layer_whose_channels_differ_much_is_the_first_that_falls(
    network: kit.AdaptiveNetwork, images: np.ndarray
) -> None:
    """One channel a hundred times the others takes nearly all steps of the tensor."""
    worse = network.resized(network.image_size)
    (conv,) = [layer for layer in worse._flatten_layers() if layer.name == "block_1_expand_BN"]
    gain = np.asarray(conv.gamma).copy()
    gain[0] *= 100
    conv.gamma.assign(gain)
    before, after = (
        {item.layer: item.snr_db for item in layer_noise(made, ["heavy"], [images])["heavy"]}
        for made in (network, worse)
    )
    assert after["expanded_conv_project_BN"] == pytest.approx(
        before["expanded_conv_project_BN"], abs=0.1
    )


@pytest.mark.parametrize("policy", ["qat", "integer"])
def test_a_network_in_8_bits_is_measured_against_itself_in_float32(
    policy: str, network: kit.AdaptiveNetwork, images: np.ndarray
) -> None:
    found = layer_noise(kit.quantize(network, policy, [images]), ["heavy"], [images])["heavy"]
    assert all(item.snr_db > 3 for item in found)


def test_a_layer_without_noise_is_not_the_worst(images: np.ndarray) -> None:
    """The skips of an FCN-8s begin at zero."""
    network = kit.FCNVGG16(5, (64, 64), width=0.05)
    found = {item.layer: item.snr_db for item in layer_noise(network, ["plain"], [images])["plain"]}
    assert found["fcn8s_score_pool4"] == np.inf
    assert 5 < min(found.values()) < 60
