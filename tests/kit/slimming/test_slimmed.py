"""A network without its zero channels computes what it did with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.quantization import quantize
from kit.slimming import SCOPES, ChannelMap, slimmed
from tests.kit.conftest import randomised
from tests.kit.slimming.tiny import CLASSES, SIZE, TinyNetwork, logits_of, some_images
from tests.kit.small import small_unet

FAMILIES: dict[str, Callable[[], kit.AdaptiveNetwork]] = {
    # Every branch of the blocks.
    "adaptive_unet": lambda: small_unet(
        image_size=(32, 64),
        light_expansion=2,
        configurations={"lean": "l" * 16 + "llls", "mixed": "h" * 16 + "bhlb"},
        exits=[{"after": 17, "head": "deeplab-r2-b1d"}],
    ),
    "plain_unet": lambda: small_unet(image_size=(32, 64), adaptive=False),
    "deeplab_v3": lambda: kit.DeepLabV3(
        CLASSES, (32, 64), head_channels=16, width=0.35, exits=[{"after": 6, "head": "fcn-b1"}]
    ),
    "resnet50": lambda: kit.DeepLabV3(CLASSES, (32, 32), head_channels=16, backbone="resnet50"),
    "csc_unet": lambda: kit.CSCUNet(CLASSES, (16, 32), width=1 / 16, unfoldings=0),
    "elu_net": lambda: kit.ELUNet(CLASSES, (16, 32), width=0.25),
}


def mask(network: kit.AdaptiveNetwork, scope: str, share: float = 0.4) -> int:
    """Make some channels of each group zero, one in any case; returns how many."""
    rng = np.random.default_rng(5)
    masked = 0
    for group in ChannelMap(network).groups(scope):  # type: ignore[arg-type]
        count = max(int(share * group.size), 1)
        alive = np.ones(group.size, bool)
        alive[rng.permutation(group.size)[:count]] = False
        group.keep(alive)
        masked += count
    return masked


def assert_same(network: kit.AdaptiveNetwork, smaller: kit.AdaptiveNetwork) -> None:
    images = some_images(network.image_size, 2)
    expected, found = logits_of(network, images), logits_of(smaller, images)
    assert list(expected) == list(found)
    for tier, logits in expected.items():
        assert np.ptp(logits) > 1e-3
        size = np.abs(logits).max()
        np.testing.assert_allclose(found[tier], logits, atol=3e-6 * size, err_msg=tier)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tier_computes_what_it_did(family: str) -> None:
    keras.utils.set_random_seed(1)
    network = randomised(FAMILIES[family]())
    smaller = network
    # ResNet-50 takes long to make, and its head is the other's.
    for scope in SCOPES[1:] if family == "resnet50" else SCOPES:
        mask(network, scope)
        before, smaller = smaller, slimmed(network)
        assert_same(network, smaller)
        for tier in network.tiers:
            assert smaller.profile(tier).macs < before.profile(tier).macs
            assert smaller.profile(tier).parameters < before.profile(tier).parameters


@pytest.fixture(scope="module")
def network() -> TinyNetwork:
    """Half of the channels of each layer are zero."""
    keras.utils.set_random_seed(1)
    network = randomised(TinyNetwork(exits=[{"after": 1, "head": "fcn-b1"}]))
    mask(network, "network", 0.5)
    return network


@pytest.fixture(scope="module")
def smaller(network: TinyNetwork) -> TinyNetwork:
    return slimmed(network)


def test_counts_are_exact(network: TinyNetwork, smaller: TinyNetwork) -> None:
    """Half of the channels on both sides of a kernel, but for image, mean and classes."""
    assert_same(network, smaller)

    def macs(c: int, out: int, pooled: int) -> int:
        """Of the heavy tier, with `c` channels of the stem and `out` behind the blocks."""
        e = 2 * c
        first = 8 * 16 * (27 * c + c * e + 9 * e + e * c)
        second = 8 * 16 * c * e + 4 * 8 * (9 * e + e * out)
        pyramid = 4 * 8 * (out * c + 3 * 9 * out * c + 4 * c * c + 9 * c * c + c * CLASSES)
        return first + second + pyramid + out * pooled + pooled * c

    assert network.profile("heavy").macs == macs(8, 12, 8)
    assert smaller.profile("heavy").macs == macs(4, 6, 8)
    assert smaller.channels["stem"] == 4
    assert smaller.channels["deeplab_merge_pooled"] == 4
    assert "deeplab_aspp4" not in smaller.channels
    kernel = smaller.head.merge.conv.kernel
    assert kernel.shape == (1, 1, 16, 4)


def test_it_is_a_network_like_any_other(smaller: TinyNetwork, tmp_path: Path) -> None:
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras")
    assert loaded.channels == smaller.channels
    assert_same(smaller, loaded)
    assert loaded.resized((32, 32)).profile("light").parameters == (
        smaller.profile("light").parameters
    )
    more = loaded.with_exits([*loaded.exits, {"after": 1, "head": "deeplab"}])
    images = some_images(SIZE, 2)
    found, expected = logits_of(more, images), logits_of(smaller, images)
    np.testing.assert_array_equal(found["heavy"], expected["heavy"])
    np.testing.assert_array_equal(found["heavy_exit1"], expected["heavy_exit1"])
    again = slimmed(smaller)  # nothing is zero any more
    assert again.channels == smaller.channels
    assert_same(smaller, again)
    added = smaller.add_configuration("again", "lh")
    assert smaller.profile(added) == smaller.profile("light")


def test_ranges_of_fake_quantization_go_with_it(network: TinyNetwork) -> None:
    images = some_images(SIZE)
    quantized = quantize(network, "qat", [images])
    # What reads a zero is nothing, but widens the range of its kernel.
    channels = ChannelMap(quantized)
    for layer in quantized._weighted_layers():
        for variable, axes in zip(
            layer.weights, channels.kept(layer, channels.alive()), strict=True
        ):
            for axis, kept in axes.items():
                is_kept = np.isin(np.arange(variable.shape[axis]), kept)
                shape = [-1 if place == axis else 1 for place in range(len(variable.shape))]
                variable.assign(variable * is_kept.reshape(shape))
    smaller = slimmed(quantized)
    assert smaller.arithmetic.to_policy() == {"policy": "qat"}
    expected, found = logits_of(quantized, images), logits_of(smaller, images)
    for tier, logits in expected.items():
        # Where float32 rounds otherwise, a value next to the middle of two steps takes the other.
        same = np.isclose(found[tier], logits, atol=1e-5 * np.abs(logits).max())
        assert same.mean() > 0.98, (tier, same.mean())


def test_integers_are_refused() -> None:
    network = TinyNetwork(configurations={"heavy": "hh"})
    with pytest.raises(InputError, match=r"float32 or be fake-quantized.*received: integer"):
        slimmed(quantize(network, {"policy": "integer", "strict": False, "fitted_spans": True}))


def test_a_layer_without_channels_is_refused_by_name() -> None:
    network: Any = TinyNetwork(configurations={"heavy": "hh"})
    for group in ChannelMap(network).groups():
        if "deeplab_conv_BN" in group.layers:
            group.keep(np.zeros(group.size, bool))
    with pytest.raises(InputError, match=r"a channel or more.*none in deeplab_conv_BN$"):
        slimmed(network)


def test_a_network_without_zeros_is_copied() -> None:
    network = randomised(TinyNetwork(configurations={"heavy": "hh"}))
    copy = slimmed(network)
    assert copy is not network
    assert copy.channels == {}
    assert copy.get_config() == network.get_config()
    assert_same(network, copy)
