"""An early exit of a network: where, which head, and when a pixel counts as sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kit.errors import InputError
from kit.layers.head_config import HeadConfig
from kit.search.exit_policy import ExitPolicy


@dataclass(frozen=True)
class Exit:
    """One candidate exit (MESS, arXiv 2106.03527).

    Args:
        after: Number of the network's blocks that have run when the features are taken, 1 or more.
        head: The head, or its name.
        policy: How the exit tells sure pixels.

    Raises:
        InputError: if `after` is no whole number from 1 or `head` fits no grammar.
    """

    after: int
    head: HeadConfig = field(default_factory=HeadConfig)
    policy: ExitPolicy = field(default_factory=ExitPolicy)

    def __post_init__(self) -> None:
        if not isinstance(self.after, int) or self.after < 1:
            raise InputError(f"`after` must be 1 block or more; received: {self.after!r}")
        object.__setattr__(self, "head", HeadConfig.parse(self.head))

    @classmethod
    def parse(cls, exit_: Exit | Mapping[str, Any]) -> Self:
        """An exit from what `to_dict` gave; an `Exit` is returned as it is.

        Raises:
            InputError: if keys are missing or unknown.
        """
        if isinstance(exit_, cls):
            return exit_
        content: dict[str, Any] = dict(exit_)  # type: ignore[arg-type]
        if not {"after"} <= set(content) <= {"after", "head", "policy"}:
            raise InputError(
                "an exit must have `after`, and may have `head` and `policy`; "
                f"received: {', '.join(content) or 'nothing'}"
            )
        if "policy" in content:
            content["policy"] = ExitPolicy.from_dict(content["policy"])
        return cls(**content)

    @property
    def name(self) -> str:
        """What its layers are called after."""
        return f"exit_{self.after}_{self.head.name.replace('-', '_')}"

    def to_dict(self) -> dict[str, Any]:
        """The exit as plain data."""
        return {"after": self.after, "head": self.head.name, "policy": self.policy.to_dict()}
