"""What the head of an early exit is made of."""

import keras
import numpy as np
import pytest
from keras import layers

from kit.layers import ExitHead, HeadConfig
from tests.kit.conftest import randomised

CLASSES = 5


def made(config: HeadConfig, in_channels: int, stride: int = 16) -> tuple[ExitHead, keras.Model]:
    head = ExitHead(config, in_channels, CLASSES, stride, name="e")
    features = keras.Input((4, 6, in_channels))
    return head, keras.Model(features, head.connect(features, ""))


@pytest.mark.parametrize("config", HeadConfig.search_space(), ids=str)
def test_every_head_gives_logits_and_is_made_of_what_it_says(config: HeadConfig) -> None:
    head, model = made(config, 64)
    assert model.output.shape == (None, 4, 6, CLASSES)
    assert model.output.dtype == "float32"
    channels = 64 // config.reduction
    assert (head.reduce is not None) == (config.reduction > 1)
    depthwise = [layer for layer in model.layers if isinstance(layer, layers.DepthwiseConv2D)]
    rates = [2, 4, 8] if config.dilate else [1, 1, 1]
    assert [layer.dilation_rate for layer in depthwise] == [
        (rate, rate) for rate in rates[: config.blocks]
    ]
    assert all(layer.kernel.shape == (3, 3, 3 * channels, 1) for layer in depthwise)
    pooled = [layer for layer in model.layers if isinstance(layer, layers.GlobalAveragePooling2D)]
    assert len(pooled) == (config.head == "deeplab")
    assert len({layer.name for layer in model.layers}) == len(model.layers)


@pytest.mark.parametrize(
    ("in_channels", "reduction", "channels"),
    [(320, 4, 80), (64, 4, 16), (24, 4, 16), (16, 2, 16), (8, 8, 8), (8, 1, 8)],
)
def test_channels_are_reduced_to_16_at_least(
    in_channels: int, reduction: int, channels: int
) -> None:
    head, model = made(HeadConfig(reduction=reduction), in_channels)
    assert (head.reduce is None) == (channels == in_channels)
    assert model.get_layer("e_conv").kernel.shape[2] == channels


@pytest.mark.parametrize(("in_channels", "channels"), [(512, 256), (64, 64)])
def test_the_pyramid_is_as_wide_as_the_features_and_256_at_most(
    in_channels: int, channels: int
) -> None:
    _, model = made(HeadConfig("deeplab"), in_channels)
    assert model.get_layer("e_aspp0").kernel.shape == (1, 1, in_channels, channels)


@pytest.mark.parametrize(("stride", "rate"), [(4, 24), (8, 12), (16, 6), (32, 3)])
def test_the_pyramid_knows_the_stride_of_the_features(stride: int, rate: int) -> None:
    _, model = made(HeadConfig("deeplab"), 8, stride)
    assert model.get_layer("e_aspp1").dilation_rate == (rate, rate)


@pytest.mark.parametrize("dilate", [False, True])
def test_equals_its_parts_in_their_order(dilate: bool) -> None:
    """The same layers, put together by hand: reduction, residual blocks, head."""
    keras.utils.set_random_seed(1)
    _, model = made(HeadConfig(reduction=2, blocks=2, dilate=dilate), 64)
    randomised(model)
    x = given = np.random.default_rng(2).normal(size=(2, 4, 6, 64)).astype("float32")

    def run(name: str, x: object) -> object:
        return model.get_layer(f"e_{name}_BN")(model.get_layer(f"e_{name}")(x))

    x = layers.ReLU()(run("reduce", x))
    for block in ("block1", "block2"):
        y = layers.ReLU(6.0)(run(f"{block}_expand", x))
        y = layers.ReLU(6.0)(run(f"{block}_depthwise", y))
        x = x + run(f"{block}_project", y)
    x = model.get_layer("e_classes")(layers.ReLU()(run("conv", x)))
    expected = keras.ops.convert_to_numpy(x)
    assert expected.std() > 0.1
    np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_each_path_has_statistics_of_its_own() -> None:
    head = ExitHead(HeadConfig(reduction=2, blocks=1), 64, CLASSES, 16, name="e")
    features = keras.Input((4, 6, 64))
    model = keras.Model(features, [head.connect(features, path) for path in ("hh", "hl")])
    # reduce, expand, depthwise, project and conv: two paths, a mean and a variance each
    assert len(model.non_trainable_variables) == 5 * 2 * 2
    assert len(model.trainable_variables) == 5 * 3 + 2
