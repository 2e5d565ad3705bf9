"""The last line of a verb: what was written where, and what to do next."""

import shlex
from collections.abc import Iterable
from pathlib import Path

import click


def say_next(written: Iterable[str | Path], *words: str | Path, hint: str = "") -> None:
    """Say on standard error which files were written, and the next command, to be copied.

    Args:
        written: Files and folders; none for a verb that only looked.
        *words: Of the command, `tierseg` first; quoted here where a shell needs it.
        hint: What else belongs to it, in a few words.
    """
    names = ", ".join(map(str, written))
    parts = [f"Wrote {names}." if names else "", f"Next: {command(*words)}" if words else ""]
    line = " ".join(part for part in parts if part)
    click.echo(f"{line}  ({hint})" if hint else line, err=True)


def command(*words: str | Path) -> str:
    """Words as a shell takes them."""
    return shlex.join(map(str, words))
