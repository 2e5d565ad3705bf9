"""Tables of a network's exits, measured once."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import AdaptiveNetwork
from kit.data import Dataset
from kit.search import ExitPolicy, ExitTable
from kit.search.exit_plan import fingerprint
from mobile_export.benchmark import machine
from mobile_export.exit_latency import ExitLatencies, time_exits
from mobile_export.exit_measurement import measure_exits
from mobile_export.policies import POLICIES
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.files import replacing


class MeasuredExits:
    """Measures the exits of a network, or reads what was measured of them before.

    A file's name ends with a digest of all that decides about its content: of a table the
    network's make and weights, the policies and the images, of latencies the network's make and
    this machine. Where one of them changed, it is measured anew, into another file.

    Args:
        network: with early exits.
        policies: how sure pixels are told.
        threads: CPU threads of a timed call.
        rounds: timed calls of each part.
        folder: where tables (`*.npz`) and latencies (`*.json`) are kept; nowhere if None.

    Raises:
        TiersegError: the network has no early exits.

    Example:
        measured = MeasuredExits(network, folder=Path("runs/tables"))
        plan = plan_exits(network, {"heavy": measured.table("heavy", val)}, SearchGoal("error"))
    """

    def __init__(
        self,
        network: AdaptiveNetwork,
        policies: Sequence[ExitPolicy] = POLICIES,
        *,
        threads: int = 1,
        rounds: int = 30,
        folder: Path | None = None,
    ) -> None:
        if not network.exits:
            raise TiersegError(
                "`network` must have early exits to choose among; got one without (add some with "
                "kit.overprovision and train their heads, or train a recipe that has `exits`)"
            )
        self.network = network
        self.policies = tuple(policies)
        self.threads = threads
        self.rounds = rounds
        self.folder = folder
        self._tables: dict[str, ExitTable] = {}
        self._latencies: dict[str, ExitLatencies] = {}

    def table(self, configuration: str, data: Dataset) -> ExitTable:
        """What the exits of a configuration say of a data set, with all costs."""
        judged = self.judged(configuration, data)
        latencies = self.latencies(configuration).costs(self.policies)
        return replace(judged, costs={"latency_ms": latencies, **judged.costs})

    def judged(self, configuration: str, data: Dataset) -> ExitTable:
        """The same without latencies.

        Raises:
            TiersegError: the data have other classes.
            InputError: there is no such configuration, or a kept file is damaged.
        """
        key = _digest(
            self._make(configuration),
            fingerprint(self.network, heads=True),
            [policy.to_dict() for policy in self.policies],
            [data.name, data.split, data.digest()],
        )
        name = f"{configuration}_{_plain(data.name)}_{data.split}_{key}.npz"
        if name not in self._tables:
            path = None if self.folder is None else self.folder / name
            if path is not None and path.is_file():
                self._tables[name] = ExitTable.load(path)
            else:
                self._tables[name] = measure_exits(self.network, configuration, data, self.policies)
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._tables[name].save(path)
        return self._tables[name]

    def latencies(self, configuration: str) -> ExitLatencies:
        """What the parts of a configuration take on this machine.

        Raises:
            InputError: there is no such configuration.
            TiersegError: a kept file is damaged.
        """
        key = _digest(self._make(configuration), machine(self.threads), self.rounds)
        name = f"{configuration}_latency_{key}.json"
        if name not in self._latencies:
            path = None if self.folder is None else self.folder / name
            if path is not None and path.is_file():
                self._latencies[name] = _read(path)
            else:
                self._latencies[name] = time_exits(
                    self.network, configuration, threads=self.threads, rounds=self.rounds
                )
                if path is not None:
                    content = self._latencies[name].to_dict()
                    with replacing(path) as partial:
                        partial.write_text(json.dumps(content, indent=1) + "\n")
        return self._latencies[name]

    def _make(self, configuration: str) -> dict[str, Any]:
        """What the network's graphs follow from."""
        config = self.network.get_config()
        for key in ("configurations", "exits", "image_thresholds", "training_record"):
            del config[key]
        config.pop("input_sizes", None)
        return {
            **config,
            "family": type(self.network).__name__,
            "vector": self.network.configurations[
                self.network.resolve(configuration).configuration
            ],
            "exits": [(exit_.after, exit_.head.name) for exit_ in self.network.exits],
        }


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(name: str) -> str:
    """A data set's name as part of a file's name."""
    return re.sub(r"\W+", "_", name).strip("_")


def _read(path: Path) -> ExitLatencies:
    try:
        return ExitLatencies(**json.loads(path.read_text()))
    except (ValueError, TypeError, AttributeError) as error:
        raise TiersegError(f"{path} must hold latencies of exits; it says: {error}") from error
