"""Latency, memory and size of each tier, beside any other model."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from tqdm import tqdm

from mobile_export.candidate import Candidate
from mobile_export.runtime import Bundle
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.tier_info import read_tiers

if TYPE_CHECKING:
    from kit import AdaptiveNetwork

_WARM_UPS = 3
_CPU_INFO = Path("/proc/cpuinfo")
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class BenchmarkRow:
    """Figures of one graph.

    Args:
        file: the `.tflite`, or `float32` for one that was made to compare with.
        signature: name of the signature, a tier's or a stage's; empty if the file has none.
        p50_ms: median time of a call, milliseconds, inputs and outputs copied.
        p90_ms: time that nine of ten calls keep to, milliseconds.
        peak_memory_mb: memory that loading the file and running this graph add to a process.
        size_bytes: size of the whole file.
    """

    file: str
    signature: str
    p50_ms: float
    p90_ms: float
    peak_memory_mb: float
    size_bytes: int


@dataclass(frozen=True)
class Benchmark:
    """One interleaved run.

    Args:
        rows: one for each graph, in the order of files and signatures.
        machine: what it ran on: `cpu`, `cores`, `system`, `threads`, `runtime`, `rounds`.
    """

    rows: tuple[BenchmarkRow, ...]
    machine: dict[str, Any]

    def figures(self, path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
        """The latencies of a bundle's tiers as its metadata holds them.

        Args:
            path: one of the files that were run.
        """
        infos = {info.signature: info.name for info in _tiers(str(path))}
        measured_with = {key: value for key, value in self.machine.items() if key != "rounds"}
        return {
            infos[row.signature]: {
                "latency_ms": round(row.p50_ms, 3),
                "latency_measured_with": measured_with,
            }
            for row in self.rows
            if row.file == str(path) and row.signature in infos
        }

    def table(self) -> str:
        """The figures as lines of text."""
        width = max(len(row.file) for row in self.rows)
        names = max(9, *(len(row.signature) for row in self.rows))
        lines = [
            ", ".join(f"{key} {value}" for key, value in self.machine.items()),
            f"{'file':{width}}  {'signature':{names}}  {'p50 ms':>8}  {'p90 ms':>8}  "
            f"{'peak MB':>8}  {'size MB':>8}",
        ]
        lines += [
            f"{row.file:{width}}  {row.signature or '-':{names}}  {row.p50_ms:8.2f}  "
            f"{row.p90_ms:8.2f}  {row.peak_memory_mb:8.1f}  {row.size_bytes / 1e6:8.2f}"
            for row in self.rows
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {"machine": self.machine, "rows": [asdict(row) for row in self.rows]}


def benchmark(
    paths: Sequence[str | os.PathLike[str]],
    threads: int = 1,
    *,
    rounds: int = 50,
    network: "AdaptiveNetwork | None" = None,
    tiers: Sequence[str] | None = None,
) -> Benchmark:
    """Times every signature of every file in turns, so that a slow moment hits all alike.

    Stages are signatures too: each is timed by itself, on states of any content. In each turn
    (A A B B C C) a graph runs twice and the second call counts: it finds its data in the caches,
    as a stream of frames does.

    Args:
        paths: bundles, and any other `.tflite` to stand beside.
        threads: CPU threads of a call.
        rounds: calls of each graph that are timed, after a few that are not.
        network: a network whose tiers are also converted to float32 and run in the same turns.
        tiers: names of the signatures to time, where a file has them, and of the network's tiers;
            all if None.

    Raises:
        TiersegError: an argument is wrong, or LiteRT cannot run a file.
    """
    if threads < 1 or rounds < 1:
        raise TiersegError(f"`threads` and `rounds` must be 1 or more; got {threads} and {rounds}")
    with ExitStack() as stack:
        files = [(str(path), str(path)) for path in paths]
        if network is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            files += [("float32", path) for path in _float32(network, tiers, Path(folder))]
        graphs = [
            (title, path, signature)
            for title, path in files
            for signature in _wanted(Candidate.signatures(path), tiers)
        ]
        candidates = [Candidate(path, signature, threads) for _, path, signature in graphs]
        times = in_turns(candidates, rounds)
        rows = []
        for (title, path, signature), spent in tqdm(
            zip(graphs, times, strict=True),
            desc="memory",
            total=len(graphs),
            unit="graph",
            delay=2,
            disable=None,
        ):
            peak = _probe("memory", path, signature, str(threads))["peak_mb"]
            p50, p90 = (float(value) for value in np.percentile(spent, (50, 90)))
            rows.append(BenchmarkRow(title, signature, p50, p90, peak, Path(path).stat().st_size))
    return Benchmark(tuple(rows), {**machine(threads), "rounds": rounds})


def benchmark_runtime(
    path: str | os.PathLike[str], threads: int = 1, *, rounds: int = 50
) -> dict[str, Any]:
    """What the runtime takes: start, memory, and a switch of the tier.

    Args:
        path: a bundle.
        threads: CPU threads of a call.
        rounds: switches to each tier that are timed.

    Returns:
        `import_ms`, `load_ms`, `first_mask_ms` and their sum `cold_start_ms` in a fresh process,
        with the lightest tier; `resident_lightest_mb`, `resident_all_tiers_mb` and
        `peak_all_tiers_mb`, memory of that process; for each tier `tiers[name]`: `steady_ms`,
        median time of a call that follows one of the same tier, and `switched_ms`, of one that
        follows another tier's; the mean of their differences as `switch_penalty_ms`; `machine`.

    Raises:
        TiersegError: the file is no bundle, or an argument is wrong.
    """
    if threads < 1 or rounds < 1:
        raise TiersegError(f"`threads` and `rounds` must be 1 or more; got {threads} and {rounds}")
    bundle = Bundle.open(path)
    interpreter = Interpreter(bundle.model_bytes, threads=threads, name=bundle.name)
    infos = read_tiers(bundle, interpreter.signatures)
    images = {info.name: np.zeros((1, *info.input_size, 3), np.uint8) for info in infos}
    steady: dict[str, list[float]] = {info.name: [] for info in infos}
    switched: dict[str, list[float]] = {info.name: [] for info in infos}
    for turn in tqdm(range(rounds + 1), desc="switch", unit="round", delay=2, disable=None):
        for info in infos:
            inputs = {"image": images[info.name]}
            after_other = interpreter.run(info.signature, inputs)[1]
            after_itself = interpreter.run(info.signature, inputs)[1]
            if turn:  # the first turn warms up
                switched[info.name].append(after_other)
                steady[info.name].append(after_itself)
    tiers = {
        name: {
            "steady_ms": float(np.median(steady[name])),
            "switched_ms": float(np.median(switched[name])),
        }
        for name in steady
    }
    penalties = [figures["switched_ms"] - figures["steady_ms"] for figures in tiers.values()]
    return {
        "bundle": str(path),
        **_probe("cold", str(path), str(threads)),
        "switch_penalty_ms": float(np.mean(penalties)),
        "tiers": tiers,
        "machine": machine(threads),
    }


def machine(threads: int) -> dict[str, Any]:
    """What a benchmark ran on.

    Args:
        threads: CPU threads of a call.
    """
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "runtime": f"ai-edge-litert {version('ai-edge-litert')}",
    }


class Timed(Protocol):
    """Anything that can be run again and again."""

    def run(self) -> float:
        """Runs once; the time that it took, milliseconds."""


def in_turns(candidates: Sequence[Timed], rounds: int) -> np.ndarray:
    """Runs all in turns, each twice, of which the second call counts.

    Args:
        candidates: what is timed.
        rounds: calls of each that are timed, after a few that are not.

    Returns:
        Milliseconds of each call, `(candidate, round)`.
    """
    times = np.zeros((len(candidates), rounds))
    work = range(-_WARM_UPS, rounds)
    for turn in tqdm(work, desc="benchmark", unit="round", delay=2, disable=None):
        for place, candidate in enumerate(candidates):
            candidate.run()  # brings it back into the caches, as a stream of frames keeps it there
            spent = candidate.run()
            if turn >= 0:
                times[place, turn] = spent
    return times


def _float32(network: "AdaptiveNetwork", tiers: Sequence[str] | None, folder: Path) -> list[str]:
    """Converts tiers to float32, one file each; the paths."""
    from mobile_export.converter import convert_float32
    from mobile_export.signatures import choose, freeze

    paths = []
    for tier in tqdm(choose(network, tiers), desc="convert to float32", unit="tier", disable=None):
        path = folder / f"{tier.name}.tflite"
        path.write_bytes(convert_float32([freeze(network, tier, quantized=False)]))
        paths.append(str(path))
    return paths


def _wanted(signatures: Sequence[str], tiers: Sequence[str] | None) -> list[str]:
    """The signatures to time: those that were asked for, or all of a file that has none of them."""
    return [name for name in signatures if tiers is None or name in tiers] or list(signatures)


def _probe(*arguments: str) -> dict[str, Any]:
    """What `mobile_export.probe` tells from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "mobile_export.probe", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_ROOT), os.getenv("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        raise TiersegError(f"{arguments[1]} could not be measured: {''.join(reason)}")
    return json.loads(done.stdout)


def _tiers(path: str) -> Sequence[Any]:
    bundle = Bundle.open(path)
    return read_tiers(bundle, bundle.signatures)


def _cpu() -> str:
    """Name of the processor."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
