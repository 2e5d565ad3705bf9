"""Frozen tiers give what the predictor gives, and hold no variables."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kit
from kit.layers import ClassMask
from mobile_export.lowering import lowered_mask
from mobile_export.runtime import TiersegError
from mobile_export.signatures import FrozenTier, choose, freeze, save
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
