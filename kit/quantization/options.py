"""Checks of the options of an arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from kit.errors import InputError


def check_bits(name: str, bits: Any, least: int, most: int) -> None:
    """Refuse a width that a format has not.

    Raises:
        InputError: naming the option.
    """
    if type(bits) is not int or not least <= bits <= most:
        raise InputError(
            f"`{name}` must be a whole number from {least} to {most}; received: {bits!r}"
        )


def check_known(policy: str, options: Iterable[str], known: Collection[str]) -> None:
    """Refuse options that a policy has not.

    Raises:
        InputError: naming them.
    """
    if unknown := sorted(set(options) - set(known)):
        raise InputError(
            f"options of the policy `{policy}` must be among {', '.join(sorted(known))}; "
            f"received: {', '.join(unknown)}"
        )
