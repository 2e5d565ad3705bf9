"""ELU-Net: its published size, its wiring, and that tiers, stages and files hold."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES

SIZE = (32, 48)


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def small(**arguments: Any) -> kit.ELUNet:
    sizes: dict[str, Any] = {"num_classes": CLASSES, "image_size": SIZE, "width": 0.125}
    return kit.ELUNet(**{**sizes, **arguments})


@pytest.fixture(scope="module")
def network() -> kit.ELUNet:
    keras.utils.set_random_seed(1)
    return randomised(small(exits=[{"after": 2}, {"after": 6}]))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (2, *SIZE, 3)).astype("float32")


@pytest.mark.parametrize(("width", "published"), [(0.5, 800_113), (1.0, 3_194_081)])
def test_it_has_the_published_parameters(width: float, published: int) -> None:
    """For one channel in and out, and with biases of convolutions that a normalisation follows."""
    n = round(16 * width)
    trained = small(num_classes=2, width=width).trainable_variables
    biases = 2 * (16 + 2 * (8 + 4 + 2 + 1)) * n
    colours, second_class = 9 * 2 * n, n + 1
    found = sum(math.prod(variable.shape) for variable in trained)
    assert found == published - biases + colours + second_class


def test_the_decoder_sees_maps_of_its_own_and_of_coarser_scales(network: kit.ELUNet) -> None:
    plain = network.tier("plain")
    n = 2
    found = [plain.get_layer(f"decoder{k}_concatenate").output.shape[1:] for k in (4, 3, 2, 1)]
    assert found == [
        (4, 6, 2 * 8 * n),
        (8, 12, 3 * 4 * n),
        (16, 24, 4 * 2 * n),
        (32, 48, 5 * n),
    ]
    assert network.logits_model("plain").output["logits"].shape == (None, *SIZE, CLASSES)


def test_stages_equal_the_tiers(network: kit.ELUNet, image: np.ndarray) -> None:
    handed_on = [{"x", "encoder1", "encoder2"}, {"x", *(f"encoder{k}" for k in range(1, 5))}, set()]
    given: Any = image
    for stage, tier in enumerate(network.exits_of("plain"), start=1):
        given = {key: numpy(value) for key, value in network.stage("plain", stage)(given).items()}
        expected = network.predictor(tier)(image)
        assert (given.pop("mask") == numpy(expected["mask"])).mean() > 0.999
        given.pop("confidence")
        assert set(given) == {f"state_{key}" for key in handed_on[stage - 1]}


def test_with_a_tail_it_is_j_net(image: np.ndarray, tmp_path: Path) -> None:
    network = randomised(small(num_classes=2, image_size=(16, 16)).with_tail((256, 256)))
    assert [tail.parameters for tail in network.tails] == [112]  # as published, for one logit
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.get_config() == network.get_config()
    seen = image[:, :16, :16]
    logits = numpy(network.tier("plain")(seen))
    assert logits.shape == (2, 256, 256, 2)
    np.testing.assert_allclose(numpy(loaded.tier("plain")(seen)), logits, atol=1e-4)


@pytest.mark.parametrize("policy", ["qat", "integer"])
def test_it_runs_in_8_bits(policy: str, image: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    quantized = kit.quantize(small(), policy, [image])
    assert np.isfinite(numpy(quantized.tier("plain")(image))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (24, 32)}, r"`image_size` .* multiples of 16; received: \(24, 32\)"),
        ({"width": 0.01}, "`width` must be 1/16 or more.*; received: 0.01"),
        ({"exits": [{"after": 9}]}, "`exits` must stand behind 1 to 8 blocks"),
        ({"configurations": {"short": "h" * 8}}, "9 branches"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**arguments)
