"""The last line of a verb: what was written where, and what to do next."""

import shlex
from collections.abc import Iterable
from pathlib import Path

import click


def say_next(written: Iterable[str | Path], *words: str | Path, hint: str = "") -> None:
    """Say on standard error which files were written, and the next command, to be copied.

    Args:
        written: Files and folders; none for a verb that only looked.
        words: Of the command, `tierseg` first; quoted here where a shell needs it.
        hint: What else belongs to it, in a few words.
    """
    names = ", ".join(map(str, written))
    said = f"Wrote {names}. " if names else ""
    click.echo(f"{said}Next: {command(*words)}{f'  ({hint})' if hint else ''}", err=True)


def command(*words: str | Path) -> str:
    """Words as a shell takes them."""
    return shlex.join(map(str, words))
