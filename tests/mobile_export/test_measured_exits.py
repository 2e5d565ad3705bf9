"""What was measured is read again, unless what decides about it has changed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit.search import ExitPolicy, ExitTable
from mobile_export import measured_exits as module
from mobile_export.exit_latency import ExitLatencies
from mobile_export.measured_exits import MeasuredExits
from mobile_export.runtime import TiersegError
from tests.kit.search.exit_tables import random_table
from tests.mobile_export.blocks import Blocks

DATA = Blocks("val", 9)
LATENCIES = ExitLatencies(
    configuration="light",
    points=(17,),
    heads=("fcn-r2",),
    trunk_ms=(3.0, 2.0),
    head_ms=(0.25, 0.5),
    extra_ms={"top1": (0.0,), "top1+edges": (0.125,), "entropy": (0.1,), "entropy+edges": (0.2,)},
    one_shot_ms=5.0,
)


class Calls(list[str]):
    """What was measured, one entry a measurement."""

    def measure(self, network: Any, configuration: str, data: Any, policies: Any) -> ExitTable:
        self.append(f"{configuration} on {data.split}")
        table = random_table((0,), images=len(data), policies=len(policies), policy_costs=False)
        costs = {
            name: replace(cost, trunk=cost.trunk[:2])
            for name, cost in table.costs.items()
            if name != "latency_ms"
        }
        return replace(table, configuration=configuration, policies=policies, costs=costs)

    def time(self, network: Any, configuration: str, *, threads: int, rounds: int) -> ExitLatencies:
        self.append(f"{configuration} with {threads}")
        return replace(LATENCIES, configuration=configuration)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    found = Calls()
    monkeypatch.setattr(module, "measure_exits", found.measure)
    monkeypatch.setattr(module, "time_exits", found.time)
    return found


@pytest.fixture(scope="module")
def one_exit(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    return network.with_exits([kit.Exit(17, "fcn-r2")])


def test_a_table_holds_the_latencies(one_exit: kit.AdaptiveUNet, calls: Calls) -> None:
    policies = [ExitPolicy(), ExitPolicy("top1", 0.9, True)]
    table = MeasuredExits(one_exit, policies).table("light", DATA)
    assert list(table.costs) == ["latency_ms", "macs", "size_bytes", "memory_bytes"]
    np.testing.assert_array_equal(table.costs["latency_ms"].trunk, (3.0, 2.0))
    np.testing.assert_array_equal(table.costs["latency_ms"].policies, [[0.0, 0.125]])
    assert calls == ["light on val", "light with 1"]


def test_nothing_is_measured_twice(
    one_exit: kit.AdaptiveUNet, calls: Calls, tmp_path: Path
) -> None:
    folder = tmp_path / "tables"
    measured = MeasuredExits(one_exit, folder=folder)
    first = measured.table("light", DATA)
    assert measured.table("light", DATA).counts is first.counts
    again = MeasuredExits(one_exit, folder=folder).table("light", DATA)
    assert calls == ["light on val", "light with 1"]
    np.testing.assert_array_equal(again.counts, first.counts)
    np.testing.assert_array_equal(again.costs["latency_ms"].heads, (0.25, 0.5))
    kinds = sorted(path.name[: path.name.rindex("_")] for path in folder.iterdir())
    assert kinds == ["light_blocks_val", "light_latency"]


def test_without_a_folder_nothing_is_written(
    one_exit: kit.AdaptiveUNet, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    MeasuredExits(one_exit).table("light", DATA)
    assert list(tmp_path.iterdir()) == []


def test_what_changed_is_measured_anew(
    one_exit: kit.AdaptiveUNet, calls: Calls, tmp_path: Path
) -> None:
    MeasuredExits(one_exit, folder=tmp_path).table("light", DATA)
    calls.clear()

    def measured(network: kit.AdaptiveUNet, data: Blocks = DATA, **options: Any) -> list[str]:
        MeasuredExits(network, folder=tmp_path, **options).table("light", data)
        found = list(calls)
        calls.clear()
        return found

    assert measured(one_exit) == []
    assert measured(one_exit, Blocks("test", 9)) == ["light on test"]
    assert measured(one_exit, Blocks("val", 10)) == ["light on val"]
    assert measured(one_exit, policies=[ExitPolicy()]) == ["light on val"]
    assert measured(one_exit, threads=2) == ["light with 2"]
    assert measured(one_exit, rounds=2) == ["light with 1"]
    trained = one_exit.with_exits(one_exit.exits)
    assert measured(trained) == []
    (head,) = trained.exit_heads
    head.head.classify.bias.assign_add(np.ones(5, np.float32))
    assert measured(trained) == ["light on val"]  # values change no time
    other = one_exit.with_exits([kit.Exit(17, "fcn")])
    assert measured(other) == ["light on val", "light with 1"]


def test_a_damaged_file_is_named(one_exit: kit.AdaptiveUNet, calls: Calls, tmp_path: Path) -> None:
    MeasuredExits(one_exit, folder=tmp_path).table("light", DATA)
    for path in tmp_path.iterdir():
        kept = path.read_bytes()
        path.write_bytes(b"{}")
        with pytest.raises(ValueError, match=rf"{path.name} must "):
            MeasuredExits(one_exit, folder=tmp_path).table("light", DATA)
        path.write_bytes(kept)


def test_a_network_without_exits_is_told_what_to_do(network: kit.AdaptiveUNet) -> None:
    with pytest.raises(TiersegError, match=r"must have early exits .* kit\.overprovision .*recipe"):
        MeasuredExits(network)
