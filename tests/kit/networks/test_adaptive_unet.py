"""Tiers of a U-Net+PTA: their graphs, what they give, and how they are saved."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.layers import PathBatchNormalization
from kit.networks.presets import ADAPTIVE_UNET
from kit.search import ExitPolicy
from kit.tiers import Tier
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


@pytest.fixture(scope="module")
def logits(network: kit.AdaptiveUNet, images: np.ndarray) -> dict[str, np.ndarray]:
    """What each tier gives for the images."""
    return {tier.name: numpy(network.tier(tier)(images)) for tier in network.tiers}


@pytest.mark.parametrize("tier", ADAPTIVE_UNET)
def test_logits_have_the_size_of_the_image(logits: dict[str, np.ndarray], tier: str) -> None:
    assert logits[tier].shape == (4, *IMAGE_SIZE, CLASSES)
    assert logits[tier].dtype == np.float32
    assert np.isfinite(logits[tier]).all()


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(ADAPTIVE_UNET, 2)))
def test_no_two_tiers_give_the_same(logits: dict[str, np.ndarray], one: str, other: str) -> None:
    assert np.max(np.abs(logits[one] - logits[other])) > 1e-3


def test_the_network_itself_runs_its_default_tier(
    network: kit.AdaptiveUNet, logits: dict[str, np.ndarray], images: np.ndarray
) -> None:
    assert [str(tier) for tier in network.tiers] == list(ADAPTIVE_UNET)
    assert network.default_tier == Tier("heavy")
    np.testing.assert_array_equal(numpy(network(images)), logits["heavy"])


@pytest.mark.parametrize("threshold", [0.25, 0.5])
@pytest.mark.parametrize("tier", ADAPTIVE_UNET)
def test_the_predictor_agrees_with_numpy(
    network: kit.AdaptiveUNet, images: np.ndarray, tier: str, threshold: float
) -> None:
    policy = ExitPolicy(pixel_threshold=threshold)
    outputs = {k: numpy(v) for k, v in network.predictor(tier, policy)(images).items()}
    assert outputs.keys() == {"mask", "confidence"}
    raw = numpy(network.logits_model(tier)(images)["logits"]).astype("float64")
    stride = IMAGE_SIZE[0] // raw.shape[1]
    assert raw.shape == (4, IMAGE_SIZE[0] // stride, IMAGE_SIZE[1] // stride, CLASSES)

    seen = raw[:, :: 8 // stride, :: 8 // stride]
    chances = np.exp(seen - seen.max(-1, keepdims=True))
    chances /= chances.sum(-1, keepdims=True)
    expected = (chances.max(-1) >= threshold).mean((1, 2))
    assert outputs["confidence"].dtype == np.float32
    assert ((outputs["confidence"] >= 0) & (outputs["confidence"] <= 1)).all()
    np.testing.assert_allclose(outputs["confidence"], expected, atol=1.5 / seen[0, :, :, 0].size)

    repeat = stride // 2
    finer = keras.layers.UpSampling2D(stride // repeat, interpolation="bilinear")(raw)
    mask = numpy(finer).argmax(-1).repeat(repeat, 1).repeat(repeat, 2)
    assert outputs["mask"].dtype == np.uint8
    assert outputs["mask"].shape == (4, *IMAGE_SIZE)
    assert tier == "light" or len(np.unique(outputs["mask"])) > 1
    assert outputs["mask"].max() < CLASSES
    assert (outputs["mask"] == mask).mean() > 0.999


def test_light_skips_the_blocks_that_have_a_shortcut(network: kit.AdaptiveUNet) -> None:
    names = {layer.name for layer in network.tier("light").layers}
    skipped = [
        block.heavy
        for block, letter in zip(
            network.encoder_blocks, network.configurations["light"], strict=False
        )
        if letter == "l"
    ]
    assert len(skipped) == 7
    assert all(unit.conv.name not in names for block in skipped for unit in block.units)
    assert network.encoder_blocks[0].heavy.project.conv.name in names


@pytest.mark.parametrize("name", ["huge", "light_32x32", "h" * 19, "s" * 20, Tier("big")])
def test_an_unknown_tier_gives_the_names_that_exist(
    network: kit.AdaptiveUNet, name: str | Tier
) -> None:
    with pytest.raises(InputError, match="received") as error:
        network.tier(name)
    if name != "s" * 20:
        assert "light, quick, medium, balanced, strong, heavy" in str(error.value)
    assert network.configurations == dict(ADAPTIVE_UNET)


@pytest.mark.parametrize("name", ["light_exit1", "big_exit2"])
def test_a_network_without_early_exits_says_so(network: kit.AdaptiveUNet, name: str) -> None:
    with pytest.raises(InputError, match=f"has no early exits; received: '{name}'"):
        network.tier(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (64, 65)}, r"`image_size` .* multiples of 32; received: \(64, 65\)"),
        ({"image_size": (0, 64)}, r"`image_size` .* received: \(0, 64\)"),
        ({"decoder_widths": (8, 8, 8)}, r"`decoder_widths` .* received: \(8, 8, 8\)"),
        ({"light_expansion": 1}, "`light_expansion` must be 2 to 6, or `None`; received: 1"),
        ({"light_expansion": 7}, "`light_expansion` must be 2 to 6, or `None`; received: 7"),
        ({"configurations": {"least": "l" * 20}}, "block 1 .* must be one of heavy"),
        ({"adaptive": False, "configurations": {"x": "tiny"}}, "one of the presets plain"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small_unet(**arguments)


@pytest.mark.parametrize("count", [1, 256])
def test_the_number_of_classes_is_limited(count: int) -> None:
    with pytest.raises(InputError, match=f"`num_classes` must be 2 to 255; received: {count}"):
        kit.AdaptiveUNet(count, IMAGE_SIZE, width=0.35)


def test_the_plain_network_is_the_heavy_path_alone() -> None:
    plain = small_unet(adaptive=False)
    assert [str(tier) for tier in plain.tiers] == ["plain"]
    assert all("light" not in layer.name for layer in plain.tier("plain").layers)


# === Saving ===


def assert_same(one: kit.AdaptiveUNet, other: kit.AdaptiveUNet, images: np.ndarray) -> None:
    assert one.configurations == other.configurations
    for tier in one.tiers:
        np.testing.assert_allclose(
            numpy(one.tier(tier)(images)), numpy(other.tier(tier)(images)), atol=1e-5
        )


def test_a_saved_network_is_the_same_with_a_custom_configuration_and_its_optimizer(
    network: kit.AdaptiveUNet, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    saved = network.resized(IMAGE_SIZE)
    saved.training_record = {"seed": 7, "labels": [{"id": 0, "name": "road", "color": [1, 2, 3]}]}
    tier = saved.add_configuration("mine", "hlhll" + "h" * 11 + "hlhs")
    assert tier in saved.tiers
    assert saved.default_tier == Tier("heavy")
    saved.compile(
        optimizer=keras.optimizers.AdamW(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
        schedule=kit.training.SingleTier("mine"),
    )
    saved.fit(images[:2], labels[:2], batch_size=2, verbose=0)
    saved.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded, kit.AdaptiveUNet)
    assert loaded.training_record == saved.training_record
    assert_same(saved, loaded, images)
    pairs = list(zip(saved.optimizer.variables, loaded.optimizer.variables, strict=True))
    assert any(np.any(numpy(variable)) for variable, _ in pairs[2:])
    for before, after in pairs:
        np.testing.assert_array_equal(numpy(before), numpy(after))


def test_a_new_configuration_starts_from_the_statistics_that_exist(
    network: kit.AdaptiveUNet,
) -> None:
    wider = network.resized(IMAGE_SIZE)
    wider.add_configuration("mine", "hlhllhhhhhhhhhhhhhhs")
    norms = [n for n in wider.tier("mine").layers if isinstance(n, PathBatchNormalization)]
    assert all(np.any(numpy(norm.moving_mean)) for norm in norms)
    with pytest.raises(InputError, match=r"`name` must not be one of mine, light.*'heavy'"):
        wider.add_configuration("heavy", "l" * 20 if wider.light_expansion else "h" * 20)


@pytest.mark.parametrize("tier", ["light", "heavy"])
def test_a_tier_can_be_saved_alone(
    network: kit.AdaptiveUNet, images: np.ndarray, tmp_path: Path, tier: str
) -> None:
    network.tier(tier).save(tmp_path / "tier.keras")
    loaded = keras.saving.load_model(tmp_path / "tier.keras")
    assert loaded.count_params() == network.profile(tier).parameters
    np.testing.assert_allclose(numpy(loaded(images)), numpy(network.tier(tier)(images)), atol=1e-5)


def test_a_resized_network_has_the_same_weights(
    network: kit.AdaptiveUNet, images: np.ndarray
) -> None:
    larger = network.resized((96, 64))
    assert larger.image_size == (96, 64)
    assert larger.tier("light").output_shape == (None, 96, 64, CLASSES)
    for one, other in zip(network.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert_same(network, larger.resized(IMAGE_SIZE), images)


# === Statistics ===


def test_recalibration_gives_the_statistics_of_the_batches(
    network: kit.AdaptiveUNet, images: np.ndarray
) -> None:
    copy = network.resized(IMAGE_SIZE)
    before = {v.path: numpy(v) for v in copy.non_trainable_variables}
    trainable = [numpy(v) for v in copy.trainable_variables]
    copy.recalibrate([images[:2], (images[2:], None)], tiers=["light"])

    inputs = numpy(copy.stem.conv(images / 127.5 - 1.0)).astype("float64")
    norm = copy.stem.norm("")
    np.testing.assert_allclose(numpy(norm.moving_mean), inputs.mean((0, 1, 2)), atol=1e-5)
    variance = (inputs[:2].var((0, 1, 2)) + inputs[2:].var((0, 1, 2))) / 2
    np.testing.assert_allclose(numpy(norm.moving_variance), variance, rtol=1e-4)
    assert norm.momentum == 0.95

    own = {v.path for v in copy.tier("light").non_trainable_variables}
    for variable in copy.non_trainable_variables:
        same = np.array_equal(numpy(variable), before[variable.path])
        assert same == (variable.path not in own), variable.path
    for variable, value in zip(copy.trainable_variables, trainable, strict=True):
        np.testing.assert_array_equal(numpy(variable), value)


def test_batches_that_can_be_read_once_are_refused(
    network: kit.AdaptiveUNet, images: np.ndarray
) -> None:
    with pytest.raises(InputError, match="`batches` must be readable once for each configuration"):
        network.recalibrate(batch for batch in [images])
