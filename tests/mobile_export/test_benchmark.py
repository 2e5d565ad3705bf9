"""The benchmark times every graph in turns, and tells on what machine."""

from pathlib import Path

import numpy as np
import pytest

import kit
from mobile_export import benchmark as module
from mobile_export.benchmark import Benchmark, BenchmarkRow, benchmark, benchmark_runtime, machine
from mobile_export.candidate import Candidate
from mobile_export.runtime import TiersegError
from tests.mobile_export import sabotage
from tests.mobile_export.blocks import CONFIGURATIONS
from tests.mobile_export.conftest import Made
from tests.tiny_bundle import STAGES, TIERS


@pytest.fixture
def foreign(made: Made, tmp_path: Path) -> Path:
    """Anybody's model: float tensors or not, no signature, no metadata."""

    def change(content: sabotage.Content) -> None:
        content.signatureDefs = []
        content.subgraphs = content.subgraphs[:1]

    path = tmp_path / "foreign.tflite"
    path.write_bytes(sabotage.edited(made.model, change))
    return path


def test_each_graph_gets_a_row(made: Made, foreign: Path) -> None:
    result = benchmark([made.path, foreign], rounds=4)
    assert [(row.file, row.signature) for row in result.rows] == [
        *((str(made.path), tier) for tier in CONFIGURATIONS),
        (str(foreign), ""),
    ]
    for row in result.rows:
        assert 0 < row.p50_ms <= row.p90_ms
        assert 0.1 < row.peak_memory_mb < 200
        assert row.size_bytes == Path(row.file).stat().st_size
    assert result.machine == {**machine(1), "rounds": 4}
    assert set(result.figures(made.path)) == set(CONFIGURATIONS)
    assert result.to_dict()["rows"][0]["signature"] == "light"


def test_stages_are_timed_beside_tiers(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_probe", lambda *arguments: {"peak_mb": 1.0})
    result = benchmark([tiny_bundle], rounds=2)
    assert {row.signature for row in result.rows} == {*TIERS, *STAGES}
    assert all(row.p50_ms > 0 for row in result.rows)
    assert result.figures(tiny_bundle).keys() == set(TIERS)
    (row,) = benchmark([tiny_bundle], rounds=2, tiers=["heavy_stage2"]).rows
    assert row.signature == "heavy_stage2"


def test_graphs_run_in_turns(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def run(self: Candidate) -> float:
        calls.append(self.signature)
        return float(len(calls))

    monkeypatch.setattr(Candidate, "run", run)
    monkeypatch.setattr(module, "_probe", lambda *arguments: {"peak_mb": 1.0})
    rows = benchmark([made.path], rounds=2, tiers=["light", "heavy"]).rows
    # Each is made ready, then three rounds warm up and two count.
    assert calls == ["light", "heavy"] + ["light", "light", "heavy", "heavy"] * 5
    counted = [[16.0, 20.0], [18.0, 22.0]]  # the second call of each turn
    assert [row.p50_ms for row in rows] == [np.median(times) for times in counted]


def test_float32_stands_beside(made: Made, network: kit.AdaptiveUNet) -> None:
    rows = benchmark([made.path], rounds=2, network=network, tiers=["light"]).rows
    assert [(row.file, row.signature) for row in rows] == [
        (str(made.path), "light"),
        ("float32", "light"),
    ]


def test_the_runtime_is_measured(made: Made) -> None:
    figures = benchmark_runtime(made.path, rounds=3)
    parts = figures["import_ms"] + figures["load_ms"] + figures["first_mask_ms"]
    assert figures["cold_start_ms"] == pytest.approx(parts)
    assert 10 < figures["resident_lightest_mb"] <= figures["resident_all_tiers_mb"] < 400
    assert figures["resident_all_tiers_mb"] <= figures["peak_all_tiers_mb"] + 1
    assert set(figures["tiers"]) == set(CONFIGURATIONS)
    differences = [tier["switched_ms"] - tier["steady_ms"] for tier in figures["tiers"].values()]
    assert figures["switch_penalty_ms"] == pytest.approx(np.mean(differences))


@pytest.mark.parametrize("options", [{"threads": 0}, {"rounds": 0}])
def test_wrong_arguments_are_named(made: Made, options: dict) -> None:
    with pytest.raises(TiersegError, match="`threads` and `rounds` must be 1 or more; got"):
        benchmark([made.path], **options)
    with pytest.raises(TiersegError, match="`threads` and `rounds` must be 1 or more; got"):
        benchmark_runtime(made.path, **options)


def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.tflite"
    with pytest.raises(TiersegError, match=r"none\.tflite could not be measured: .*no such file"):
        module._probe("memory", str(path), "", "1")


def test_the_machine_is_named() -> None:
    told = machine(2)
    assert told["threads"] == 2
    assert told["cpu"]
    assert told["runtime"].startswith("ai-edge-litert ")


def test_the_table_lines_up() -> None:
    row = BenchmarkRow("a.tflite", "light", 1.234, 2.0, 30.0, 1_500_000)
    head, titles, line = Benchmark((row,), {"cpu": "x", "threads": 1}).table().splitlines()
    assert head == "cpu x, threads 1"
    assert titles.split() == [
        "file",
        "signature",
        "p50",
        "ms",
        "p90",
        "ms",
        "peak",
        "MB",
        "size",
        "MB",
    ]
    assert line.split() == ["a.tflite", "light", "1.23", "2.00", "30.0", "1.50"]
    assert len(titles) == len(line)
