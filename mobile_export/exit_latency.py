"""What each part of a network with early exits takes on this device, in 8-bit integers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from kit import AdaptiveNetwork, Tier
from kit.layers import Confidence
from kit.search import ExitPolicy, StageCosts
from mobile_export.benchmark import in_turns, machine
from mobile_export.converter import convert_for_timing
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.signatures import (
    FrozenGraph,
    freeze_function,
    freeze_model,
    layer_of,
    pinned_confidence,
)

_PLAIN = ExitPolicy()
_VARIANTS = tuple(
    ExitPolicy(measure, edge_aware=edge_aware)
    for measure in ("top1", "entropy")
    for edge_aware in (False, True)
)


@dataclass(frozen=True)
class ExitLatencies:
    """Median times of the parts of one configuration, milliseconds, one call each.

    Args:
        configuration: its name.
        points: number of blocks before each point at which exits stand, ascending.
        heads: names of the early exits' heads, shallowest exit first.
        trunk_ms: from point to point, the first from the image, the last to the final exit.
        head_ms: each early exit's head with mask and confidence by the largest probability, without
            edges; the final exit's last.
        extra_ms: how a policy is called (`variant`) -> what it takes more than that, for each early
            exit; 0 where it is faster. The pixel threshold changes no time.
        one_shot_ms: the final exit as one signature, to compare the sum of its parts with.
        machine: what it was measured on, as of a benchmark.
    """

    configuration: str
    points: tuple[int, ...]
    heads: tuple[str, ...]
    trunk_ms: tuple[float, ...]
    head_ms: tuple[float, ...]
    extra_ms: Mapping[str, tuple[float, ...]]
    one_shot_ms: float
    machine: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("points", "heads", "trunk_ms", "head_ms"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        extra = {name: tuple(values) for name, values in self.extra_ms.items()}
        object.__setattr__(self, "extra_ms", extra)

    @property
    def sum_ms(self) -> float:
        """The parts of the final exit together: what `one_shot_ms` takes as one signature."""
        return sum(self.trunk_ms) + self.head_ms[-1]

    def costs(
        self, policies: Sequence[ExitPolicy], exits: Sequence[int] | None = None
    ) -> StageCosts:
        """The times as a search takes them.

        Args:
            policies: of the search's table.
            exits: the early exits of the table, from 1; all if None.
        """
        chosen = [k - 1 for k in exits] if exits is not None else range(len(self.heads))
        return StageCosts(
            np.array(self.trunk_ms),
            np.array([self.head_ms[k] for k in [*chosen, -1]]),
            policies=np.array(
                [[self.extra_ms[variant(policy)][k] for policy in policies] for k in chosen]
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The times as plain data; `ExitLatencies(**content)` reads them again."""
        return asdict(self)


def variant(policy: ExitPolicy) -> str:
    """What of a policy decides about its time: `top1`, `top1+edges`, `entropy`, `entropy+edges`."""
    return policy.measure + ("+edges" if policy.edge_aware else "")


def time_exits(
    network: AdaptiveNetwork, configuration: str, *, threads: int = 1, rounds: int = 30
) -> ExitLatencies:
    """Measures the parts of one configuration on this device, in turns (see `benchmark`).

    The parts are signatures of one int8 file, of any scale. What a part only hands on is no part
    of it: in a bundle such states are the same bytes at both ends of a stage.

    A sum of parts takes longer than one signature of the same work, by what it takes to call each
    part and to copy its input and output; `one_shot_ms` tells how much.

    Args:
        network: a network, trained or not: values change no time.
        configuration: name of the configuration.
        threads: CPU threads of a call.
        rounds: calls of each part that are timed, after a few that are not.

    Raises:
        TiersegError: the network has no early exits, or an argument is wrong.
        ConversionError: a part holds something that LiteRT cannot run in integers.
    """
    if threads < 1 or rounds < 1:
        raise TiersegError(f"`threads` and `rounds` must be 1 or more; got {threads} and {rounds}")
    if not network.exits:
        raise TiersegError("`network` must have early exits to be timed; got one without")
    *early, final = network.exits_of(network.resolve(configuration))
    grids = [_grid(network, tier) for tier in early]
    graphs = list(_graphs(network, early, final, grids))
    interpreter = Interpreter(convert_for_timing(graphs), threads=threads, name="the parts")
    parts = [_Part(interpreter, graph.name) for graph in graphs]
    medians = np.median(in_turns(parts, rounds), axis=1)
    spent = {part.name: float(median) for part, median in zip(parts, medians, strict=True)}
    points = _points(network)
    extra = {
        variant(policy): tuple(
            max(0.0, spent[_variant_name(grid, policy)] - spent[_variant_name(grid, _PLAIN)])
            for grid in grids
        )
        for policy in _VARIANTS
    }
    return ExitLatencies(
        configuration=final.configuration,
        points=points,
        heads=tuple(exit_.head.name for exit_ in network.exits),
        # A segment whose blocks are all skipped has nothing to run.
        trunk_ms=tuple(spent.get(f"segment{place}", 0.0) for place in range(len(points) + 1)),
        head_ms=tuple(spent[_head_name(tier)] for tier in (*early, final)),
        extra_ms=extra,
        one_shot_ms=spent["one_shot"],
        machine=machine(threads),
    )


class _Part:
    """One signature with some inputs."""

    def __init__(self, interpreter: Interpreter, name: str) -> None:
        self.name = name
        self._interpreter = interpreter
        rng = np.random.default_rng(0)
        self._inputs = {
            key: rng.integers(-128, 128, tensor.shape).astype(tensor.dtype)
            for key, tensor in interpreter.signatures[name].inputs.items()
        }

    def run(self) -> float:
        return self._interpreter.run(self.name, self._inputs)[1]


# === Graphs ===

_Grid = tuple[tuple[int, int, int], int]
"""Shape (height, width, classes) of logits, and which of their pixels are looked at."""


def _graphs(
    network: AdaptiveNetwork, early: Sequence[Tier], final: Tier, grids: Sequence[_Grid]
) -> Iterator[FrozenGraph]:
    """Every part, frozen."""
    blocks = len(network.configurations[final.configuration])
    for place, ends in enumerate(pairwise([0, *_points(network), blocks])):
        segment = computed(network.segment_model(final, *ends))
        if segment is not None:
            yield freeze_model(f"segment{place}", segment)
    for tier in (*early, final):
        yield freeze_model(_head_name(tier), network.head_model(tier, _PLAIN))
    for grid in dict.fromkeys(grids):
        for policy in _VARIANTS:
            yield _confidence(grid, policy)
    yield freeze_model("one_shot", network.predictor(final, _PLAIN))


def computed(segment: keras.Model) -> keras.Model | None:
    """A part of the trunk without the states that it only hands on.

    Args:
        segment: as `AdaptiveNetwork.segment_model` gives it.

    Returns:
        The model of the states that it computes, from those inputs that they need; None if it
        computes none.
    """
    given = {id(tensor) for tensor in segment.inputs}
    outputs = {name: value for name, value in segment.output.items() if id(value) not in given}
    if not outputs:
        return None
    reached = _reached(outputs.values())
    inputs = {tensor.name: tensor for tensor in segment.inputs if id(tensor) in reached}
    image = inputs.get("image")
    return keras.Model(inputs if image is None else image, outputs)


def _reached(tensors: Any) -> set[int]:
    """Identities of all symbolic tensors that some depend on."""
    seen: set[int] = set()
    left = list(tensors)
    while left:
        tensor = left.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            operation, node, _ = tensor._keras_history
            left += operation._inbound_nodes[node].input_tensors
    return seen


def _grid(network: AdaptiveNetwork, tier: Tier) -> _Grid:
    """What the confidence of an exit looks at."""
    layer = layer_of(network.head_model(tier, _PLAIN), "confidence")
    return tuple(layer.input.shape[1:]), layer.step


def _confidence(grid: _Grid, policy: ExitPolicy) -> FrozenGraph:
    """The confidence alone, from logits."""
    shape, step = grid
    layer = Confidence(policy.pixel_threshold, step, policy.measure, policy.edge_aware)

    def run(logits: Any) -> dict[str, Any]:
        return {"confidence": pinned_confidence(logits, layer)}

    return freeze_function(_variant_name(grid, policy), run, {"logits": (1, *shape)})


def _points(network: AdaptiveNetwork) -> tuple[int, ...]:
    return tuple(sorted({exit_.after for exit_ in network.exits}))


def _head_name(tier: Tier) -> str:
    return "final" if tier.exit is None else f"head{tier.exit}"


def _variant_name(grid: _Grid, policy: ExitPolicy) -> str:
    (height, width, classes), step = grid
    edges = "_edges" if policy.edge_aware else ""
    return f"{policy.measure}{edges}_{height}x{width}x{classes}_{step}"
