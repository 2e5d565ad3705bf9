"""Early exits of a U-Net+PTA: tiers, stages and parts of them are cut out of one network."""

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks.exit import Exit
from kit.search import ExitPolicy, profile
from kit.tiers import Tier
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet

# Two blocks at once and none of the encoder's; the first skips the last stage of the decoder.
CONFIGURATIONS = {"lean": "hlhhlhlllhhlhhlhllls", "mixed": "h" * 16 + "bhlb"}
EXITS = (
    Exit.parse({"after": 13, "head": "deeplab-r2"}),
    Exit.parse(
        {
            "after": 17,
            "head": "fcn-r2-b1d",
            "policy": {"measure": "entropy", "pixel_threshold": 0.3, "edge_aware": True},
        }
    ),
    Exit.parse({"after": 18, "head": "fcn", "policy": {"pixel_threshold": 0.4}}),
)
THRESHOLDS = {"lean_exit1": 0.25, "mixed_exit3": 1.0, "mixed_exit2": 0.0}
DEPTHS = (13, 17, 18, 20)
TIERS = [f"{name}{end}" for name in CONFIGURATIONS for end in ("_exit1", "_exit2", "_exit3", "")]

# What each stage hands on: of the skips, those whose stage of the decoder is still to come.
STATES = {
    "lean": [
        {"state_x", "state_skip_4", "state_skip_8", "state_skip_16"},
        {"state_x", "state_skip_4", "state_skip_8"},
        {"state_x", "state_skip_4"},
        set(),
    ],
    "mixed": [
        {"state_x", "state_skip_2", "state_skip_4", "state_skip_8", "state_skip_16"},
        {"state_x", "state_skip_2", "state_skip_4", "state_skip_8"},
        {"state_x", "state_skip_2", "state_skip_4"},
        set(),
    ],
}


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def arrays(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {key: numpy(value) for key, value in values.items()}


def assert_equal(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same decision, to the last bit."""
    assert given.keys() == expected.keys() == {"mask", "confidence"}
    for key, value in expected.items():
        np.testing.assert_array_equal(given[key], value, err_msg=key)


@pytest.fixture(scope="module")
def photos(images: np.ndarray) -> np.ndarray:
    return images[:2]


@pytest.fixture(scope="module")
def network(photos: np.ndarray) -> kit.AdaptiveUNet:
    """Three early exits, two configurations, and no constant masks."""
    keras.utils.set_random_seed(6)
    network = randomised(
        small_unet(configurations=CONFIGURATIONS, exits=EXITS, image_thresholds=THRESHOLDS)
    )
    network.recalibrate([photos])  # else one class would have every pixel
    last = [exit_.head.classify for exit_ in network.exit_heads]
    heads = zip(network.exits_of("mixed"), [*last, network.heads["stride_2"]], strict=True)
    for tier, layer in [*heads, (Tier("lean"), network.heads["stride_4"])]:
        # So that no bias decides the class, and that some pixels are sure.
        raw = numpy(network.logits_model(tier)(photos)["logits"])
        scale = 2 / raw.std((0, 1, 2))
        layer.kernel.assign(scale * layer.kernel)
        layer.bias.assign(scale * (layer.bias - raw.mean((0, 1, 2))))
    return network


@pytest.fixture(scope="module")
def logits(network: kit.AdaptiveUNet, photos: np.ndarray) -> dict[str, np.ndarray]:
    """What each tier by itself gives."""
    return {name: numpy(network.tier(name)(photos)) for name in TIERS}


@pytest.fixture(scope="module")
def decisions(network: kit.AdaptiveUNet, photos: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """What the predictor of each tier gives."""
    return {name: arrays(network.predictor(name)(photos)) for name in TIERS}


# === Tiers ===


def test_tiers_are_configurations_times_exits(network: kit.AdaptiveUNet) -> None:
    assert [str(tier) for tier in network.tiers] == TIERS
    assert network.default_tier == Tier("mixed")
    assert network.final_tiers == (Tier("lean"), Tier("mixed"))
    assert network.exits_of("lean") == tuple(map(Tier.parse, TIERS[:4]))
    assert network.exits_of(Tier("mixed", exit=2)) == tuple(map(Tier.parse, TIERS[4:]))


@pytest.mark.parametrize("tier", TIERS)
def test_logits_have_the_size_of_the_image(logits: dict[str, np.ndarray], tier: str) -> None:
    assert logits[tier].shape == (2, *IMAGE_SIZE, CLASSES)
    assert logits[tier].dtype == np.float32
    assert np.isfinite(logits[tier]).all()


def test_no_two_tiers_give_the_same(logits: dict[str, np.ndarray]) -> None:
    for one, other in itertools.combinations(TIERS, 2):
        assert np.abs(logits[one] - logits[other]).max() > 1e-3, (one, other)


def test_decisions_are_neither_constant_nor_all_alike(
    decisions: dict[str, dict[str, np.ndarray]],
) -> None:
    """Else equality below would show little."""
    for tier, decision in decisions.items():
        assert len(np.unique(decision["mask"])) > 2, tier
    shares = np.stack([decision["confidence"] for decision in decisions.values()])
    assert len(np.unique(shares)) > len(TIERS)


def test_a_deeper_exit_costs_more(network: kit.AdaptiveUNet) -> None:
    profiles = [network.profile(tier) for tier in network.exits_of("mixed")]
    macs = [of_tier.macs for of_tier in profiles]
    assert macs == sorted(set(macs))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_an_exit_costs_its_trunk_and_its_head(
    network: kit.AdaptiveUNet, configuration: str
) -> None:
    for tier, depth in zip(network.exits_of(configuration)[:-1], DEPTHS, strict=False):
        trunk = profile(network.trunk_model(configuration, depth))
        head = profile(network.exit_model(tier))
        whole = network.profile(tier)
        assert head.macs > 0
        assert whole.macs == trunk.macs + head.macs
        assert whole.parameters == trunk.parameters + head.parameters


# === Joint models and parts ===


@pytest.mark.parametrize(
    "tiers", [TIERS[:4], TIERS[7:3:-1], ["mixed_exit2", "lean", "mixed", "lean_exit2"]]
)
def test_a_joint_model_gives_what_each_tier_gives(
    network: kit.AdaptiveUNet, logits: dict[str, np.ndarray], photos: np.ndarray, tiers: list[str]
) -> None:
    outputs = network.joint_model([Tier.parse(name) for name in tiers])(photos)
    for name, given in zip(tiers, outputs, strict=True):
        np.testing.assert_array_equal(numpy(given), logits[name], err_msg=name)


def test_a_joint_model_runs_what_its_tiers_share_once(network: kit.AdaptiveUNet) -> None:
    joint, whole = network.joint_model(network.exits_of("lean")), network.tier("lean")
    heads = [network.exit_model(tier) for tier in network.exits_of("lean")[:-1]]
    macs = [profile(model).macs for model in (joint, whole, *heads)]
    assert macs[0] == sum(macs[1:])
    names = [layer.name for layer in joint.layers]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_features_and_heads_give_what_each_tier_gives(
    network: kit.AdaptiveUNet,
    logits: dict[str, np.ndarray],
    photos: np.ndarray,
    configuration: str,
) -> None:
    tiers = network.exits_of(configuration)
    for order in (tiers, tiers[2::-1], tiers[:1:-1]):
        features = network.features_model(order)(photos)
        for tier, value in zip(order, features, strict=True):
            given = value if tier.exit is None else network.exit_model(tier)(value)
            np.testing.assert_array_equal(numpy(given), logits[tier.name], err_msg=str(tier))


def test_heads_share_no_variable_with_each_other_or_the_trunk(network: kit.AdaptiveUNet) -> None:
    tiers = [tier for tier in network.tiers if tier.exit is not None]
    owners: dict[int, int | None] = {
        id(v): None for v in network.joint_model(network.final_tiers).variables
    }
    for tier in tiers:
        for variable in network.exit_model(tier).variables:
            assert owners.setdefault(id(variable), tier.exit) == tier.exit, variable.path
    assert len(owners) == len(network.variables)


@pytest.mark.parametrize("tier", TIERS)
def test_the_head_model_decides_as_the_predictor(
    network: kit.AdaptiveUNet,
    decisions: dict[str, dict[str, np.ndarray]],
    photos: np.ndarray,
    tier: str,
) -> None:
    exit_ = Tier.parse(tier).exit
    depth = DEPTHS[-1] if exit_ is None else DEPTHS[exit_ - 1]
    features = network.trunk_model(tier, depth)(photos)
    assert_equal(arrays(network.head_model(tier)({"state_x": features})), decisions[tier])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("points", [(0, 20), (0, 1, 5, 13, 17, 20), (0, 18, 18, 20)])
def test_segments_in_a_chain_are_the_trunk(
    network: kit.AdaptiveUNet, photos: np.ndarray, configuration: str, points: tuple[int, ...]
) -> None:
    given: Any = photos
    for start, stop in itertools.pairwise(points):
        given = network.segment_model(configuration, start, stop)(given)
        expected = network.trunk_model(configuration, stop)(photos)
        np.testing.assert_array_equal(numpy(given["state_x"]), numpy(expected))
    assert given.keys() == {"state_x"}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_judge_says_what_the_predictors_say(
    network: kit.AdaptiveUNet, photos: np.ndarray, configuration: str
) -> None:
    tiers = network.exits_of(configuration)[::-1]
    policies = (ExitPolicy(), ExitPolicy("entropy", 0.35), ExitPolicy("top1", 0.45, True))
    verdicts = network.judge(tiers, policies)(photos)
    for tier, verdict in zip(tiers, verdicts, strict=True):
        assert verdict["confidence"].shape == (2, len(policies))
        for index, policy in enumerate(policies):
            confidence = verdict["confidence"][:, index]
            given = arrays({"mask": verdict["mask"], "confidence": confidence})
            assert_equal(given, arrays(network.predictor(tier, policy)(photos)))


def test_each_exit_has_a_policy_of_its_own(
    network: kit.AdaptiveUNet, decisions: dict[str, dict[str, np.ndarray]], photos: np.ndarray
) -> None:
    assert [network.policy(tier) for tier in network.exits_of("lean")] == [
        *(exit_.policy for exit_ in EXITS),
        ExitPolicy(),
    ]
    own = arrays(network.predictor("mixed_exit2", EXITS[1].policy)(photos))
    assert_equal(own, decisions["mixed_exit2"])
    other = arrays(network.predictor("mixed_exit2", EXITS[0].policy)(photos))
    np.testing.assert_array_equal(own["mask"], other["mask"])
    assert (own["confidence"] != other["confidence"]).any()


# === Stages ===


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_chained_stages_decide_as_each_tier_by_itself(
    network: kit.AdaptiveUNet,
    decisions: dict[str, dict[str, np.ndarray]],
    photos: np.ndarray,
    configuration: str,
) -> None:
    given: Any = photos
    for number, tier in enumerate(network.exits_of(configuration), start=1):
        outputs = network.stage(configuration, number)(given)
        given = {key: value for key, value in outputs.items() if key.startswith("state_")}
        decision = {key: numpy(outputs[key]) for key in outputs.keys() - given.keys()}
        assert_equal(decision, decisions[tier.name])
        assert given.keys() == STATES[configuration][number - 1]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("stage", [2, 3, 4])
def test_every_state_is_needed_and_none_is_missing(
    network: kit.AdaptiveUNet, photos: np.ndarray, configuration: str, stage: int
) -> None:
    start = DEPTHS[stage - 2]
    states = arrays(network.segment_model(configuration, 0, start)(photos))
    taken = {tensor.name for tensor in network.stage(configuration, stage).inputs}
    assert taken == states.keys() == STATES[configuration][stage - 2]
    rest = network.segment_model(configuration, start, DEPTHS[-1])
    before = numpy(rest(states)["state_x"])
    for name in states:
        changed = {**states, name: np.zeros_like(states[name])}
        assert np.abs(numpy(rest(changed)["state_x"]) - before).max() > 1e-4, name


def test_stages_of_a_configuration_cost_what_its_tiers_cost_together(
    network: kit.AdaptiveUNet,
) -> None:
    joint = network.joint_model(network.exits_of("mixed"))
    stages = [profile(network.stage("mixed", number)).macs for number in (1, 2, 3, 4)]
    assert sum(stages) == profile(joint).macs


# === What is refused ===


@pytest.mark.parametrize("name", ["lean_exit4", "mixed_exit9", "heavy_exit4"])
def test_an_exit_that_the_network_has_not_is_named(network: kit.AdaptiveUNet, name: str) -> None:
    with pytest.raises(InputError, match=f"the network has exits 1 to 3; received: '{name}'"):
        network.predictor(name)


@pytest.mark.parametrize("stage", [0, 5, -1])
def test_a_stage_out_of_range_is_named(network: kit.AdaptiveUNet, stage: int) -> None:
    with pytest.raises(InputError, match=f"`stage` must be 1 to 4; received: {stage}"):
        network.stage("lean", stage)


@pytest.mark.parametrize(
    ("exits", "thresholds", "message"),
    [
        ([18, 13], {}, "`exits` must stand behind 1 to 19 blocks, .* received: 18, 13"),
        ([13, 20], {}, "`exits` must stand behind 1 to 19 blocks, .* received: 13, 20"),
        ([13, 17, 13], {}, "received: 13, 17, 13"),
        ([13, 13], {}, "`exits` must differ; received twice: exit_13_fcn"),
        ([13], {"lean_exit1": 1.01}, r"`image_thresholds` .* received: 'lean_exit1': 1.01"),
        ([13], {"lean_exit1": -0.1}, r"`image_thresholds` .* received: 'lean_exit1': -0.1"),
        ([13], {"lean_exit1": float("nan")}, "`image_thresholds` .* received: 'lean_exit1': nan"),
        ([13], {"lean_exit2": 0.5}, "among lean_exit1, mixed_exit1; received: 'lean_exit2'"),
        ([13], {"mixed": 0.5}, "among lean_exit1, mixed_exit1; received: 'mixed'"),
        ([], {"mixed": 0.5}, "`image_thresholds` .* received: 'mixed'"),
    ],
)
def test_wrong_exits_and_thresholds_are_named(
    network: kit.AdaptiveUNet, exits: list[int], thresholds: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        network.with_exits([{"after": after} for after in exits], thresholds)


# === Other exits ===


@pytest.fixture(scope="module")
def candidates(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    """Other exits: two heads at one point, of which one was there before."""
    keras.utils.set_random_seed(8)
    return network.with_exits([Exit(9), EXITS[1], Exit(17)], {"lean_exit2": 0.75})


def test_trunk_and_heads_that_stay_keep_their_weights(
    network: kit.AdaptiveUNet,
    candidates: kit.AdaptiveUNet,
    logits: dict[str, np.ndarray],
    photos: np.ndarray,
) -> None:
    assert candidates.image_thresholds == {"lean_exit2": 0.75}
    for name in ("lean", "mixed", "lean_exit2", "mixed_exit2"):  # exit 2 is EXITS[1] in both
        np.testing.assert_array_equal(numpy(candidates.tier(name)(photos)), logits[name], name)
    own = {id(variable) for variable in network.variables}
    assert not [variable for variable in candidates.variables if id(variable) in own]
    fresh = candidates.exit_model(Tier("lean", exit=3))
    for layer in fresh.layers:
        if hasattr(layer, "moving_mean"):
            assert not numpy(layer.moving_mean).any()
            assert (numpy(layer.moving_variance) == 1).all()
    # The network itself is what it was.
    assert network.exits == EXITS
    np.testing.assert_array_equal(numpy(network.tier("mixed")(photos)), logits["mixed"])


def test_several_exits_at_one_point_make_tiers_but_no_stages(
    candidates: kit.AdaptiveUNet, photos: np.ndarray
) -> None:
    two, three = (numpy(candidates.tier(f"mixed_exit{k}")(photos)) for k in (2, 3))
    assert np.abs(two - three).max() > 1e-3
    with pytest.raises(InputError, match=r"one exit a point; .* behind blocks 9, 17, 17$"):
        candidates.stage("mixed", 1)


def test_a_network_may_lose_all_its_exits(
    network: kit.AdaptiveUNet, logits: dict[str, np.ndarray], photos: np.ndarray
) -> None:
    bare = network.with_exits([])
    assert [str(tier) for tier in bare.tiers] == ["lean", "mixed"]
    assert bare.count_params() < network.count_params()
    np.testing.assert_array_equal(numpy(bare.tier("lean")(photos)), logits["lean"])
    stage = arrays(bare.stage("lean", 1)(photos))
    assert_equal(stage, arrays(bare.predictor("lean")(photos)))


# === Saving ===


def test_a_saved_network_has_its_exits_policies_thresholds_and_weights(
    network: kit.AdaptiveUNet, photos: np.ndarray, tmp_path: Path
) -> None:
    """With a configuration that came after training, whose paths were wired last."""
    saved = network.with_exits(EXITS, THRESHOLDS)
    saved.add_configuration("own", "h" * 16 + "llls")
    randomised(saved)
    saved.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert isinstance(loaded, kit.AdaptiveUNet)
    assert loaded.exits == EXITS
    assert loaded.image_thresholds == THRESHOLDS
    assert loaded.get_config() == saved.get_config()
    assert [str(tier) for tier in loaded.tiers[4:]] == TIERS
    for configuration in loaded.configurations:
        tiers = saved.exits_of(configuration)
        outputs = [model.joint_model(tiers)(photos) for model in (saved, loaded)]
        for tier, one, other in zip(tiers, *outputs, strict=True):
            np.testing.assert_array_equal(numpy(other), numpy(one), err_msg=str(tier))
        policies = [loaded.policy(tier) for tier in tiers]
        assert policies == [saved.policy(tier) for tier in tiers]


def test_a_new_configuration_starts_from_the_statistics_of_the_heads(
    network: kit.AdaptiveUNet,
) -> None:
    wider = network.with_exits(EXITS)
    tier = wider.add_configuration("own", "h" * 16 + "llls")
    for exit_ in wider.exits_of(tier)[:-1]:
        norms = [n for n in wider.exit_model(exit_).layers if hasattr(n, "moving_mean")]
        assert norms
        for norm in norms:
            first = norm._shared.owner or norm
            np.testing.assert_array_equal(numpy(norm.moving_mean), numpy(first.moving_mean))
            assert numpy(norm.moving_mean).any()
