"""Parts of a network are timed as what they are: whole, in integers, and nothing besides."""

import json

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kit
from kit.search import ExitPolicy
from mobile_export import exit_latency
from mobile_export.exit_latency import ExitLatencies, computed, time_exits, variant
from mobile_export.runtime import TiersegError

EXITS = ((13, "fcn-r2"), (17, "fcn"), (17, "fcn-r2-b1"), (18, "fcn"))


@pytest.fixture(scope="module")
def many_exits(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    return network.with_exits([kit.Exit(after, head) for after, head in EXITS])


@pytest.fixture(scope="module")
def timed(many_exits: kit.AdaptiveUNet) -> tuple[ExitLatencies, bytes]:
    """The latencies of `light`, and the file that they were measured with."""
    files = []

    def convert(graphs: list) -> bytes:
        files.append(original(graphs))
        return files[-1]

    original, exit_latency.convert_for_timing = exit_latency.convert_for_timing, convert
    try:
        latencies = time_exits(many_exits, "light", rounds=20)
    finally:
        exit_latency.convert_for_timing = original
    return latencies, files[0]


def test_every_part_has_a_time(timed: tuple[ExitLatencies, bytes]) -> None:
    latencies, _ = timed
    assert latencies.configuration == "light"
    assert latencies.points == (13, 17, 18)
    assert latencies.heads == tuple(head for _, head in EXITS)
    assert len(latencies.trunk_ms) == 4
    assert len(latencies.head_ms) == 5
    assert min(latencies.trunk_ms + latencies.head_ms) > 0
    # Most of the trunk lies before the first exit.
    assert max(latencies.trunk_ms) == latencies.trunk_ms[0]
    assert latencies.machine["threads"] == 1


def test_parts_add_up_to_one_signature(timed: tuple[ExitLatencies, bytes]) -> None:
    latencies, _ = timed
    assert latencies.sum_ms == pytest.approx(sum(latencies.trunk_ms) + latencies.head_ms[-1])
    # Loosely: the parts take microseconds here, and so does calling them.
    assert 0.5 < latencies.sum_ms / latencies.one_shot_ms < 2.5


def test_policies_cost_what_they_take_more_than_the_plain_one(
    timed: tuple[ExitLatencies, bytes],
) -> None:
    latencies, _ = timed
    assert list(latencies.extra_ms) == ["top1", "top1+edges", "entropy", "entropy+edges"]
    assert latencies.extra_ms["top1"] == (0.0,) * 4
    assert max(latencies.extra_ms["top1+edges"]) > 0
    extra = latencies.extra_ms["entropy+edges"]
    assert extra[1] == extra[2]  # logits of one size
    assert variant(ExitPolicy("entropy", 0.7, edge_aware=True)) == "entropy+edges"
    policies = [ExitPolicy("entropy", 0.7, edge_aware=True), ExitPolicy(pixel_threshold=0.9)]
    costs = latencies.costs(policies, exits=[1, 4])
    np.testing.assert_array_equal(costs.trunk, latencies.trunk_ms)
    np.testing.assert_array_equal(costs.heads, [latencies.head_ms[k] for k in (0, 3, 4)])
    np.testing.assert_array_equal(costs.policies, [[extra[0], 0], [extra[3], 0]])
    assert latencies.costs(policies).policies.shape == (4, 2)


def test_everything_that_is_timed_is_in_integers(timed: tuple[ExitLatencies, bytes]) -> None:
    content = schema.ModelT.InitFromPackedBuf(timed[1], 0)
    names = [entry.signatureKey.decode() for entry in content.signatureDefs]
    assert names[:9] == [
        *(f"segment{place}" for place in range(4)),
        *(f"head{number}" for number in (1, 2, 3, 4)),
        "final",
    ]
    assert names[-1] == "one_shot"
    assert len(names) == 9 + 3 * 4 + 1  # logits at strides 32, 16 and 8
    types = schema.TensorType
    cast = schema.BuiltinOperator.CAST
    for entry in content.signatureDefs:
        graph = content.subgraphs[entry.subgraphIndex]
        ends = [*entry.inputs, *entry.outputs]
        assert {graph.tensors[item.tensorIndex].type for item in ends} <= {types.INT8, types.UINT8}
        given = {
            int(tensor)
            for operator in graph.operators
            if content.operatorCodes[operator.opcodeIndex].builtinCode != cast
            for tensor in operator.outputs
        }
        assert types.FLOAT32 not in {graph.tensors[index].type for index in given}


def test_times_come_back_from_json(timed: tuple[ExitLatencies, bytes]) -> None:
    latencies, _ = timed
    content = json.loads(json.dumps(latencies.to_dict()))
    assert ExitLatencies(**content) == latencies


# === What a segment computes ===


def states(segment: keras.Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        tensor.name: rng.random((1, *tensor.shape[1:])).astype(np.float32)
        for tensor in segment.inputs
    }


def test_a_segment_without_what_it_hands_on(many_exits: kit.AdaptiveUNet) -> None:
    segment = many_exits.segment_model("heavy", 17, 18)
    model = computed(segment)
    assert model is not None
    assert set(segment.output) == {"state_x", "state_skip_2", "state_skip_4"}
    assert set(model.output) == {"state_x"}
    assert {tensor.name for tensor in model.inputs} == {"state_x", "state_skip_8"}
    given = states(segment)
    own = {name: given[name] for name in ("state_x", "state_skip_8")}
    np.testing.assert_allclose(
        model.predict_on_batch(own)["state_x"],
        segment.predict_on_batch(given)["state_x"],
        rtol=1e-5,
        atol=1e-5,
    )


def test_a_segment_that_computes_nothing_is_none(many_exits: kit.AdaptiveUNet) -> None:
    assert computed(many_exits.segment_model("light", 19, 20)) is None  # its stage is skipped
    whole = computed(many_exits.segment_model("light", 0, 13))
    assert [tensor.name for tensor in whole.inputs] == ["image"]


def test_a_segment_of_skipped_blocks_takes_no_time(
    network: kit.AdaptiveUNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(parts: list, rounds: int) -> np.ndarray:
        return np.ones((len(parts), rounds))

    monkeypatch.setattr(exit_latency, "in_turns", run)
    monkeypatch.setattr(exit_latency, "convert_for_timing", lambda graphs: graphs)
    monkeypatch.setattr(exit_latency, "_Part", lambda made, name: Named(name))
    monkeypatch.setattr(exit_latency, "Interpreter", lambda *_, **__: None)
    latencies = time_exits(network.with_exits([kit.Exit(19, "fcn-r2")]), "light", rounds=2)
    assert latencies.trunk_ms == (1.0, 0.0)
    assert latencies.sum_ms == 2.0


class Named:
    """Stands for a part that is not run."""

    def __init__(self, name: str) -> None:
        self.name = name


# === Refusals ===


@pytest.mark.parametrize("options", [{"threads": 0}, {"rounds": 0}])
def test_wrong_arguments_are_named(many_exits: kit.AdaptiveUNet, options: dict) -> None:
    with pytest.raises(TiersegError, match="`threads` and `rounds` must be 1 or more"):
        time_exits(many_exits, "light", **options)


def test_a_network_without_exits_is_refused(network: kit.AdaptiveUNet) -> None:
    with pytest.raises(TiersegError, match="`network` must have early exits"):
        time_exits(network, "light")
