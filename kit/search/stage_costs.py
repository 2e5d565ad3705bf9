"""What each part of a network with early exits costs, in one unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from kit.errors import InputError


@dataclass(frozen=True, eq=False)
class StageCosts:
    """One kind of cost (`latency_ms`, `macs`, `size_bytes`, …) of every part of a network.

    Args:
        trunk: `(P + 1,)`, 0 or more. Item p is what it costs to get from point p - 1 (from the
            image, for the first) to point p; the last leads to the final exit.
        heads: `(E + 1,)`, 0 or more. Cost of each early exit's head, the final one's last. A head
            that tells its confidence in every setting, as a signature of a bundle does, includes
            the exit policy.
        kind: `"sum"` adds up the parts (time, multiply-adds, bytes of weights); `"max"` takes the
            largest of them (peak memory).
        per_image: Whether an image pays for the parts that it ran (time, multiply-adds). Otherwise
            every image pays for all that is deployed (parameters, bytes).
        policies: `(E, T)`, 0 or more: what each policy costs on top, where images leave by it and
            only there (P_j in the cost of the input-dependent setting); 0 if `None`.

    Raises:
        InputError: naming the argument.
    """

    trunk: np.ndarray
    heads: np.ndarray
    kind: Literal["sum", "max"] = "sum"
    per_image: bool = True
    policies: np.ndarray | None = None

    def __post_init__(self) -> None:
        dimensions = {"trunk": 1, "heads": 1, "policies": 2}
        for name, ndim in dimensions.items():
            if getattr(self, name) is None:
                continue
            array = np.array(getattr(self, name), np.float64)
            if array.ndim != ndim or not array.size:
                raise InputError(f"`{name}` must have {ndim} axes; received: shape {array.shape}")
            if not (np.isfinite(array) & (array >= 0)).all():
                raise InputError(f"`{name}` must be finite and 0 or more; received: {array}")
            object.__setattr__(self, name, array)
        if self.kind not in ("sum", "max"):
            raise InputError(f"`kind` must be sum or max; received: {self.kind!r}")

    def running(
        self, points: np.ndarray, exits: np.ndarray, policies: np.ndarray | None = None
    ) -> np.ndarray:
        """What has been paid when each exit of a row of exits is done, all earlier ones included.

        Args:
            points: int `(rows, stages)`, the point of each exit, strictly ascending along a row.
            exits: int `(rows, stages)`, each exit's position in `heads`, from 0.
            policies: int `(rows, early exits)`, the policy by which images leave the first exits
                of the row; `None` where none leaves by a policy.

        Returns:
            float64 `(rows, stages)`, never falling along a row.
        """
        accumulate = np.add.accumulate if self.kind == "sum" else np.maximum.accumulate
        combine = np.add if self.kind == "sum" else np.maximum
        heads = self.heads[exits]
        if policies is not None and self.policies is not None:
            early = policies.shape[1]
            heads[:, :early] = combine(heads[:, :early], self.policies[exits[:, :early], policies])
        return combine(accumulate(self.trunk)[points], accumulate(heads, axis=1))

    def to_dict(self) -> dict[str, Any]:
        """The costs as plain data."""
        return {
            "trunk": self.trunk.tolist(),
            "heads": self.heads.tolist(),
            "kind": self.kind,
            "per_image": self.per_image,
            "policies": None if self.policies is None else self.policies.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Costs from what `to_dict` gave."""
        return cls(**content)
