"""Which exits of which network to deploy, and how to leave at them: what a search ends with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from keras import ops

from kit.errors import InputError
from kit.files import replacing
from kit.search.candidate import Candidate

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork

Network = TypeVar("Network", bound="AdaptiveNetwork")


@dataclass(frozen=True)
class ExitPlan:
    """The result of a search over an overprovisioned network (MESS, arXiv 2106.03527).

    Exits are numbered from 1 among those of the plan, as `apply` deploys them, in `default_tier`
    and `image_thresholds`; in the candidates they have the numbers of the network that was
    searched.

    Args:
        network: What was searched: `name`, `exits` (as of `Exit.to_dict`), `fingerprint`.
        configuration: Name of the configuration that was chosen.
        setting: How it is deployed; see `Candidate`.
        exits: Early exits to deploy, shallowest first, as of `Exit.to_dict`, with the policies that
            were chosen.
        image_thresholds: Tier to the confidence, 0 to 1, from which an image leaves there, for each
            configuration for which thresholds were fitted. An exit that is never worth leaving at
            has 1.
        default_tier: The tier to begin with.
        chosen: The choice, scored on the images that it was chosen on.
        report: Name of other images to the same choice, scored on them.
        constraints: What was asked for.
        search: How it was found: `count`, `seconds`, `baseline`, `front` and more.

    Raises:
        InputError: if `network` or one of `exits` lacks what names it.

    Example:
        >>> network = ExitPlan.load("search.json").apply(network)
    """

    network: Mapping[str, Any]
    configuration: str
    setting: str
    exits: tuple[Mapping[str, Any], ...]
    image_thresholds: Mapping[str, float]
    default_tier: str
    chosen: Candidate
    report: Mapping[str, Candidate] = field(default_factory=dict)
    constraints: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "exits", tuple(self.exits))
        for name, item, keys in (
            ("network", self.network, {"name", "fingerprint"}),
            *(("exits", exit_, {"after", "head"}) for exit_ in self.exits),
        ):
            if not keys <= set(item):
                raise InputError(
                    f"`{name}` must have {' and '.join(sorted(keys))}; "
                    f"received: {', '.join(map(str, item)) or 'nothing'}"
                )

    def apply(self, network: Network) -> Network:
        """The network with the plan's exits, policies and thresholds alone; no weight changes.

        Args:
            network: The one that was searched, or another with the same trunk, final exit and, at
                least, the plan's exits.

        Raises:
            InputError: if it has another trunk or final exit, or lacks an exit.
        """
        own = fingerprint(network)
        if own != self.network["fingerprint"]:
            raise InputError(
                "`network` must have the trunk and the final exit that were searched, "
                f"{self.network['name']} {self.network['fingerprint'][:12]}; "
                f"received: {network.name} {own[:12]}"
            )
        known = {(exit_.after, exit_.head.name) for exit_ in network.exits}
        for exit_ in self.exits:
            if (exit_["after"], exit_["head"]) not in known:
                have = ", ".join(f"{head} after {after}" for after, head in sorted(known))
                raise InputError(
                    f"`network` must have the exit {exit_['head']} after {exit_['after']} blocks; "
                    f"received: {have or 'none'}"
                )
        return network.with_exits(self.exits, self.image_thresholds)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        return {
            "network": dict(self.network),
            "configuration": self.configuration,
            "setting": self.setting,
            "exits": [dict(exit_) for exit_ in self.exits],
            "image_thresholds": dict(self.image_thresholds),
            "default_tier": self.default_tier,
            "chosen": self.chosen.to_dict(),
            "report": {name: candidate.to_dict() for name, candidate in self.report.items()},
            "constraints": dict(self.constraints),
            "search": dict(self.search),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """A plan from what `to_dict` gave.

        Raises:
            InputError: if it is no such content.
        """
        try:
            report = {name: Candidate.from_dict(item) for name, item in content["report"].items()}
            chosen = Candidate.from_dict(content["chosen"])
            return cls(**{**content, "chosen": chosen, "report": report})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"`content` must be what ExitPlan.to_dict gave; received: {error!r}"
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON.

        Raises:
            OSError: if it cannot be written; a file of that name is then left as it was.
        """
        with replacing(Path(path)) as partial:
            partial.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a plan that `save` wrote.

        Raises:
            InputError: if there is no such file, or it is no plan.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"`path` must be the result of a search (.json); no file {path}")
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:  # of JSON, of characters, of the content
            raise InputError(f"{path} must be the result of a search; received: {error}") from error


def fingerprint(network: AdaptiveNetwork, *, heads: bool = False) -> str:
    """SHA-256 (hexadecimal) over the weights of trunk and final exit, names and shapes included.

    Adding, training or removing early exits does not change it.

    Args:
        network: Of any family.
        heads: Whether the weights of early exits count too.
    """
    early = {id(weight) for head in network.exit_heads for weight in head.weights}
    weights = [weight for weight in network.weights if heads or id(weight) not in early]
    total = hashlib.sha256()
    for weight in sorted(weights, key=lambda weight: weight.path):
        values = np.ascontiguousarray(ops.convert_to_numpy(ops.convert_to_tensor(weight)))
        total.update(f"{weight.path} {values.dtype} {values.shape}\n".encode())
        total.update(values.tobytes())
    return total.hexdigest()
