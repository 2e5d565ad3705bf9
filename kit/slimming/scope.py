"""How many channels the layers of networks that are made within a block have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_kept: ContextVar[Mapping[str, int] | None] = ContextVar("channels", default=None)


@contextmanager
def channels_scope(channels: Mapping[str, int]) -> Iterator[None]:
    """The network that is made within the block has so many output channels, by layer's name.

    As the scope of arithmetics, so that no family of networks has to know of it.
    """
    token = _kept.set(channels)
    try:
        yield
    finally:
        _kept.reset(token)


def current_channels() -> dict[str, int]:
    """Output channels of a network that is being made, where they are not its family's."""
    return dict(_kept.get() or {})
