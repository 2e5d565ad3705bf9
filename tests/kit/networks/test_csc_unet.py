"""CSC-Unet: what unfoldings cost, its dial, and that tiers, stages and files hold."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.quantization.packed import pack, unpack
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, trained_dictionaries

SIZE = (32, 48)
DIAL = {"t0": "l" * 9, "t1": "o" * 9, "t2": "h" * 9}
CHANNELS = (2, 4, 8, 16, 32, 16, 8, 4, 2)


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def small(**arguments: Any) -> kit.CSCUNet:
    sizes: dict[str, Any] = {"num_classes": CLASSES, "image_size": SIZE, "width": 1 / 32}
    return kit.CSCUNet(**{**sizes, **arguments})


@pytest.fixture(scope="module")
def dial() -> kit.CSCUNet:
    keras.utils.set_random_seed(1)
    network = randomised(small(configurations=DIAL, exits=[{"after": 3}]))
    trained_dictionaries(network.blocks)
    return network


@pytest.fixture(scope="module")
def plain() -> kit.CSCUNet:
    return small(unfoldings=0)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (2, *SIZE, 3)).astype("float32")


def test_it_has_a_bias_and_a_step_more_for_each_dictionary(
    dial: kit.CSCUNet, plain: kit.CSCUNet
) -> None:
    more = 2 * (sum(CHANNELS) + len(CHANNELS))
    for tier in DIAL:
        assert dial.profile(tier).parameters == plain.profile("plain").parameters + more


def test_each_unfolding_costs_twice_the_encoding(dial: kit.CSCUNet, plain: kit.CSCUNet) -> None:
    """Of the convolutions of all blocks; those that are not unfolded cost what they did."""
    base = plain.profile("plain").macs
    pixels = SIZE[0] * SIZE[1]
    read = (3, *CHANNELS[:4], *(2 * count for count in CHANNELS[5:]))
    of_blocks = [
        9 * pixels // 4**level * (taken + given) * given
        for level, taken, given in zip((0, 1, 2, 3, 4, 3, 2, 1, 0), read, CHANNELS, strict=True)
    ]
    macs = [dial.profile(tier).macs for tier in DIAL]
    assert macs == [base + 2 * count * sum(of_blocks) for count in (0, 1, 2)]
    encoder = small(where="encoder").profile("t2").macs
    decoder = small(where="decoder", unfoldings=1).profile("t1").macs
    assert encoder == base + 4 * sum(of_blocks[:5])
    assert decoder == base + 2 * sum(of_blocks[5:])


def test_the_dial_shares_all_weights_and_changes_what_is_seen(
    dial: kit.CSCUNet, image: np.ndarray
) -> None:
    models = [dial.tier(tier) for tier in DIAL]
    trained = [{id(variable) for variable in model.trainable_variables} for model in models]
    assert trained[0] == trained[1] == trained[2]
    seen = [numpy(model(image)) for model in models]
    assert seen[0].shape == (2, *SIZE, CLASSES)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(seen[one] - seen[other]).max() > 0.01


def test_a_mixture_may_be_added_after_training(image: np.ndarray) -> None:
    network = small(configurations=DIAL)
    network.add_configuration("mine", "hhoolooll")
    network.recalibrate([image], ["mine"])
    costs = [network.profile(tier).macs for tier in ("t0", "mine", "t2")]
    assert costs == sorted(set(costs))


def test_stages_equal_the_tiers(dial: kit.CSCUNet, image: np.ndarray) -> None:
    given: Any = image
    for stage, tier in enumerate(dial.exits_of("t2"), start=1):
        given = {key: numpy(value) for key, value in dial.stage("t2", stage)(given).items()}
        expected = dial.predictor(tier)(image)
        assert (given.pop("mask") == numpy(expected["mask"])).mean() > 0.999
        given.pop("confidence")
        handed_on = {f"state_{key}" for key in ("x", "encoder1", "encoder2", "encoder3")}
        assert set(given) == (handed_on if stage == 1 else set())


def test_it_is_loaded_as_it_was_saved(dial: kit.CSCUNet, image: np.ndarray, tmp_path: Path) -> None:
    dial.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.get_config() == dial.get_config()
    for tier in DIAL:
        expected = numpy(dial.tier(tier)(image))
        np.testing.assert_allclose(numpy(loaded.tier(tier)(image)), expected, atol=1e-5)
    larger = dial.resized((48, 64))
    assert larger.tier("t1").output_shape == (None, 48, 64, CLASSES)


def test_with_few_bits_it_is_packed_as_it_is(image: np.ndarray, tmp_path: Path) -> None:
    """Dictionaries stay in float32, for two kernels are made of each."""
    options = {"policy": "qat", "weight_bits": 4, "activation_bits": 8}
    quantized = kit.quantize(small(unfoldings=1), options, [image])
    pack(quantized, tmp_path / "network.packed")
    unpacked = unpack(tmp_path / "network.packed")
    expected = numpy(quantized.tier("t1")(image))
    assert expected.std() > 0
    np.testing.assert_allclose(numpy(unpacked.tier("t1")(image)), expected, atol=1e-5)


def test_integer_training_is_for_networks_without_unfoldings(
    plain: kit.CSCUNet, image: np.ndarray
) -> None:
    quantized = kit.quantize(plain, "integer", [image])
    assert np.isfinite(numpy(quantized.tier("plain")(image))).all()
    with pytest.raises(InputError, match="'encoder1_conv1' must have a kernel of its own"):
        kit.quantize(small(), "integer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (24, 32)}, r"`image_size` .* multiples of 16; received: \(24, 32\)"),
        ({"width": 0.01}, "`width` must be 1/64 or more.*; received: 0.01"),
        ({"where": "head"}, "`where` must be one of both, encoder, decoder; received: 'head'"),
        ({"unfoldings": -1}, "`unfoldings` must be 0 or more; received: -1"),
        (
            {"where": "encoder", "configurations": {"t0": "l" * 9}},
            "block 6 .* must be one of heavy; received: 'light'",
        ),
        (
            {"unfoldings": 1, "configurations": {"t1": "o" * 9}},
            "block 1 .* must be one of light, heavy; received: 'once'",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**arguments)
