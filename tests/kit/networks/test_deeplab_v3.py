"""DeepLabV3: the dilated backbone is the published one, and tiers, stages and files hold."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.layers import ConvNorm
from kit.networks.exit import Exit
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE

EXITS = ({"after": 3, "head": "fcn-r2-b1d"}, {"after": 8, "head": "deeplab-r2"})
SKIPPING = "hl" + "hhl" + "hlll" + "hhl" + "hhl" + "h"

# Behind each of the 16 blocks: the layer, by the name that Keras Applications gives it too.
ENDS = [f"block_{i}_{'project_BN' if i in (1, 3, 6, 10, 13, 16) else 'add'}" for i in range(1, 17)]
# Its stride in the published network.
STRIDES = [4] * 2 + [8] * 3 + [16] * 7 + [32] * 4


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def small(**arguments: Any) -> kit.DeepLabV3:
    sizes: dict[str, Any] = {"num_classes": CLASSES, "image_size": IMAGE_SIZE, "head_channels": 8}
    return kit.DeepLabV3(**{**sizes, "width": 0.35, **arguments})


def dilations(network: kit.DeepLabV3) -> list[int]:
    """Distance of the taps of each block's depthwise convolution."""
    names = [f"block_{i}_depthwise" for i in range(1, 17)]
    return [network.tier("plain").get_layer(name).dilation_rate[0] for name in names]


@pytest.fixture(scope="module")
def network(images: np.ndarray) -> kit.DeepLabV3:
    """Two early exits and two configurations, with statistics that are no longer the start's."""
    keras.utils.set_random_seed(6)
    network = small(
        output_stride=8, exits=EXITS, configurations={"lean": SKIPPING, "plain": "h" * 16}
    )
    randomised(network)
    heads = [*(exit_.head for exit_ in network.exit_heads), network.head]
    for tier, head in zip(network.exits_of("plain"), heads, strict=True):
        # So that no bias decides the class of every pixel.
        raw = numpy(network.logits_model(tier)(images)["logits"])
        head.classify.bias.assign(head.classify.bias - raw.mean((0, 1, 2)))
    return network


@pytest.fixture(scope="module")
def plain() -> dict[int, kit.DeepLabV3]:
    """Networks of either output stride, not square."""
    return {stride: small(output_stride=stride, image_size=(64, 48)) for stride in (8, 16)}


# === Backbone ===


def features(network: kit.DeepLabV3, images: np.ndarray) -> list[np.ndarray]:
    model = network.tier("plain")
    outputs = [model.get_layer(name).output for name in ENDS]
    return [numpy(x) for x in keras.Model(model.inputs, outputs)([images])]


def assert_is_published(network: kit.DeepLabV3, reference: keras.Model, images: np.ndarray) -> None:
    """Every block gives what the published network gives, with pixels between where it dilates."""
    reference = keras.Model(reference.inputs, [reference.get_layer(name).output for name in ENDS])
    expected = [numpy(x) for x in reference([images / 127.5 - 1.0])]
    actual = features(network, images)
    for name, ours, theirs, stride in zip(ENDS, actual, expected, STRIDES, strict=True):
        finer = max(stride // network.output_stride, 1)
        assert ours.shape[1:3] == (theirs.shape[1] * finer, theirs.shape[2] * finer), name
        assert theirs.std() > 0.01
        # A stride of 2 with padding "same" looks at pixels 0, 1 and 2 first: its middle is odd.
        sampled = ours[:, finer - 1 :: finer, finer - 1 :: finer]
        np.testing.assert_allclose(
            sampled, theirs, atol=1e-4 * max(np.abs(theirs).max(), 1), err_msg=name
        )


def test_every_block_is_the_published_one_where_that_has_a_pixel(
    images: np.ndarray, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(5)
    reference = keras.applications.MobileNetV2(
        input_shape=(*IMAGE_SIZE, 3), alpha=0.35, include_top=False, weights=None
    )
    randomised(reference).save_weights(tmp_path / "random.weights.h5")
    network = small(output_stride=8, encoder_weights=tmp_path / "random.weights.h5")
    assert_is_published(network, reference, images)
    other = small(output_stride=16)
    other.set_weights(network.get_weights())
    assert_is_published(other, reference, images)

    tier, last = network.tier("plain"), ("Conv_1", "Conv_1_bn")
    backbone = keras.Model(tier.inputs, tier.get_layer(ENDS[-1]).output)
    assert backbone.count_params() == reference.count_params() - sum(
        reference.get_layer(name).count_params() for name in last
    )


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [(8, [1] * 6 + [2] * 7 + [4] * 3), (16, [1] * 13 + [2] * 3)],
)
def test_what_is_behind_a_lost_stride_dilates(
    plain: dict[int, kit.DeepLabV3], output_stride: int, expected: list[int]
) -> None:
    network = plain[output_stride]
    assert dilations(network) == expected
    strided = [
        unit.conv.name
        for unit in network._flatten_layers()
        if isinstance(unit, ConvNorm) and unit.conv.strides[0] == 2
    ]
    ends = ["Conv1", "block_1_depthwise", "block_3_depthwise", "block_6_depthwise"]
    assert sorted(strided) == ends[: {8: 3, 16: 4}[output_stride]]


# === Tiers ===


@pytest.mark.parametrize(
    ("backbone", "output_stride"), [("mobilenet_v2", 8), ("mobilenet_v2", 16), ("resnet50", 16)]
)
def test_logits_have_the_size_of_the_image(
    plain: dict[int, kit.DeepLabV3], backbone: str, output_stride: int, images: np.ndarray
) -> None:
    network = plain[output_stride]
    if backbone != network.backbone:
        config = {**network.get_config(), "backbone": backbone, "width": 1.0}
        network = kit.DeepLabV3.from_config(config)
    assert [str(tier) for tier in network.tiers] == ["plain"]
    assert len(network.configurations["plain"]) == len(network.blocks) == 16
    raw = network.logits_model("plain").output["logits"]
    assert raw.shape == (None, 64 // output_stride, 48 // output_stride, CLASSES)
    logits = numpy(network.tier("plain")(images[:1, :, :48]))
    assert logits.shape == (1, 64, 48, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    rates = [network.tier("plain").get_layer(f"deeplab_aspp{i}").dilation_rate for i in (1, 2, 3)]
    assert rates == [(k * 96 // output_stride,) * 2 for k in (1, 2, 3)]


def test_tiers_are_exits_of_every_configuration(network: kit.DeepLabV3, images: np.ndarray) -> None:
    names = ["lean_exit1", "lean_exit2", "lean", "plain_exit1", "plain_exit2", "plain"]
    assert [str(tier) for tier in network.tiers] == names
    assert network.default_tier == kit.Tier("plain")
    logits = [numpy(network.tier(name)(images)) for name in names]
    for i, one in enumerate(logits):
        assert one.shape == (4, *IMAGE_SIZE, CLASSES)
        assert all(np.abs(one - other).max() > 1e-3 for other in logits[:i])
    joint = network.joint_model(network.tiers)(images)
    for one, together in zip(logits, joint, strict=True):
        np.testing.assert_allclose(numpy(together), one, atol=1e-4)
    macs = [network.profile(name).macs for name in names]
    assert macs == sorted(macs[:3]) + sorted(macs[3:])


@pytest.mark.parametrize("configuration", ["lean", "plain"])
def test_chained_stages_equal_the_tiers(
    network: kit.DeepLabV3, images: np.ndarray, configuration: str
) -> None:
    given: Any = images
    for stage, tier in enumerate(network.exits_of(configuration), start=1):
        outputs = {k: numpy(v) for k, v in network.stage(configuration, stage)(given).items()}
        expected = {k: numpy(v) for k, v in network.predictor(tier)(images).items()}
        np.testing.assert_array_equal(outputs.pop("mask"), expected["mask"])
        np.testing.assert_allclose(outputs.pop("confidence"), expected["confidence"], atol=1e-6)
        assert configuration == "lean" or len(np.unique(expected["mask"])) > 1
        given = outputs
        assert list(given) == ([] if tier.exit is None else ["state_x"])


def test_each_configuration_normalises_by_itself_in_the_head(network: kit.DeepLabV3) -> None:
    unit = network.head.refine
    assert unit.paths == ["h" * 16, SKIPPING]
    assert unit.norms[0].moving_mean is not unit.norms[1].moving_mean
    assert unit.norms[0].gamma is unit.norms[1].gamma


def test_training_moves_every_variable(images: np.ndarray, labels: np.ndarray) -> None:
    keras.utils.set_random_seed(7)
    network = small(output_stride=8)
    network.compile(
        optimizer=keras.optimizers.SGD(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    before = [numpy(v) for v in network.trainable_variables]
    history = network.fit(images, labels, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for variable, value in zip(network.trainable_variables, before, strict=True):
        assert not np.array_equal(numpy(variable), value), variable.path


# === Saving ===


def test_a_saved_network_is_the_same(
    network: kit.DeepLabV3, images: np.ndarray, tmp_path: Path
) -> None:
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded, kit.DeepLabV3)
    assert loaded.get_config() == network.get_config()
    assert loaded.tiers == network.tiers
    outputs = [model.joint_model(model.tiers)(images) for model in (network, loaded)]
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(numpy(other), numpy(one), atol=1e-5)


def test_the_configuration_has_every_argument() -> None:
    arguments = {
        "num_classes": 3,
        "image_size": (32, 48),
        "backbone": "mobilenet_v2",
        "output_stride": 8,
        "width": 0.5,
        "head_channels": 4,
        "configurations": {"lean": SKIPPING, "all": "h" * 16},
        "exits": [Exit(after=2, head="fcn").to_dict()],
        "image_thresholds": {"lean_exit1": 0.5},
        "training_record": {"seed": 3},
        "name": "mine",
    }
    config = {**arguments, "encoder_weights": None}
    assert kit.DeepLabV3.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "vgg16"}, "`backbone` must be mobilenet_v2 or resnet50; received: 'vgg16'"),
        ({"output_stride": 32}, "`output_stride` must be 8 or 16; received: 32"),
        ({"image_size": (64, 72)}, r"`image_size` .* output stride 16; received: \(64, 72\)"),
        ({"image_size": (0, 64)}, r"`image_size` .* received: \(0, 64\)"),
        ({"width": 0.2}, "`width` must be 0.35 or more for mobilenet_v2 .* received: 0.2"),
        ({"backbone": "resnet50", "width": 0.5}, "`width` .* received: 0.5 for resnet50"),
        ({"head_channels": 0}, "`head_channels` must be 1 or more; received: 0"),
        ({"num_classes": 1}, "`num_classes` must be 2 to 255; received: 1"),
        ({"configurations": {"least": "l" * 16}}, "block 1 .* must be one of heavy"),
        ({"configurations": {"short": "h" * 15}}, "16 branches"),
        ({"exits": [{"after": 16}]}, "`exits` must stand behind 1 to 15 blocks"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**arguments)
