"""Networks in fake quantization: what is rounded where, what tiers share, what training moves."""

import keras
import numpy as np
import pytest
from keras import ops

import kit
from kit.errors import InputError
from kit.quantization import FakeQuant, calibrate, quantize
from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.fake_quant_conv import FakeQuantConv
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet

EXITS = (kit.Exit(after=8), kit.Exit(after=17, head="fcn-r2-b1"))


def floats() -> dict[str, kit.AdaptiveNetwork]:
    """One network of each family."""
    size, classes = IMAGE_SIZE, CLASSES
    return {
        "adaptive_unet": small_unet(
            configurations={"light": "light", "heavy": "heavy"}, exits=EXITS
        ),
        "deeplab_v3": kit.DeepLabV3(classes, size, width=0.35, head_channels=16, exits=EXITS[:1]),
        "fcn_resnet50": kit.FCN(classes, size, backbone="resnet50"),
    }


FAMILIES = ("adaptive_unet", "deeplab_v3", "fcn_resnet50")


@pytest.fixture(scope="module")
def plain() -> dict[str, kit.AdaptiveNetwork]:
    keras.utils.set_random_seed(1)
    return {name: randomised(network) for name, network in floats().items()}


@pytest.fixture(scope="module")
def quantized(
    plain: dict[str, kit.AdaptiveNetwork], images: np.ndarray
) -> dict[str, kit.AdaptiveNetwork]:
    return {name: quantize(network, "qat", [images]) for name, network in plain.items()}


def arithmetic_of(network: kit.AdaptiveNetwork) -> FakeQuant:
    assert isinstance(network.arithmetic, FakeQuant)
    return network.arithmetic


@pytest.mark.parametrize("family", FAMILIES)
def test_every_convolution_and_every_tier_is_rounded(
    family: str, quantized: dict[str, kit.AdaptiveNetwork]
) -> None:
    network = quantized[family]
    for tier in network.tiers:
        layers = network.tier(tier).layers
        bare = [
            layer.name
            for layer in layers
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        ]
        assert not bare
        assert any(isinstance(layer, FakeQuantConv) for layer in layers)
        assert arithmetic_of(network).uncalibrated(network.tier(tier)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_stay_near_those_in_float32(
    family: str,
    plain: dict[str, kit.AdaptiveNetwork],
    quantized: dict[str, kit.AdaptiveNetwork],
    images: np.ndarray,
) -> None:
    for tier in plain[family].tiers:
        expected = ops.convert_to_numpy(plain[family].tier(tier)(images))
        found = ops.convert_to_numpy(quantized[family].tier(tier)(images))
        error = found - expected
        assert 0 < np.sqrt((error**2).mean()) < 0.15 * expected.std()


@pytest.mark.parametrize("family", FAMILIES)
def test_costs_what_it_costs_in_float32(
    family: str,
    plain: dict[str, kit.AdaptiveNetwork],
    quantized: dict[str, kit.AdaptiveNetwork],
) -> None:
    for tier in plain[family].tiers:
        assert quantized[family].profile(tier) == plain[family].profile(tier)


def test_quantizing_leaves_the_network_alone(
    plain: dict[str, kit.AdaptiveNetwork], quantized: dict[str, kit.AdaptiveNetwork]
) -> None:
    network = plain["adaptive_unet"]
    assert network.arithmetic.policy == "float32"
    theirs = {layer.name: layer for layer in quantized["adaptive_unet"]._weighted_layers()}
    for layer in network._weighted_layers():
        for a, b in zip(layer.get_weights(), theirs[layer.name].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_back_in_float32_it_is_the_network_that_it_was(
    plain: dict[str, kit.AdaptiveNetwork],
    quantized: dict[str, kit.AdaptiveNetwork],
    images: np.ndarray,
) -> None:
    again = quantize(quantized["adaptive_unet"], "float32")
    assert len(again.variables) == len(plain["adaptive_unet"].variables)
    expected = ops.convert_to_numpy(plain["adaptive_unet"](images))
    np.testing.assert_array_equal(ops.convert_to_numpy(again(images)), expected)


def test_tiers_share_ranges_where_they_are_computed_alike(
    quantized: dict[str, kit.AdaptiveNetwork],
) -> None:
    network = quantized["adaptive_unet"]
    ranges = {
        name: {id(x) for x in network.tier(name).layers if isinstance(x, FakeQuantActivation)}
        for name in ("light", "heavy", "heavy_exit1", "heavy_exit2")
    }
    # The first block alone is on both paths; an exit has the trunk in common with the final one.
    assert 0 < len(ranges["light"] & ranges["heavy"]) < len(ranges["light"]) / 2
    assert len(ranges["heavy_exit2"] & ranges["heavy"]) > len(ranges["heavy_exit2"]) / 2
    assert len(ranges["heavy_exit1"] & ranges["heavy_exit2"]) < len(ranges["heavy_exit2"])


def test_parts_and_stages_have_the_ranges_of_their_tiers(
    quantized: dict[str, kit.AdaptiveNetwork], images: np.ndarray
) -> None:
    """They need none of their own, and give what the whole gives."""
    network = quantized["adaptive_unet"]
    count = len(arithmetic_of(network).activations)
    given = network.stage("heavy", 1)(images)
    for stage, tier in ((1, "heavy_exit1"), (2, "heavy_exit2"), (3, "heavy")):
        if stage > 1:
            states = {key: value for key, value in given.items() if key.startswith("state_")}
            given = network.stage("heavy", stage)(states)
        expected = network.predictor(tier)(images)
        np.testing.assert_array_equal(given["mask"], expected["mask"])
    early = network.resolve("heavy_exit2")
    features = network.features_model([early])(images)
    expected = ops.convert_to_numpy(network.tier(early)(images))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(network.exit_model(early)(features)), expected
    )
    network.head_model("heavy_exit1")
    network.segment_model("heavy", 2, 5)
    assert len(arithmetic_of(network).activations) == count


def test_saves_and_loads_with_its_ranges(
    quantized: dict[str, kit.AdaptiveNetwork], images: np.ndarray, tmp_path: object
) -> None:
    network, path = quantized["adaptive_unet"], f"{tmp_path}/network.keras"
    network.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    assert loaded.arithmetic.policy == "qat"
    for tier in network.tiers:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(loaded.tier(tier)(images)),
            ops.convert_to_numpy(network.tier(tier)(images)),
        )


def test_other_exits_keep_the_ranges_of_the_trunk(
    quantized: dict[str, kit.AdaptiveNetwork], images: np.ndarray
) -> None:
    network = quantized["adaptive_unet"]
    fewer = network.with_exits(network.exits[:1])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(fewer(images)), ops.convert_to_numpy(network(images))
    )


@pytest.fixture
def trained(images: np.ndarray, labels: np.ndarray) -> kit.AdaptiveNetwork:
    """A network ready for a step of its light tier alone."""
    keras.utils.set_random_seed(2)
    network = small_unet(configurations={"light": "light", "heavy": "heavy"})
    network = quantize(network, "qat", [images])
    schedule = kit.training.SingleTier(network.resolve("light"))
    network.compile("adamw", loss=kit.losses.SegmentationCrossEntropy(), schedule=schedule)
    return network


def test_a_step_moves_the_weights_and_ranges_of_its_tier_alone(
    trained: kit.AdaptiveNetwork, images: np.ndarray, labels: np.ndarray
) -> None:
    own = {id(variable) for variable in trained.tier("light").variables}
    fixed = {
        id(variable)
        for layer in arithmetic_of(trained).activations
        if layer.limits is not None
        for variable in layer.variables
    }
    before = [ops.convert_to_numpy(variable) for variable in trained.variables]
    trained.fit(images, labels, batch_size=4, epochs=1, shuffle=False, verbose=0)
    ranges = 0
    for variable, old in zip(trained.variables, before, strict=True):
        moved = not np.array_equal(ops.convert_to_numpy(variable), old)
        if id(variable) not in own or id(variable) in fixed:
            assert not moved, variable.path
        elif variable.name == "updates":
            assert moved, variable.path
            ranges += 1
        elif variable.trainable and variable.name == "kernel":
            assert moved, variable.path
    assert ranges > 20


def test_a_range_that_has_seen_nothing_is_named() -> None:
    network = quantize(small_unet(configurations={"light": "light", "heavy": "heavy"}), "qat")
    unseen = arithmetic_of(network).uncalibrated(network.tier("light"))
    assert any(name.startswith("head_4_range_") for name in unseen)
    assert not any(name.startswith("rescale") for name in unseen)


def test_a_layer_without_an_integer_form_is_named() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="first")(image)
    model = keras.Model(image, keras.layers.Softmax(name="odd_one")(x))
    with pytest.raises(InputError, match=r"layer 'odd_one' must be .* received: Softmax"):
        FakeQuant().applied(model)


def test_a_norm_that_no_convolution_stands_in_front_of_is_named() -> None:
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, keras.layers.BatchNormalization(name="first")(image))
    with pytest.raises(InputError, match=r"layer 'first' must be .* received: BatchNormalization"):
        FakeQuant().applied(model)


def test_an_unknown_policy_is_named(plain: dict[str, kit.AdaptiveNetwork]) -> None:
    with pytest.raises(
        InputError, match=r"`policy` must be one of float32, qat, integer; received: 'int4'"
    ):
        quantize(plain["adaptive_unet"], "int4")


def test_calibration_that_can_be_read_once_is_refused(
    quantized: dict[str, kit.AdaptiveNetwork], images: np.ndarray
) -> None:
    with pytest.raises(InputError, match="`calibration` must be readable once for each"):
        calibrate(quantized["adaptive_unet"], iter([images]))
