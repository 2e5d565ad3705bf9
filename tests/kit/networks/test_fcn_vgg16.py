"""FCN-8s on VGG-16: the encoder is the published one, and tiers, stages and files hold."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks import vgg16
from kit.networks.exit import Exit
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE

WIDE = (64, 96)
EXITS = ({"after": 2}, {"after": 3, "head": "fcn-r2"}, {"after": 4}, {"after": 5})
POOLS = [f"block{number}_pool" for number in range(1, 6)]

# What each stage of a network with these exits hands on.
HANDED_ON = [
    {"state_x"},
    {"state_x", "state_pool3"},
    {"state_x", "state_pool3", "state_pool4"},
    {"state_x", "state_pool3", "state_pool4"},
    set(),
]


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def small(**arguments: Any) -> kit.FCNVGG16:
    sizes: dict[str, Any] = {"num_classes": CLASSES, "image_size": IMAGE_SIZE, "width": 0.05}
    return kit.FCNVGG16(**{**sizes, **arguments})


def convolutions(model: keras.Model) -> dict[str, keras.layers.Layer]:
    return {layer.name: layer for layer in model.layers if layer.name.startswith("block")}


@pytest.fixture(scope="module")
def network(images: np.ndarray) -> kit.FCNVGG16:
    """Four early exits; the skips have kernels, and no bias decides the class of every pixel."""
    keras.utils.set_random_seed(6)
    network = randomised(small(exits=EXITS))
    rng = np.random.default_rng(7)
    for skip in network.head.skips:
        skip.kernel.assign(rng.normal(0, 0.3, skip.kernel.shape))
    last = [*(exit_.head.classify for exit_ in network.exit_heads), network.head.score]
    for tier, layer in zip(network.exits_of("plain"), last, strict=True):
        raw = numpy(network.logits_model(tier)(images)["logits"])
        layer.bias.assign(layer.bias - raw.mean((0, 1, 2)))
    return network


@pytest.fixture(scope="module")
def wide() -> kit.FCNVGG16:
    """Not square, its channels an eighth of the published ones."""
    return small(image_size=WIDE, width=0.125)


# === Encoder ===


@pytest.fixture(scope="module")
def reference() -> keras.Model:
    """A random VGG16 without top."""
    keras.utils.set_random_seed(5)
    return randomised(
        keras.applications.VGG16(input_shape=(*IMAGE_SIZE, 3), weights=None, include_top=False)
    )


def full(encoder_weights: Path) -> kit.FCNVGG16:
    """A network of full width, 8 channels in place of the 4096 that hold most of the weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg16, "FULLY_CONNECTED", 8)
        return small(width=1.0, encoder_weights=encoder_weights)


@pytest.fixture(scope="module")
def loaded(reference: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> kit.FCNVGG16:
    """A network of full width with the reference's weights."""
    path = tmp_path_factory.mktemp("encoder") / "random.weights.h5"
    reference.save_weights(path)
    return full(path)


def test_names_and_shapes_are_the_published_ones(
    loaded: kit.FCNVGG16, reference: keras.Model
) -> None:
    found, expected = (
        {
            name: (layer.kernel.shape, layer.bias.shape)
            for name, layer in convolutions(model).items()
            if isinstance(layer, keras.layers.Conv2D)
        }
        for model in (loaded.tier("plain"), reference)
    )
    assert found == expected
    assert len(found) == 13
    assert set(POOLS) <= set(convolutions(loaded.tier("plain")))


def test_features_are_the_published_ones_behind_every_block(
    loaded: kit.FCNVGG16, reference: keras.Model, images: np.ndarray
) -> None:
    seen = keras.applications.vgg16.preprocess_input(images[:2].copy())
    published = keras.Model(reference.inputs, [reference.get_layer(name).output for name in POOLS])
    plain = loaded.tier("plain")
    ours = keras.Model(plain.inputs, [plain.get_layer(name).output for name in POOLS])
    for name, *pair in zip(POOLS, ours([images[:2]]), published([seen]), strict=True):
        actual, expected = map(numpy, pair)
        assert expected.std() > 0.01
        np.testing.assert_allclose(
            actual, expected, atol=1e-5 * np.abs(expected).max(), err_msg=name
        )


def test_the_first_kernel_reads_red_first_and_takes_up_the_scale(
    loaded: kit.FCNVGG16, reference: keras.Model
) -> None:
    kernel = loaded.tier("plain").get_layer("block1_conv1").kernel
    published = reference.get_layer("block1_conv1").kernel
    for ours, theirs in enumerate((2, 1, 0)):
        np.testing.assert_array_equal(
            numpy(kernel)[:, :, ours], 128 * numpy(published)[:, :, theirs]
        )


def test_what_was_fully_connected_begins_from_nothing(loaded: kit.FCNVGG16) -> None:
    plain = loaded.tier("plain")
    assert plain.get_layer("fc6").kernel.shape == (7, 7, 512, 8)
    assert plain.get_layer("fc7").kernel.shape == (1, 1, 8, 8)
    for name in ("fc6", "fc7"):
        assert not numpy(plain.get_layer(name).bias).any()


# === Tiers ===


def test_logits_have_the_size_of_the_image(wide: kit.FCNVGG16) -> None:
    assert [str(tier) for tier in wide.tiers] == ["plain"]
    assert wide.configurations == {"plain": "hhhhhh"}
    raw = wide.logits_model("plain").output["logits"]
    assert raw.shape == (None, *WIDE, CLASSES)
    image = np.random.default_rng(1).uniform(0, 255, (2, *WIDE, 3)).astype("float32")
    logits = numpy(wide.tier("plain")(image))
    assert logits.shape == (2, *WIDE, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert logits.std() > 0.01


@pytest.mark.parametrize(
    ("width", "channels"), [(0.05, [8, 8, 13, 26, 26]), (0.125, [8, 16, 32, 64, 64])]
)
def test_blocks_halve_the_size_and_have_8_channels_at_least(
    wide: kit.FCNVGG16, network: kit.FCNVGG16, width: float, channels: list[int]
) -> None:
    model = {0.05: network, 0.125: wide}[width]
    plain = model.tier("plain")
    shapes = [plain.get_layer(name).output.shape[1:] for name in POOLS]
    height, width_px = model.image_size
    assert shapes == [
        (height >> depth, width_px >> depth, count) for depth, count in enumerate(channels, start=1)
    ]


def test_exits_stand_behind_blocks(network: kit.FCNVGG16, images: np.ndarray) -> None:
    names = [*(f"plain_exit{k}" for k in range(1, 5)), "plain"]
    assert [str(tier) for tier in network.tiers] == names
    assert network.default_tier == kit.Tier("plain")
    sides = [network.logits_model(name).output["logits"].shape[1] for name in names]
    assert sides == [16, 8, 4, 2, 64]
    logits = [numpy(network.tier(name)(images)) for name in names]
    for index, one in enumerate(logits):
        assert one.shape == (4, *IMAGE_SIZE, CLASSES)
        assert all(np.abs(one - other).max() > 1e-3 for other in logits[:index])
    joint = network.joint_model(network.tiers)(images)
    for one, together in zip(logits, joint, strict=True):
        np.testing.assert_allclose(numpy(together), one, atol=1e-4)
    macs = [network.profile(name).macs for name in names]
    assert macs == sorted(macs)


def assert_stages_are_the_tiers(network: kit.AdaptiveNetwork, images: np.ndarray) -> None:
    """Chained stages give what the tiers give; each hands on what `HANDED_ON` says."""
    given: Any = images
    for stage, tier in enumerate(network.exits_of("plain"), start=1):
        outputs = {k: numpy(v) for k, v in network.stage("plain", stage)(given).items()}
        expected = {k: numpy(v) for k, v in network.predictor(tier)(images).items()}
        assert (outputs.pop("mask") == expected["mask"]).mean() > 0.999
        np.testing.assert_allclose(outputs.pop("confidence"), expected["confidence"], atol=1e-3)
        assert len(np.unique(expected["mask"])) > 1
        assert set(outputs) == HANDED_ON[stage - 1]
        given = outputs


def test_chained_stages_equal_the_tiers(network: kit.FCNVGG16, images: np.ndarray) -> None:
    assert_stages_are_the_tiers(network, images)


@pytest.mark.parametrize("policy", ["qat", "integer"])
def test_chained_stages_equal_the_tiers_in_8_bits(
    network: kit.FCNVGG16, images: np.ndarray, policy: str
) -> None:
    """What a stage takes was pooled, and has the range of what was pooled."""
    assert_stages_are_the_tiers(kit.quantize(network, policy, [images]), images)


def test_states_are_what_the_blocks_give(network: kit.FCNVGG16, images: np.ndarray) -> None:
    given: Any = images
    for stage in range(1, 5):
        outputs = network.stage("plain", stage)(given)
        given = {key: value for key, value in outputs.items() if key.startswith("state_")}
    expected, x = {}, network.rescale(images)
    for key, block in zip(("pool1", "pool2", "pool3", "pool4", "x"), network.blocks, strict=True):
        expected[key] = x = block.connect(x)
    for key in ("pool3", "pool4", "x"):
        np.testing.assert_allclose(numpy(given[f"state_{key}"]), numpy(expected[key]), atol=1e-5)


def test_the_final_head_begins_with_all_that_the_blocks_leave(
    network: kit.FCNVGG16, images: np.ndarray
) -> None:
    depth = len(network.configurations["plain"])
    state = network.segment_model("plain", 0, depth)(images)
    assert set(state) == {"state_x", "state_pool3", "state_pool4"}
    decided = network.head_model("plain")(state)
    for key, expected in network.predictor("plain")(images).items():
        np.testing.assert_allclose(numpy(decided[key]), numpy(expected), atol=1e-3)


def test_costs_are_those_counted_by_hand(wide: kit.FCNVGG16) -> None:
    # Pixels, taps, channels in and out, and whether there is a bias; by the input's pixels where a
    # convolution is transposed.
    layers = [
        (64 * 96, 9, 3, 8, 1),
        (64 * 96, 9, 8, 8, 1),
        (32 * 48, 9, 8, 16, 1),
        (32 * 48, 9, 16, 16, 1),
        (16 * 24, 9, 16, 32, 1),
        *[(16 * 24, 9, 32, 32, 1)] * 2,
        (8 * 12, 9, 32, 64, 1),
        *[(8 * 12, 9, 64, 64, 1)] * 2,
        *[(4 * 6, 9, 64, 64, 1)] * 3,
        (2 * 3, 49, 64, 512, 1),
        (2 * 3, 1, 512, 512, 1),
        (2 * 3, 1, 512, 5, 1),  # scores of fc7
        (2 * 3, 16, 5, 5, 0),
        (4 * 6, 1, 64, 5, 1),  # of pool4
        (4 * 6, 16, 5, 5, 0),
        (8 * 12, 1, 32, 5, 1),  # of pool3
        (8 * 12, 256, 5, 5, 0),
    ]
    profile = wide.profile("plain")
    assert profile.macs == sum(
        pixels * taps * before * after for pixels, taps, before, after, _ in layers
    )
    assert profile.parameters == sum(
        taps * before * after + bias * after for _, taps, before, after, bias in layers
    )
    assert profile.peak_activations == 2 * 64 * 96 * 8  # both ends of block1_conv2


# === Head ===


def test_it_begins_without_skips_and_trains_them(images: np.ndarray, labels: np.ndarray) -> None:
    keras.utils.set_random_seed(8)
    network = small()
    strides = {"pool3": 8, "pool4": 16, "x": 32}
    channels = {"pool3": 13, "pool4": 26, "x": 205}
    rng = np.random.default_rng(9)
    shapes = {key: (2, 64 // strides[key], 64 // strides[key], channels[key]) for key in strides}
    features = {key: rng.normal(size=shape).astype("float32") for key, shape in shapes.items()}
    inputs = {key: keras.Input(shape[1:], name=key) for key, shape in shapes.items()}
    head = keras.Model(inputs, network.head.connect(inputs["pool3"], inputs["pool4"], inputs["x"]))

    before = numpy(head(features))
    scores = network.head.score(features["x"])
    for enlarge in network.head.enlarge:
        scores = enlarge(scores)
    np.testing.assert_allclose(before, numpy(scores), atol=1e-5)
    assert before.std() > 0.01
    for key in ("pool3", "pool4"):
        np.testing.assert_array_equal(numpy(head({**features, key: 0 * features[key]})), before)

    network.compile(
        optimizer=keras.optimizers.SGD(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    values = [numpy(variable) for variable in network.trainable_variables]
    history = network.fit(images, labels, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for variable, value in zip(network.trainable_variables, values, strict=True):
        assert not np.array_equal(numpy(variable), value), variable.path
    for key in ("pool3", "pool4"):
        moved = numpy(head({**features, key: 0 * features[key]})) - numpy(head(features))
        assert np.abs(moved).max() > 1e-6


def test_even_scores_stay_even_but_for_the_border() -> None:
    network = small()
    network.head.score.kernel.assign(0 * network.head.score.kernel)
    network.head.score.bias.assign(np.arange(CLASSES))
    logits = numpy(network.tier("plain")(np.zeros((1, *IMAGE_SIZE, 3), "float32")))
    inner = logits[:, 28:-28, 28:-28]
    np.testing.assert_allclose(inner, np.broadcast_to(np.arange(CLASSES), inner.shape), atol=1e-5)


# === Saving ===


def test_a_saved_network_is_the_same(
    network: kit.FCNVGG16, images: np.ndarray, tmp_path: Path
) -> None:
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded, kit.FCNVGG16)
    assert loaded.get_config() == network.get_config()
    assert loaded.tiers == network.tiers
    outputs = [model.joint_model(model.tiers)(images) for model in (network, loaded)]
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(numpy(other), numpy(one), atol=1e-5)


def test_the_configuration_has_every_argument() -> None:
    arguments = {
        "num_classes": 3,
        "image_size": (32, 64),
        "width": 0.02,
        "exits": [Exit(after=2, head="fcn").to_dict()],
        "image_thresholds": {"plain_exit1": 0.5},
        "configurations": {"plain": "hhhhhh"},
        "training_record": {"seed": 3},
        "name": "mine",
    }
    config = {**arguments, "encoder_weights": None}
    assert kit.FCNVGG16.from_config(config).get_config() == config


def test_weights_of_the_encoder_are_not_read_again(loaded: kit.FCNVGG16) -> None:
    assert loaded.get_config()["encoder_weights"] is None


# === Errors ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (64, 80)}, r"`image_size` .* multiples of 32; received: \(64, 80\)"),
        ({"image_size": (0, 64)}, r"`image_size` .* received: \(0, 64\)"),
        ({"width": 0}, "`width` must be above 0 and at most 1.*; received: 0"),
        ({"width": 1.5}, "`width` .* received: 1.5"),
        ({"encoder_weights": "imagenet"}, "`width` .* 1 for published weights; received: 0.05"),
        ({"num_classes": 1}, "`num_classes` must be 2 to 255; received: 1"),
        ({"configurations": {"least": "hhhhhl"}}, "block 6 .* must be one of heavy"),
        ({"configurations": {"short": "h" * 5}}, "6 branches"),
        ({"exits": [{"after": 6}]}, "`exits` must stand behind 1 to 5 blocks"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**arguments)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`encoder_weights` must be .* no file at .*none\.h5"):
        full(tmp_path / "none.h5")


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match=r"must hold VGG16 without top; .*other") as error:
        full(tmp_path / "other.weights.h5")
    assert "\n" not in str(error.value)
