"""Names of the arithmetics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kit.errors import InputError
from kit.quantization.arithmetic import Arithmetic
from kit.quantization.fake_quant import FakeQuant
from kit.quantization.integer import Integer

_KINDS: dict[str, type[Arithmetic]] = {
    kind.policy: kind for kind in (Arithmetic, FakeQuant, Integer)
}

POLICIES = tuple(_KINDS)
"""What `kit.quantize` takes by name."""


def make_arithmetic(policy: str | Mapping[str, Any]) -> Arithmetic:
    """A new arithmetic.

    Args:
        policy: One of `POLICIES`, or a mapping with it as `policy` beside its options.

    Raises:
        InputError: naming the policy.
    """
    options = {"policy": policy} if isinstance(policy, str) else dict(policy)
    name = options.pop("policy", None)
    if name not in _KINDS:
        raise InputError(f"`policy` must be one of {', '.join(POLICIES)}; received: {name!r}")
    if name == Arithmetic.policy and options:
        raise InputError(
            f"`policy` {name!r} must have no options; received: {', '.join(sorted(options))}"
        )
    return _KINDS[name](**options)
