"""Which arithmetic networks that are made within a block compute in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kit.quantization.arithmetic import Arithmetic

_factory: ContextVar[Arithmetic | None] = ContextVar("arithmetic", default=None)


@contextmanager
def arithmetic_scope(arithmetic: Arithmetic) -> Iterator[None]:
    """The network that is made within the block computes in `arithmetic`.

    As Keras's dtype policy, so that no family of networks has to know of it.
    """
    token = _factory.set(arithmetic)
    try:
        yield
    finally:
        _factory.reset(token)


def current_arithmetic() -> Arithmetic:
    """What a network that is being made computes in."""
    return _factory.get() or Arithmetic()
