"""Parameters, multiply-adds and activations against counts made by hand."""

from typing import Any

import keras
import pytest

import kit
from kit.networks.presets import ADAPTIVE_UNET
from kit.search import Profile, profile
from tests.kit.small import CLASSES, IMAGE_SIZE, WIDTHS, small_unet

# MobileNetV2 of width 0.35: channels, blocks, stride; channels are multiples of 8.
STEM, FIRST = 16, 8
GROUPS = ((8, 2, 2), (16, 3, 2), (24, 4, 2), (32, 3, 1), (56, 3, 2), (112, 1, 1))


class Count:
    """Adds up convolutions, each followed by a BatchNorm of 4 values a channel."""

    def __init__(self) -> None:
        self.parameters = self.macs = 0

    def conv(self, kernel: int, inputs: int, outputs: int, stride: int, norm: bool = True) -> None:
        """A convolution whose output is `stride` times smaller than the image."""
        weights = kernel**2 * inputs * outputs
        self.parameters += weights + (4 if norm else 1) * outputs
        self.macs += weights * (IMAGE_SIZE[0] // stride) * (IMAGE_SIZE[1] // stride)

    def inverted_residual(self, inputs: int, outputs: int, ratio: int, at: int, step: int) -> None:
        """A block that reads at stride `at` and writes at stride `at * step`."""
        if ratio > 1:
            self.conv(1, inputs, ratio * inputs, at)
        self.conv(3, 1, ratio * inputs, at * step)
        self.conv(1, ratio * inputs, outputs, at * step)


def counted(vector: str, light_expansion: int = 0) -> tuple[int, int]:
    """Parameters and multiply-adds of the tier `vector` of the small network.

    Counted from the papers' descriptions.
    """
    count, letters = Count(), iter(vector)
    count.conv(3, 3, STEM, 2)
    count.inverted_residual(STEM, FIRST, 1, 2, 1)
    channels, stride, skips = FIRST, 2, {2: FIRST}
    for filters, blocks, group_stride in GROUPS:
        for step in (group_stride, *(1 for _ in range(blocks - 1))):
            shortcut = step == 1 and channels == filters
            heavy = next(letters) == "h"
            if heavy or not shortcut:
                ratio = 6 if heavy else light_expansion
                count.inverted_residual(channels, filters, ratio, stride, step)
            channels, stride = filters, stride * step
            skips[stride] = channels
    for filters in WIDTHS:
        letter = next(letters)
        if letter == "s":
            continue
        skip = skips[stride // 2]
        if letter in "hb":
            count.conv(3, channels + skip, filters, stride // 2)
            count.conv(3, filters, filters, stride // 2)
        if letter in "lb":
            count.conv(1, channels, filters, stride)
            count.conv(1, skip, filters, stride // 2)
            count.conv(3, 1, filters, stride // 2)
            count.conv(1, filters, filters, stride // 2)
        channels, stride = filters, stride // 2
    count.conv(1, channels, CLASSES, stride, norm=False)
    return count.parameters, count.macs


def counts(profile: Profile) -> tuple[int, int]:
    return profile.parameters, profile.macs


@pytest.mark.parametrize("tier", ADAPTIVE_UNET)
def test_a_tier_costs_what_a_count_by_hand_says(network: kit.AdaptiveUNet, tier: str) -> None:
    assert counts(network.profile(tier)) == counted(network.configurations[tier])
    assert network.tier(tier).count_params() == network.profile(tier).parameters


def test_light_branches_without_a_shortcut_are_counted_too() -> None:
    vector = "l" * 19 + "s"
    network = small_unet(light_expansion=2, configurations={"least": vector})
    assert counts(network.profile("least")) == counted(vector, light_expansion=2)


def test_tiers_go_from_the_cheapest_to_the_dearest(network: kit.AdaptiveUNet) -> None:
    costs = [network.profile(tier).macs for tier in network.tiers]
    assert costs == sorted(set(costs))


def test_every_kind_of_layer_has_its_formula() -> None:
    image = keras.Input((12, 20, 3))
    shared = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)
    x = keras.layers.Conv2D(6, (5, 3), strides=2, padding="same")(image)
    x = shared(shared(x))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="valid", use_bias=False)(x)
    x = keras.layers.Conv2D(8, 1, groups=4, dilation_rate=2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2DTranspose(4, 2, strides=2)(x)
    output = keras.layers.Dense(7)(keras.layers.ReLU()(x))
    macs = {
        "conv": 6 * 10 * (5 * 3 * 3 * 6),
        "shared, twice": 2 * 6 * 10 * (3 * 3 * 6 * 6),
        "depthwise": 4 * 8 * (3 * 3 * 6 * 2),
        "grouped": 4 * 8 * (12 // 4 * 8),
        "transposed": 4 * 8 * (2 * 2 * 8 * 4),
        "dense": 8 * 16 * (4 * 7),
    }
    parameters = {
        "conv": 5 * 3 * 3 * 6 + 6,
        "shared": 3 * 3 * 6 * 6,
        "depthwise": 3 * 3 * 6 * 2,
        "grouped": 12 // 4 * 8 + 8,
        "norm": 4 * 8,
        "transposed": 2 * 2 * 8 * 4 + 4,
        "dense": 4 * 7 + 7,
    }
    expected = sum(parameters.values()), sum(macs.values())
    assert counts(profile(keras.Model(image, output))) == expected


# === Activations held at once ===


def conv(filters: int, **options: Any) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, 3, padding="same", **options)


def held(inputs: Any, outputs: Any) -> int:
    return profile(keras.Model(inputs, outputs)).peak_activations


def test_inputs_and_outputs_of_an_operator_live_together() -> None:
    image = keras.Input((8, 8, 3))  # 192 values
    x = conv(4, strides=2)(image)  # 64
    y = conv(16)(x)  # 256
    z = conv(2)(y)  # 32
    assert held(image, z) == max(192 + 64, 64 + 256, 256 + 32)


def test_what_the_exporter_folds_takes_no_room() -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(conv(8)(image))  # 512, one tensor of conv, norm and relu
    x = keras.layers.ReLU()(keras.layers.Activation("linear")(x))
    assert held(image, conv(1)(x)) == max(192 + 512, 512 + 64)


def test_what_another_operator_needs_is_not_overwritten() -> None:
    image = keras.Input((8, 8, 3))
    x = conv(8)(image)  # 512
    y = keras.layers.ReLU()(x)  # 512, for x is needed by the sum
    assert held(image, keras.layers.Add()([x, y])) == 3 * 512
    rectified = keras.layers.ReLU()(image)  # an input cannot be written to
    assert held(image, rectified) == 2 * 192


def test_a_skip_lives_until_its_last_use() -> None:
    image = keras.Input((16, 16, 1))  # 256
    skip = conv(4)(image)  # 1024
    x = conv(8, strides=4)(skip)  # 128
    x = conv(100)(x)  # 1600
    x = keras.layers.UpSampling2D(4)(conv(2)(x))  # 32, then 512
    x = keras.layers.Concatenate()([x, skip])  # 1536
    peaks = {
        "skip": 256 + 1024,
        "down": 1024 + 128,
        "widest": 1024 + 128 + 1600,
        "narrow": 1024 + 1600 + 32,
        "up": 1024 + 32 + 512,
        "concatenate": 1024 + 512 + 1536,
        "last": 1536 + 256,
    }
    assert held(image, conv(1)(x)) == max(peaks.values()) == peaks["concatenate"]


def test_outputs_live_to_the_end_and_inputs_from_the_beginning() -> None:
    first, second = keras.Input((4, 4, 2)), keras.Input((4, 4, 5))  # 32 and 80
    early = conv(3)(first)  # 48
    x = conv(10)(early)  # 160
    peaks = {"early": 32 + 80 + 48, "x": 80 + 48 + 160, "last": 48 + 160 + 80 + 240}
    last = keras.layers.Concatenate()([x, second])
    assert held([first, second], [early, last]) == max(peaks.values())


def test_a_state_that_is_handed_on_is_held() -> None:
    state, other = keras.Input((4, 4, 2), name="state"), keras.Input((2, 2, 1), name="other")
    model = keras.Model({"state": state, "other": other}, {"state": state, "y": conv(6)(other)})
    assert profile(model).peak_activations == 32 + 4 + 24
    assert profile(keras.Model({"state": state}, {"state": state})) == Profile(0, 0, 32)
