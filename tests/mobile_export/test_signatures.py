"""Frozen tiers give what the predictor gives, and hold no variables."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kit
from kit.errors import InputError
from kit.layers import ClassMask
from mobile_export.lowering import lowered_mask
from mobile_export.runtime import TiersegError
from mobile_export.signatures import FrozenTier, choose, chosen_stages, freeze, save
from tests.mobile_export.blocks import CONFIGURATIONS, Blocks

IMAGE = Blocks("val").image(0)[None].astype(np.float32)


def frozen(network: kit.AdaptiveUNet, name: str, **options: object) -> FrozenTier:
    return freeze(network, kit.Tier(name), **options)


@pytest.mark.parametrize("tier", CONFIGURATIONS)
def test_a_frozen_tier_gives_what_the_predictor_gives(network: kit.AdaptiveUNet, tier: str) -> None:
    given = frozen(network, tier, quantized=False).function(tf.constant(IMAGE))
    expected = network.predictor(tier).predict(IMAGE, verbose=0)
    assert set(given) == {"mask", "confidence"}
    assert given["mask"].dtype == tf.uint8
    assert given["mask"].shape == (1, 64, 64)
    assert given["confidence"].shape == (1,)
    assert (given["mask"].numpy() == expected["mask"]).mean() > 0.999  # ties of rounded sums
    np.testing.assert_allclose(given["confidence"], expected["confidence"], atol=1e-2)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("classes", [3, 255])
def test_a_mask_repeats_ids_exactly(scale: int, classes: int) -> None:
    ids = np.random.default_rng(0).integers(0, classes, (1, 4, 6))
    ids[0, 0, :2] = 0, classes - 1
    logits = tf.one_hot(ids, classes)
    mask = lowered_mask(logits, ClassMask(scale)).numpy()
    np.testing.assert_array_equal(mask, ids.repeat(scale, 1).repeat(scale, 2))
    assert mask.dtype == np.uint8


def test_the_threshold_decides_the_confidence(network: kit.AdaptiveUNet) -> None:
    shares = [
        float(
            frozen(network, "light", pixel_threshold=t).function(tf.constant(IMAGE))["confidence"][
                0
            ]
        )
        for t in (0.25, 0.9)
    ]
    assert shares[0] > shares[1]


def test_pinned_ranges_change_nothing_but_the_precision(network: kit.AdaptiveUNet) -> None:
    pinned, free = (
        frozen(network, "light", quantized=quantized).function(tf.constant(IMAGE))
        for quantized in (True, False)
    )
    np.testing.assert_array_equal(pinned["mask"], free["mask"])
    np.testing.assert_allclose(pinned["confidence"], free["confidence"], atol=0.5 / 255 + 1e-6)


def test_logits_are_those_of_the_logits_model(network: kit.AdaptiveUNet) -> None:
    given = frozen(network, "medium", outputs="logits", quantized=False).function(
        tf.constant(IMAGE)
    )
    expected = network.logits_model("medium").predict(IMAGE, verbose=0)
    assert set(given) == {"logits"}
    np.testing.assert_allclose(given["logits"], expected["logits"], rtol=1e-2, atol=1e-3)


def test_nothing_reads_a_variable(network: kit.AdaptiveUNet, tmp_path: Path) -> None:
    tiers = [frozen(network, name) for name in ("light", "heavy")]
    save(tiers, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    assert set(loaded.signatures) == {"light", "heavy"}
    for function in loaded.signatures.values():
        definition = function.graph.as_graph_def()
        nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
        assert not [node.op for node in nodes if "Variable" in node.op]
    assert list(loaded.signatures["light"].structured_input_signature[1]) == ["image"]


def test_tiers_come_in_the_networks_order(network: kit.AdaptiveUNet) -> None:
    assert [tier.name for tier in choose(network, ["heavy", "light"])] == ["light", "heavy"]
    assert [tier.name for tier in choose(network, None)] == list(CONFIGURATIONS)


# === Stages ===


def test_a_stage_is_named_after_its_place_and_knows_what_it_takes(
    exits_network: kit.AdaptiveUNet,
) -> None:
    stages = [freeze(exits_network, kit.Tier("light"), stage=k) for k in (1, 2, 3)]
    assert [stage.name for stage in stages] == ["light_stage1", "light_stage2", "light_stage3"]
    assert [stage.after for stage in stages] == [None, "light_stage1", "light_stage2"]
    assert [stage.tier.name for stage in stages] == ["light_exit1", "light_exit2", "light"]
    taken = [sorted(stage.inputs) for stage in stages]
    # The skip connection at stride 2 has no stage of `light` to go to.
    assert taken == [
        ["image"],
        ["state_skip_4", "state_skip_8", "state_x"],
        ["state_skip_4", "state_x"],
    ]
    assert stages[0].inputs["image"] == (1, 64, 64, 3)
    assert stages[1].inputs["state_x"] == (1, 4, 4, 16)


def test_a_frozen_chain_gives_what_the_predictors_give(exits_network: kit.AdaptiveUNet) -> None:
    given = {"image": tf.constant(IMAGE)}
    for number, tier in enumerate(exits_network.exits_of("light"), start=1):
        stage = freeze(exits_network, tier, stage=number, quantized=False)
        outputs = dict(stage.function(*(given[name] for name in stage.inputs)))
        expected = exits_network.predictor(tier).predict(IMAGE, verbose=0)
        assert (outputs.pop("mask").numpy() == expected["mask"]).mean() > 0.999
        np.testing.assert_allclose(outputs.pop("confidence"), expected["confidence"], atol=1e-2)
        given = outputs
    assert not given


def test_a_stage_that_is_not_there_is_refused(exits_network: kit.AdaptiveUNet) -> None:
    with pytest.raises(InputError, match="`stage` must be 1 to 3; received: 4"):
        freeze(exits_network, kit.Tier("light"), stage=4)


def test_stages_are_those_of_configurations_whose_exits_are_all_there(
    exits_network: kit.AdaptiveUNet,
) -> None:
    some = ["light_exit1", "light_exit2", "light", "medium_exit1", "medium", "heavy"]
    stages = chosen_stages(exits_network, choose(exits_network, some))
    assert [(tier.name, number) for tier, number in stages] == [
        ("light_exit1", 1),
        ("light_exit2", 2),
        ("light", 3),
    ]
    assert len(chosen_stages(exits_network, exits_network.tiers)) == 9


def test_there_are_no_stages_without_exits_or_with_two_at_one_point(
    network: kit.AdaptiveUNet,
) -> None:
    assert chosen_stages(network, network.tiers) == ()
    twice = network.with_exits([kit.Exit(17, "fcn"), kit.Exit(17, "fcn-r2")])
    assert chosen_stages(twice, twice.tiers) == ()


@pytest.mark.parametrize("tiers", [["fast"], []])
def test_a_tier_that_is_not_there_is_refused(network: kit.AdaptiveUNet, tiers: list[str]) -> None:
    with pytest.raises(TiersegError, match=r"`tiers` must .* light, medium, heavy; got"):
        choose(network, tiers)


def test_another_backend_is_refused(
    network: kit.AdaptiveUNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(TiersegError, match="KERAS_BACKEND must be tensorflow to export; got jax"):
        frozen(network, "light")
