"""The `tierseg` command: finds the verbs that the installed packages offer and runs one.

A package offers a verb by an entry point of the group `tierseg.commands` (name -> `click.Command`).
Exit status: 0 done, 1 a check failed, 2 wrong use (one line on standard error), 130 on Ctrl-C.
"""

import os
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from mobile_export.runtime.standard_error import diverted

_EXTRAS = {
    "h5py": "train",
    "jax": "jax",
    "jaxlib": "jax",
    "keras": "train",
    "matplotlib": "train",
    "streamlit": "demo",
    "tensorflow": "train",
    "tensorflow_model_optimization": "train",
    "tf_keras": "train",
}
"""Package -> the extra of `tierseg` that installs it."""


class _Verbs(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(_verbs())

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        verb = _verbs().get(name)
        return None if verb is None else _load(verb)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(context):
            try:
                command = self.get_command(context, name)
                rows.append((name, command.get_short_help_str(80) if command else ""))
            except ImportError as error:
                rows.append((name, f"({_needs(error) or error})"))
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


@click.group(name="tierseg", cls=_Verbs, invoke_without_command=True)
@click.version_option(package_name="tierseg", prog_name="tierseg")
@click.pass_context
def tierseg(context: click.Context) -> None:
    """Train one segmentation network, ship every device tier of it, switch them live."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Args:
        arguments: words after `tierseg`. Defaults to those of this process.

    Returns:
        The exit status.
    """
    # What fails in TensorFlow is raised too, and its log has an error on every machine without an
    # accelerator.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return _run(arguments)
    except click.UsageError as error:
        return _fail(error.format_message(), error.ctx)
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except ImportError as error:
        if _interrupted(error):
            click.echo("Interrupted.", err=True)
            return 130
        needs = _needs(error)
        if needs is None:
            raise
        return _fail(f"this verb {needs}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except ValueError as error:
        if getattr(error, "exit_status", None) != 2:
            raise
        return _fail(str(error))


def _run(arguments: Sequence[str] | None) -> int:
    status = tierseg.main(arguments, prog_name="tierseg", standalone_mode=False)
    return status if isinstance(status, int) else 0


def _verbs() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="tierseg.commands")}


def _load(verb: EntryPoint) -> click.Command:
    """Imports a verb; shows what TensorFlow logs on its way in only if that fails."""
    said = b""
    try:
        with diverted() as log:
            try:
                return verb.load()
            except BaseException:
                log.seek(0)
                said = log.read()
                raise
    finally:
        click.echo(said, nl=False, err=True)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: modules in C turn it into an ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _needs(error: ImportError) -> str | None:
    """What to install for an import that failed; None if no extra explains it."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    return f"needs {package}: pip install 'tierseg[{_EXTRAS[package]}]'"


def _fail(message: str, context: click.Context | None = None) -> int:
    hint = f" (see {context.command_path} --help)" if context else ""
    click.echo(f"Error: {' '.join(message.split())}{hint}", err=True)
    return 2
