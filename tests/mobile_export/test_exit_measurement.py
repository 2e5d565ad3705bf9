"""The table of exits against masks, confidences and costs that come about in other ways."""

from dataclasses import replace

import numpy as np
import pytest

import kit
from kit.metrics import ConfusionMatrix
from kit.search import ExitPolicy, ExitTable, profile
from mobile_export.evaluation import evaluate_network
from mobile_export.exit_latency import ExitLatencies
from mobile_export.exit_measurement import exit_costs, measure_exits, points_of
from mobile_export.runtime import TiersegError
from mobile_export.runtime.image_io import resized
from tests.mobile_export.blocks import CLASSES, Blocks

EXITS = ((13, "fcn-r2"), (17, "fcn"), (17, "fcn-r2-b1"), (18, "fcn"))
POLICIES = (ExitPolicy(), ExitPolicy("entropy", 0.3), ExitPolicy("top1", 0.6, edge_aware=True))
DATA = Blocks("val", 5, size=(96, 80))  # neither the network's size nor its shape
LATENCIES = ExitLatencies(
    configuration="light",
    points=(13, 17, 18),
    heads=tuple(head for _, head in EXITS),
    trunk_ms=(4.0, 3.0, 2.0, 1.0),
    head_ms=(0.1, 0.2, 0.3, 0.4, 0.5),
    extra_ms={
        "top1": (0.0,) * 4,
        "top1+edges": (0.01, 0.02, 0.03, 0.04),
        "entropy": (0.05, 0.06, 0.07, 0.08),
        "entropy+edges": (0.09,) * 4,
    },
    one_shot_ms=10.0,
)


@pytest.fixture(scope="module")
def many_exits(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    """Heads that were not trained, two of them at one point; do not change it."""
    return network.with_exits([kit.Exit(after, head) for after, head in EXITS])


@pytest.fixture(scope="module")
def table(many_exits: kit.AdaptiveUNet) -> ExitTable:
    return measure_exits(many_exits, "light", DATA, POLICIES, latencies=LATENCIES)


def test_scores_are_those_of_an_evaluation(many_exits: kit.AdaptiveUNet, table: ExitTable) -> None:
    names = [tier.name for tier in many_exits.exits_of("light")]
    for counts, score in zip(
        table.counts, evaluate_network(many_exits, DATA, names).scores, strict=True
    ):
        matrix = ConfusionMatrix(len(CLASSES))
        matrix.counts += counts.sum(0)
        assert matrix.mean_iou() == pytest.approx(score.miou, abs=1e-4)  # ties of rounded sums
        assert matrix.pixel_accuracy() == pytest.approx(score.pixel_accuracy, abs=1e-4)


def test_each_image_is_counted_pixel_by_pixel(
    many_exits: kit.AdaptiveUNet, table: ExitTable
) -> None:
    images = np.stack([resized(DATA.image(i), many_exits.image_size) for i in range(len(DATA))])
    outputs = many_exits.predictor("light_exit3", POLICIES[2]).predict_on_batch(
        images.astype(np.float32)
    )
    rows, columns = ((np.arange(side) + 0.5) * 64 / side for side in DATA.size)
    for index, mask in enumerate(np.asarray(outputs["mask"])):
        label, found = DATA.label(index), np.zeros((len(CLASSES), len(CLASSES)), int)
        for y in range(label.shape[0]):
            for x in range(label.shape[1]):
                if label[y, x] != 255:
                    found[label[y, x], mask[int(rows[y]), int(columns[x])]] += 1
        assert np.abs(table.counts[2, index] - found).sum() <= 4
        assert table.counts[2, index].sum() == (label != 255).sum()
    np.testing.assert_allclose(table.confidence[2, :, 2], outputs["confidence"], atol=1e-6)


def test_images_differ_in_how_sure_an_exit_is(table: ExitTable) -> None:
    assert table.confidence.shape == (4, 5, 3)
    assert (np.ptp(table.confidence, axis=1) > 0).any(0).all()


def test_the_size_of_a_batch_changes_nothing(
    many_exits: kit.AdaptiveUNet, table: ExitTable
) -> None:
    again = measure_exits(many_exits, "light", DATA, POLICIES, batch=3)
    assert np.abs(again.counts - table.counts).sum() <= 4
    np.testing.assert_allclose(again.confidence, table.confidence, atol=1e-6)
    assert set(table.costs) - set(again.costs) == {"latency_ms"}


def test_some_tiers_are_the_same_rows(many_exits: kit.AdaptiveUNet, table: ExitTable) -> None:
    some = measure_exits(
        many_exits,
        "light",
        DATA,
        POLICIES,
        latencies=LATENCIES,
        tiers=["light_exit4", "light_exit2"],
        batch=5,
    )
    assert (some.points, some.heads) == ((1, 2), ("fcn", "fcn"))
    assert np.abs(some.counts - table.counts[[1, 3, 4]]).sum() <= 4
    np.testing.assert_allclose(some.confidence, table.confidence[[1, 3]], atol=1e-6)
    for name, costs in table.costs.items():
        np.testing.assert_array_equal(some.costs[name].trunk, costs.trunk)
        np.testing.assert_array_equal(some.costs[name].heads, costs.heads[[1, 3, 4]])
    np.testing.assert_array_equal(
        some.costs["latency_ms"].policies, table.costs["latency_ms"].policies[[1, 3]]
    )


# === Costs ===


@pytest.mark.parametrize("configuration", ["light", "heavy"])
def test_parts_add_up_to_tiers(many_exits: kit.AdaptiveUNet, configuration: str) -> None:
    costs = exit_costs(many_exits, configuration, POLICIES)
    tiers = many_exits.exits_of(configuration)
    for place, (point, tier) in enumerate(zip((0, 1, 1, 2, 3), tiers, strict=True)):
        whole = many_exits.profile(tier)
        for name in ("macs", "parameters"):
            assert costs[name].trunk[: point + 1].sum() + costs[name].heads[place] == getattr(
                whole, name
            )
        np.testing.assert_array_equal(costs["size_bytes"].heads, costs["parameters"].heads)
        # In parts, whatever is handed on is held a little longer than in one.
        memory = costs["memory_bytes"]
        parts = max(*memory.trunk[: point + 1], memory.heads[place])
        in_one = profile(many_exits.predictor(tier)).peak_activations
        assert in_one <= parts <= 1.5 * in_one
    assert {name: cost.per_image for name, cost in costs.items()} == {
        "macs": True,
        "parameters": False,
        "size_bytes": False,
        "memory_bytes": False,
    }


def test_a_head_is_held_beside_the_states_that_wait(many_exits: kit.AdaptiveUNet) -> None:
    heads = exit_costs(many_exits, "heavy", POLICIES)["memory_bytes"].heads
    # Behind 17 blocks the features of strides 2, 4 and 8 wait for their stages; the head's own
    # peak is its mask (64×64) beside what it is made of.
    waiting = sum(
        int(np.prod(value.shape[1:]))
        for name, value in many_exits.segment_model("heavy", 13, 17).output.items()
        if name.startswith("state_skip_")
    )
    alone = profile(many_exits.head_model("heavy_exit2")).peak_activations
    assert waiting > 0
    assert heads[1] == waiting + alone
    assert heads[4] == profile(many_exits.head_model("heavy")).peak_activations


def test_latencies_become_costs(table: ExitTable) -> None:
    costs = table.costs["latency_ms"]
    np.testing.assert_array_equal(costs.trunk, LATENCIES.trunk_ms)
    np.testing.assert_array_equal(costs.heads, LATENCIES.head_ms)
    assert costs.policies is not None
    np.testing.assert_array_equal(costs.policies[2], [0.0, 0.07, 0.03])
    assert table.deadline_cost == "latency_ms"


def test_points_are_where_exits_stand(many_exits: kit.AdaptiveUNet, table: ExitTable) -> None:
    assert points_of(many_exits) == (13, 17, 18)
    assert (table.points, table.heads) == ((0, 1, 1, 2), LATENCIES.heads)


# === Refusals ===


def test_latencies_of_other_exits_are_refused(many_exits: kit.AdaptiveUNet) -> None:
    for other in (
        replace(LATENCIES, configuration="heavy"),
        replace(LATENCIES, heads=("fcn",) * 4),
        replace(LATENCIES, points=(13, 17, 19)),
    ):
        with pytest.raises(TiersegError, match="`latencies` must be of light with the heads fcn-"):
            exit_costs(many_exits, "light", POLICIES, latencies=other)


def test_a_network_without_exits_is_refused(network: kit.AdaptiveUNet) -> None:
    with pytest.raises(TiersegError, match="`network` must have early exits"):
        measure_exits(network, "light", DATA, POLICIES)


@pytest.mark.parametrize("tiers", [[], ["light"], ["heavy_exit1"]])
def test_unknown_tiers_are_named(many_exits: kit.AdaptiveUNet, tiers: list[str]) -> None:
    with pytest.raises(TiersegError, match="`tiers` must be one or more of light_exit1, light_"):
        measure_exits(many_exits, "light", DATA, POLICIES, tiers=tiers)


def test_other_classes_and_batches_are_refused(many_exits: kit.AdaptiveUNet) -> None:
    fewer = Blocks()
    fewer.classes = fewer.classes[:-1]
    with pytest.raises(TiersegError, match="has 5 classes; expected the 4 of blocks"):
        measure_exits(many_exits, "light", fewer, POLICIES)
    with pytest.raises(TiersegError, match="`batch` must be 1 or more; got 0"):
        measure_exits(many_exits, "light", DATA, POLICIES, batch=0)
