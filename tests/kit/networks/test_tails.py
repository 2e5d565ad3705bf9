"""Networks with a tail: larger logits and masks in every tier, exit and stage."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.losses import MultiLevelLoss
from kit.training import PTASampling
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, small_unet

SIZE, LARGE = (32, 32), (128, 128)
EXITS = ({"after": 2}, {"after": 4})


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def small(**arguments: Any) -> kit.FCNVGG16:
    return kit.FCNVGG16(CLASSES, SIZE, width=0.05, **arguments)


def image(count: int = 2) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (count, *SIZE, 3)).astype("float32")


@pytest.fixture(scope="module")
def base() -> kit.FCNVGG16:
    keras.utils.set_random_seed(3)
    network = randomised(small(exits=EXITS))
    rng = np.random.default_rng(7)
    for skip in network.head.skips:
        skip.kernel.assign(rng.normal(0, 0.3, skip.kernel.shape))
    # So that no bias decides the class of every pixel.
    last = [*(exit_.head.classify for exit_ in network.exit_heads), network.head.score]
    for tier, layer in zip(network.tiers, last, strict=True):
        raw = numpy(network.logits_model(tier)(image())["logits"])
        layer.bias.assign(layer.bias - raw.mean((0, 1, 2)))
    return network


@pytest.fixture(scope="module")
def network(base: kit.FCNVGG16) -> kit.FCNVGG16:
    return base.with_tail(LARGE)


def test_every_exit_has_a_tail_of_its_own(network: kit.FCNVGG16, base: kit.FCNVGG16) -> None:
    assert [tail.parameters for tail in network.tails] == [26 * CLASSES**2 + 4 * CLASSES] * 3
    assert base.output_size == SIZE
    assert network.output_size == LARGE
    for tier in network.tiers:
        assert network.tier(tier).output_shape == (None, *LARGE, CLASSES)
        outputs = network.predictor(tier).output
        assert outputs["mask"].shape == (None, *LARGE)
        assert outputs["confidence"].shape == (None,)
        extra = network.profile(tier).parameters - base.profile(tier).parameters
        assert extra == network.tails[0].parameters


def test_it_begins_as_interpolation(network: kit.FCNVGG16, base: kit.FCNVGG16) -> None:
    enlarge = keras.layers.UpSampling2D(4, interpolation="bilinear")
    for tier in network.tiers:
        before, after = base.tier(tier)(image()), network.tier(tier)(image())
        # Twice by two is not once by four, but near it.
        expected, found = numpy(enlarge(before)), numpy(after)
        inner = (slice(None), slice(8, -8), slice(8, -8))
        assert expected.std() > 0.01
        assert np.abs(found - expected)[inner].mean() < 0.1 * expected.std()


@pytest.mark.parametrize("policy", ["float32", "qat", "integer"])
def test_stages_equal_the_tiers(network: kit.FCNVGG16, policy: str) -> None:
    if policy != "float32":
        network = kit.quantize(network, policy, [image()])
    given: Any = image()
    for stage, tier in enumerate(network.exits_of("plain"), start=1):
        given = network.stage("plain", stage)(given)
        expected = network.predictor(tier)(image())
        assert (numpy(given.pop("mask")) == numpy(expected["mask"])).mean() > 0.999
        np.testing.assert_allclose(
            numpy(given.pop("confidence")), numpy(expected["confidence"]), atol=1e-3
        )
    assert not given


def test_the_mask_is_that_of_the_logits(network: kit.FCNVGG16) -> None:
    for tier in network.tiers:
        logits = numpy(network.tier(tier)(image()))
        mask = numpy(network.predictor(tier)(image())["mask"])
        assert len(np.unique(mask)) > 1
        np.testing.assert_array_equal(mask, logits.argmax(-1))


def test_every_configuration_shares_the_tail() -> None:
    network = small_unet(image_size=SIZE, tail={"scale": 2, "depthwise": True})
    assert len(network.tails) == 1
    assert network.tails[0].parameters == 10 * CLASSES
    for tier in network.tiers:
        assert network.predictor(tier).output["mask"].shape == (None, 64, 64)


@pytest.mark.parametrize(
    "make", [{"depthwise": False}, {"depthwise": True}, {"kind": "pixel_shuffle"}], ids=str
)
def test_a_saved_network_is_the_same(
    base: kit.FCNVGG16, make: dict[str, Any], tmp_path: Path
) -> None:
    network = randomised(base.with_tail((256, 256), **make))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.get_config() == network.get_config()
    assert loaded.tail == network.tail
    for tier in network.tiers:
        np.testing.assert_allclose(
            numpy(loaded.tier(tier)(image())), numpy(network.tier(tier)(image())), atol=1e-4
        )


def test_other_exits_leave_the_tails_that_stay(network: kit.FCNVGG16) -> None:
    fewer = randomised(network.with_exits(EXITS)).with_exits(EXITS[:1])
    assert fewer.output_size == LARGE
    assert [tail.name for tail in fewer.tails] == ["exit_2_fcn_tail_high_res", "tail_high_res"]
    assert numpy(fewer.tails[1].enlargement.refine[0].bias).any()


def test_levels_are_those_of_the_tiers(network: kit.FCNVGG16) -> None:
    levels = network.levels_model(network.tiers)(image())
    for tier in network.tiers:
        of_tier = levels[tier.name]
        assert [level.shape[1] for level in of_tier] == [32, 64, 128]
        np.testing.assert_allclose(
            numpy(of_tier[-1]), numpy(network.tier(tier)(image())), atol=1e-5
        )


def test_without_it_the_network_is_what_it_was(network: kit.FCNVGG16, base: kit.FCNVGG16) -> None:
    plain = network.without_tail()
    assert plain.get_config() == base.get_config()
    for tier in base.tiers:
        np.testing.assert_array_equal(
            numpy(plain.tier(tier)(image())), numpy(base.tier(tier)(image()))
        )


def test_levels_need_a_tail(base: kit.FCNVGG16) -> None:
    with pytest.raises(InputError, match="levels need a `tail`"):
        base.levels_model(base.tiers)


def test_sizes_that_do_not_fit_are_named(base: kit.FCNVGG16) -> None:
    with pytest.raises(InputError, match=r"`output_size` must be 2, 4, 8 or 16 times .*\(96, 96\)"):
        base.with_tail((96, 96))


# === Training ===


def test_a_step_trains_every_level() -> None:
    keras.utils.set_random_seed(4)
    network = small_unet(image_size=SIZE, tail={"scale": 4})
    labels = np.random.default_rng(5).integers(0, CLASSES, (2, *LARGE)).astype("int32")
    labels[:, :5] = 255
    network.compile(
        keras.optimizers.SGD(0.05),
        loss=MultiLevelLoss(),
        metrics=[kit.metrics.MeanIoU(CLASSES)],
        schedule=PTASampling(seed=0),
        run_eagerly=True,
    )
    before = {v.path: numpy(v) for tail in network.tails for v in tail.trainable_variables}
    tier = network.schedule.draw(0)
    levels = network.levels_model(tier)(image(), training=True)
    expected = sum(float(network.loss(labels, of_tier)) for of_tier in levels.values())
    logs = network.train_on_batch(image(), labels, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    for tail in network.tails:
        for variable in tail.trainable_variables:
            assert not np.array_equal(numpy(variable), before[variable.path]), variable.path


def test_it_is_judged_on_the_last_level_alone() -> None:
    network = small(tail={"scale": 2})
    network.compile("sgd", loss=MultiLevelLoss(), run_eagerly=True)
    labels = np.random.default_rng(5).integers(0, CLASSES, (2, 64, 64)).astype("int32")
    expected = float(MultiLevelLoss()(labels, network.tier("plain")(image())))
    logs = network.test_on_batch(image(), labels, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
