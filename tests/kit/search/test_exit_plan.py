"""A plan names its network by the weights that it needs, and leaves of it what was chosen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.search import Candidate, ExitPlan, ExitPolicy
from kit.search.exit_plan import fingerprint
from tests.kit.conftest import randomised
from tests.kit.small import small_unet

CONFIGURATIONS = {"light": "h" * 16 + "llls", "heavy": "h" * 20}
EXITS = ((13, "fcn-r2"), (17, "fcn"), (17, "fcn-r2-b1"), (18, "fcn"))
SURE = ExitPolicy("entropy", 0.7, edge_aware=True)


@pytest.fixture(scope="module")
def searched() -> kit.AdaptiveUNet:
    """A network with more exits than are deployed; do not change it."""
    keras.utils.set_random_seed(1)
    exits = [kit.Exit(after, head) for after, head in EXITS]
    return randomised(small_unet(configurations=CONFIGURATIONS, exits=exits))


@pytest.fixture
def plan(searched: kit.AdaptiveUNet) -> ExitPlan:
    """The first and the third exit, of the lightest configuration."""
    chosen = Candidate(
        "input-dependent",
        (1, 3),
        (SURE, ExitPolicy()),
        (0.75, 1.0),
        miou=0.5,
        dice=0.6,
        drop=0.7,
        mean={"macs": 1.0},
        shares=(0.5, 0.25, 0.25),
    )
    return ExitPlan(
        network={
            "name": searched.name,
            "exits": [exit_.to_dict() for exit_ in searched.exits],
            "fingerprint": fingerprint(searched),
        },
        configuration="light",
        setting="input-dependent",
        exits=(
            replace(searched.exits[0], policy=SURE).to_dict(),
            searched.exits[2].to_dict(),
        ),
        image_thresholds={"light_exit1": 0.75, "light_exit2": 1.0, "heavy_exit1": 0.5},
        default_tier="light",
        chosen=chosen,
        report={"second_half": replace(chosen, miou=0.4)},
        constraints={"mean": {"macs": 1.0}},
        search={"count": 3, "seconds": 0.5},
    )


# === Fingerprints ===


def test_early_exits_are_no_part_of_the_fingerprint(
    searched: kit.AdaptiveUNet, tmp_path: Path
) -> None:
    own = fingerprint(searched)
    assert len(own) == 64
    assert fingerprint(searched.with_exits([])) == own
    assert fingerprint(searched.with_exits([{"after": 5, "head": "deeplab"}])) == own
    searched.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    assert fingerprint(loaded) == own
    assert fingerprint(loaded, heads=True) == fingerprint(searched, heads=True)


@pytest.mark.parametrize(
    ("part", "changes_own"),
    [("exit_17_fcn_classes", False), ("head_2", True), ("Conv1", True), ("bn_Conv1", True)],
)
def test_each_weight_of_trunk_and_final_exit_counts(
    searched: kit.AdaptiveUNet, part: str, changes_own: bool
) -> None:
    before = [fingerprint(searched, heads=heads) for heads in (False, True)]
    weight = next(w for w in searched.weights if w.path.startswith(f"{part}/"))
    values = weight.numpy().copy()
    changed = values.copy()
    changed.flat[-1] += 1e-3
    try:
        weight.assign(changed)
        after = [fingerprint(searched, heads=heads) for heads in (False, True)]
    finally:
        weight.assign(values)
    assert [a != b for a, b in zip(after, before, strict=True)] == [changes_own, True]


# === Applying ===


def test_the_chosen_exits_are_numbered_anew(
    searched: kit.AdaptiveUNet, plan: ExitPlan, images: np.ndarray
) -> None:
    deployed = plan.apply(searched)
    assert [(exit_.after, exit_.head.name) for exit_ in deployed.exits] == [EXITS[0], EXITS[2]]
    assert [exit_.policy for exit_ in deployed.exits] == [SURE, ExitPolicy()]
    assert deployed.image_thresholds == plan.image_thresholds
    assert fingerprint(deployed) == fingerprint(searched)
    given, expected = (
        network.logits_model(tier).predict_on_batch(images)["logits"]
        for network, tier in ((deployed, "light_exit2"), (searched, "light_exit3"))
    )
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
    assert len(searched.exits) == 4


def test_a_network_that_was_cut_already_will_do(searched: kit.AdaptiveUNet, plan: ExitPlan) -> None:
    deployed = plan.apply(searched)
    assert plan.apply(deployed).get_config() == deployed.get_config()


def test_another_network_is_refused(searched: kit.AdaptiveUNet, plan: ExitPlan) -> None:
    other = searched.with_exits(searched.exits)
    other.heads["stride_2"].bias.assign_add(np.full(5, 0.5, np.float32))
    expected = rf"`network` must have the trunk .* adaptive_unet {fingerprint(searched)[:12]};"
    with pytest.raises(InputError, match=f"{expected} received: adaptive_unet"):
        plan.apply(other)


def test_a_missing_exit_is_named(searched: kit.AdaptiveUNet, plan: ExitPlan) -> None:
    message = "must have the exit fcn-r2-b1 after 17 blocks; received: fcn-r2 after 13"
    with pytest.raises(InputError, match=message):
        plan.apply(searched.with_exits(searched.exits[:2]))
    with pytest.raises(InputError, match="received: none"):
        plan.apply(searched.with_exits([]))


# === Files ===


def test_a_plan_comes_back_from_disk(plan: ExitPlan, tmp_path: Path) -> None:
    path = tmp_path / "made" / "search.json"
    path.parent.mkdir()
    plan.save(path)
    assert [item.name for item in path.parent.iterdir()] == ["search.json"]
    assert ExitPlan.load(path).to_dict() == plan.to_dict()
    assert ExitPlan.load(path).report["second_half"].miou == 0.4
    content = json.loads(path.read_text())
    assert content["chosen"]["exits"] == [1, 3]
    assert content["exits"][0]["policy"] == SURE.to_dict()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "Expecting value"),
        ("[]", "must be what ExitPlan.to_dict gave"),
        ('{"report": {}}', "chosen"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"other\.json must be the result of a search.*{reason}"):
        ExitPlan.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*none\.json"):
        ExitPlan.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"name": "x"}}, "`network` must have fingerprint and name; received: name"),
        ({"exits": [{}]}, "`exits` must have after and head; received: nothing"),
    ],
)
def test_a_plan_without_names_is_refused(
    plan: ExitPlan, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        replace(plan, **change)
