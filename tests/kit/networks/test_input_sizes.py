"""Networks for several sizes of images: one set of weights, masks of the native size."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks.input_sizes import parse_sizes
from kit.tiers import Tier
from kit.training import PTASampling
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, small_unet

NATIVE, HALF, ODD = (64, 96), (32, 48), (48, 64)
"""Of the last, neither side divides the native one."""
CONFIGURATIONS = {"lean": "hlhhlhlllhhlhhlhllls", "rich": "h" * 16 + "bbbb"}
SMALL = (32, 64)
EXITS = ({"after": 2}, {"after": 4, "policy": {"measure": "entropy", "edge_aware": True}})


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def pictures(size: tuple[int, int], count: int = 2) -> np.ndarray:
    """Blocks of colour, float32 0–255."""
    blocks = np.random.default_rng(2).uniform(0, 255, (count, 4, 4, 3))
    return np.stack(
        [keras.utils.array_to_img(b, scale=False).resize(size[::-1], 0) for b in blocks]
    ).astype("float32")


def small_elu(**arguments: Any) -> kit.AdaptiveNetwork:
    """A network of logits at full size, of multiples of 16."""
    return kit.ELUNet(CLASSES, NATIVE, width=0.25, exits=EXITS, **arguments)


@pytest.fixture(scope="module")
def base() -> kit.AdaptiveNetwork:
    keras.utils.set_random_seed(3)
    return randomised(small_elu())


@pytest.fixture(scope="module")
def network(base: kit.AdaptiveNetwork) -> kit.AdaptiveNetwork:
    return base.with_input_sizes([ODD, HALF])


@pytest.fixture(scope="module")
def unet() -> kit.AdaptiveUNet:
    keras.utils.set_random_seed(4)
    return randomised(
        small_unet(image_size=NATIVE, configurations=CONFIGURATIONS, input_sizes=[SMALL])
    )


def test_tiers_are_configurations_times_sizes_times_exits(
    network: kit.AdaptiveNetwork, unet: kit.AdaptiveUNet
) -> None:
    assert network.input_sizes == (HALF, ODD)
    assert [str(tier) for tier in network.tiers] == [
        f"plain{size}{exit_}"
        for size in ("_32x48", "_48x64", "")
        for exit_ in ("_exit1", "_exit2", "")
    ]
    assert network.default_tier == Tier("plain")
    assert [str(tier) for tier in unet.tiers] == ["lean_32x64", "lean", "rich_32x64", "rich"]
    assert unet.tiers == unet.final_tiers


def test_names_resolve(network: kit.AdaptiveNetwork) -> None:
    assert network.resolve("plain_32x48_exit1") == Tier("plain", 1, HALF)
    assert network.resolve("plain_64x96_exit2") == Tier("plain", 2)
    assert network.exits_of("plain_48x64_exit1")[-1] == Tier("plain", input_size=ODD)
    with pytest.raises(InputError, match=r"must be one of plain_32x48_exit1, .*'plain_16x16'"):
        network.resolve("plain_16x16")


def test_weights_are_those_of_the_native_size(
    network: kit.AdaptiveNetwork, base: kit.AdaptiveNetwork, unet: kit.AdaptiveUNet
) -> None:
    before = [len(made.weights) for made in (network, unet)]
    for made, tiers in ((network, network.tiers), (unet, unet.tiers[:2])):
        for tier in tiers:
            assert made.profile(tier).parameters == made.profile(tier.native).parameters
    assert before == [len(made.weights) for made in (base, unet)]


@pytest.mark.parametrize("size", [HALF, ODD])
def test_a_tier_is_the_native_one_of_a_smaller_network(
    network: kit.AdaptiveNetwork, base: kit.AdaptiveNetwork, size: tuple[int, int]
) -> None:
    """Its logits are those of the network resized, then interpolated."""
    smaller = base.resized(size)
    for exit_ in (1, 2, None):
        tier = Tier("plain", exit_, size)
        found = numpy(network.tier(tier)(pictures(size)))
        raw = smaller.logits_model(tier.native)(pictures(size))["logits"]
        np.testing.assert_allclose(
            numpy(network.logits_model(tier)(pictures(size))["logits"]), numpy(raw), atol=1e-5
        )
        expected = numpy(keras.ops.image.resize(raw, NATIVE))
        assert found.shape == (2, *NATIVE, CLASSES)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert network.profile(tier).macs == smaller.profile(tier.native).macs


@pytest.mark.parametrize("tier", ["plain_32x48_exit1", "plain_48x64", "plain_48x64_exit2"])
def test_the_mask_keeps_the_native_size(network: kit.AdaptiveNetwork, tier: str) -> None:
    size = Tier.parse(tier).input_size
    assert size
    found = network.predictor(tier)(pictures(size))
    assert found["mask"].shape == (2, *NATIVE)
    expected = numpy(network.tier(tier)(pictures(size))).argmax(-1)
    # Part of the resolution is repeated.
    assert (numpy(found["mask"]) == expected).mean() > 0.85
    assert len(np.unique(expected)) > 1
    assert ((numpy(found["confidence"]) >= 0) & (numpy(found["confidence"]) <= 1)).all()


@pytest.mark.parametrize(("policy", "tail"), [("float32", None), ("qat", {"scale": 2})])
def test_stages_equal_the_tiers_and_last_through_a_file(
    policy: str, tail: dict[str, int] | None, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(5)
    made = kit.FCNVGG16(CLASSES, NATIVE, width=0.05, exits=EXITS, tail=tail, input_sizes=[SMALL])
    network = randomised(made)
    if policy != "float32":
        network = kit.quantize(network, policy, [pictures(NATIVE)])
        assert not network.arithmetic.uncalibrated(network.tier("plain_32x64"))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.get_config() == network.get_config()
    assert loaded.input_sizes == (SMALL,)
    large = (128, 192) if tail else NATIVE
    given: Any = pictures(SMALL)
    for stage, tier in enumerate(network.exits_of("plain_32x64"), start=1):
        given = network.stage("plain_32x64", stage)(given)
        expected = loaded.predictor(tier)(pictures(SMALL))
        assert expected["mask"].shape == (2, *large)
        assert (numpy(given.pop("mask")) == numpy(expected["mask"])).mean() > 0.999
        np.testing.assert_allclose(
            numpy(given.pop("confidence")), numpy(expected["confidence"]), atol=1e-3
        )
    assert not given


def test_a_changed_network_keeps_its_sizes() -> None:
    network = kit.FCNVGG16(CLASSES, NATIVE, width=0.05, input_sizes=[SMALL])
    thresholds = {"plain_exit1": 0.5, "plain_32x64_exit1": 0.25}
    exits = network.with_exits(EXITS[:1], thresholds)
    assert exits.input_sizes == exits.with_tail((128, 192)).input_sizes == (SMALL,)
    assert exits.resized((96, 128)).input_sizes == (SMALL,)
    assert exits.with_input_sizes([]).image_thresholds == {"plain_exit1": 0.5}
    assert exits.image_thresholds == thresholds
    with pytest.raises(InputError, match=r"smaller than the native 32x64; received: \(32, 64\)"):
        network.resized(SMALL)


def test_a_new_configuration_has_every_size(unet: kit.AdaptiveUNet) -> None:
    unet.add_configuration("mine", "h" * 16 + "hlll")
    assert [str(tier) for tier in unet.tiers[:2]] == ["mine_32x64", "mine"]
    assert unet.tier("mine_32x64").output_shape == (None, *NATIVE, CLASSES)


def test_recalibration_is_that_of_the_native_size(network: kit.AdaptiveNetwork) -> None:
    found = []
    for tiers in (["plain_32x48"], ["plain"]):
        made = network.with_exits(network.exits)
        made.recalibrate([pictures(NATIVE)], tiers)
        found.append(made.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    pairs = zip(found[0], network.get_weights(), strict=True)
    assert any(np.abs(after - before).max() > 1e-3 for after, before in pairs)


def test_schedules_draw_the_native_size() -> None:
    network = kit.FCNVGG16(CLASSES, NATIVE, width=0.05, input_sizes=[SMALL])
    network.compile("sgd", kit.losses.SegmentationCrossEntropy(), schedule=PTASampling())
    assert {str(tier) for step in range(20) for tier in network.schedule.draw(step)} == {"plain"}
    network.compile(
        "sgd",
        kit.losses.SegmentationCrossEntropy(),
        schedule=PTASampling(weights={"plain_32x64": 1.0}),
    )
    with pytest.raises(InputError, match=r"`schedule` must draw tiers of the native .*plain_32x64"):
        network.fit(pictures(NATIVE), np.zeros((2, *NATIVE), "int32"), verbose=0)


def test_tiers_of_one_model_have_one_size(network: kit.AdaptiveNetwork) -> None:
    with pytest.raises(InputError, match=r"of one input size .*: plain, plain_32x48"):
        network.joint_model((Tier("plain"), Tier("plain", input_size=HALF)))


@pytest.mark.parametrize(
    ("sizes", "received"),
    [
        ([(40, 48)], r"\(40, 48\)"),
        ([(0, 48)], r"\(0, 48\)"),
        ([(64, 112)], r"\(64, 112\)"),
        ([(64, 96)], r"\(64, 96\)"),
        ([(32,)], r"\(32,\)"),
        ([(32, 48.0)], r"\(32, 48.0\)"),
        ([(32, 48), (32, 48)], r"received twice: \(32, 48\)"),
    ],
)
def test_sizes_that_do_not_fit_are_named(sizes: Any, received: str) -> None:
    with pytest.raises(InputError, match=rf"`input_sizes` must .*{received}"):
        parse_sizes(sizes, NATIVE, 16)


@pytest.mark.parametrize(
    ("family", "options", "multiple"),
    [
        (kit.AdaptiveUNet, {"width": 0.35}, 32),
        (kit.CSCUNet, {"width": 1 / 16}, 16),
        (kit.DeepLabV3, {"width": 0.35, "output_stride": 16}, 16),
        (kit.ELUNet, {"width": 1 / 16}, 16),
        (kit.FCN, {"width": 0.35, "output_stride": 8}, 8),
        (kit.FCNVGG16, {"width": 0.05}, 32),
    ],
)
def test_every_family_names_its_multiple(family: Any, options: Any, multiple: int) -> None:
    with pytest.raises(InputError, match=rf"`input_sizes` .* multiples of {multiple} and smaller"):
        family(CLASSES, NATIVE, **options, input_sizes=[(36, 48)])
