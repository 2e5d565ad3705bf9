"""FCN: its head, tiers and file."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE


def small(**arguments: object) -> kit.FCN:
    return kit.FCN(CLASSES, IMAGE_SIZE, width=0.35, **arguments)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_logits_have_the_size_of_the_image(output_stride: int, images: np.ndarray) -> None:
    network = small(output_stride=output_stride)
    raw = network.logits_model("plain").output["logits"]
    side = IMAGE_SIZE[0] // output_stride
    assert raw.shape == (None, side, side, CLASSES)
    logits = np.asarray(network.tier("plain")(images))
    assert logits.shape == (4, *IMAGE_SIZE, CLASSES)
    assert np.isfinite(logits).all()


def test_the_head_is_a_quarter_as_wide_as_the_features() -> None:
    network = small()
    assert network.feature_channels == 112
    model = network.tier("plain")
    assert model.get_layer("fcn_conv").kernel.shape == (3, 3, 112, 28)
    backbone = keras.Model(model.inputs, model.get_layer("block_16_project_BN").output)
    head = 3 * 3 * 112 * 28 + 4 * 28 + 28 * CLASSES + CLASSES
    assert model.count_params() == backbone.count_params() + head


def test_a_saved_network_with_exits_is_the_same(images: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(2)
    network = randomised(small(exits=[{"after": 5}], training_record={"seed": 2}))
    assert [str(tier) for tier in network.tiers] == ["plain_exit1", "plain"]
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded, kit.FCN)
    assert loaded.get_config() == network.get_config()
    outputs = [model.joint_model(model.tiers)(images) for model in (network, loaded)]
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), atol=1e-5)


def test_other_exits_leave_the_trunk_as_it_is(images: np.ndarray) -> None:
    network = randomised(small())
    wider = network.with_exits([{"after": 3}, {"after": 8, "head": "fcn-r2"}])
    assert [str(tier) for tier in wider.tiers] == ["plain_exit1", "plain_exit2", "plain"]
    one, other = (np.asarray(model.tier("plain")(images)) for model in (network, wider))
    np.testing.assert_allclose(other, one, atol=1e-6)
