"""The `tierseg` command: verbs by entry point, one-line errors, exit statuses."""

import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from mobile_export.runtime import TiersegError, command_line
from mobile_export.runtime.command_line import main


class _ForeignError(ValueError):
    exit_status = 2


def _verb(action: Any) -> click.Command:
    @click.command()
    @click.option("--count", type=int)
    def verb(count: int | None) -> None:
        """Does what the test wants."""
        action()

    return verb


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Offers verbs as an installed package would."""
    module = ModuleType("offered")
    monkeypatch.setitem(sys.modules, "offered", module)

    def offered(**verbs: click.Command) -> None:
        for name, command in verbs.items():
            setattr(module, name, command)
        points = [EntryPoint(name, f"offered:{name}", "tierseg.commands") for name in verbs]
        monkeypatch.setattr(command_line, "entry_points", lambda group: points)

    return offered


def _raises(error: BaseException) -> click.Command:
    def action() -> None:
        raise error

    return _verb(action)


def test_a_verb_runs_and_ends_with_0(offer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    offer(greet=_verb(lambda: click.echo("hello")))
    assert main(["greet"]) == 0
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(("given", "used"), [(None, "3"), ("0", "0")])
def test_tensorflow_logs_only_if_asked_to(
    given: str | None,
    used: str,
    offer: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", given or "")
    if given is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    offer(tell=_verb(lambda: click.echo(os.environ["TF_CPP_MIN_LOG_LEVEL"])))
    assert main(["tell"]) == 0
    assert capsys.readouterr().out.strip() == used


def test_a_failed_check_ends_with_1(offer: Any) -> None:
    offer(verify=_verb(lambda: click.get_current_context().exit(1)))
    assert main(["verify"]) == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            TiersegError("`tier` must be\none of a, b; got 'c'"),
            "`tier` must be one of a, b; got 'c'",
        ),
        (_ForeignError("`data` must be a folder"), "`data` must be a folder"),
        (OSError(28, "No space left on device", "out/x.png"), "out/x.png: No space left on device"),
        (click.ClickException("it is so"), "it is so"),
        (
            ModuleNotFoundError("no", name="keras.src"),
            "this verb needs keras: pip install 'tierseg[train]'",
        ),
        (
            ModuleNotFoundError("no", name="streamlit"),
            "this verb needs streamlit: pip install 'tierseg[demo]'",
        ),
    ],
)
def test_wrong_use_ends_with_2_and_one_line(
    offer: Any, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    offer(fails=_raises(error))
    assert main(["fails"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"Error: {line}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fail"], "No such command 'fail'"),
        (["greet", "--cuont", "3"], "No such option"),
        (["greet", "--count", "three"], "'three' is not a valid integer"),
        (["greet", "extra"], "unexpected extra argument"),
    ],
)
def test_click_s_own_errors_are_one_line_too(
    offer: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    offer(greet=_verb(lambda: None))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert line in error
    assert error.count("\n") == 1
    assert "--help)" in error


def test_ctrl_c_ends_with_130_and_no_traceback(
    offer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(waits=_raises(KeyboardInterrupt()))
    assert main(["waits"]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


@pytest.mark.parametrize("error", [ValueError("a bug"), ImportError("x", name="numpyy")])
def test_a_bug_is_not_dressed_as_wrong_use(offer: Any, error: Exception) -> None:
    offer(breaks=_raises(error))
    with pytest.raises(type(error)):
        main(["breaks"])


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_every_verb(
    offer: Any, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    offer(greet=_verb(lambda: None))
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "greet" in out
    assert "Does what the test wants." in out


def test_help_says_what_a_verb_needs_that_cannot_be_imported(
    offer: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(train=_verb(lambda: None), greet=_verb(lambda: None), broken=_verb(lambda: None))
    load = EntryPoint.load

    def partly(point: EntryPoint) -> Any:
        if point.name == "train":
            raise ModuleNotFoundError("no", name="tensorflow")
        if point.name == "broken":
            raise ImportError("cannot import name 'x'", name="kit")
        return load(point)

    monkeypatch.setattr(EntryPoint, "load", partly)
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "(needs tensorflow: pip install 'tierseg[train]')" in out
    assert "(cannot import name 'x')" in out
    assert main(["greet"]) == 0
    assert main(["train"]) == 2


def test_a_verb_is_imported_only_when_asked_for(
    offer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(greet=_verb(lambda: None), other=_verb(lambda: None))
    loaded, load = [], EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda point: loaded.append(point.name) or load(point))
    assert main(["greet"]) == 0
    assert set(loaded) == {"greet"}


def test_what_a_library_logs_while_a_verb_is_imported_is_shown_only_if_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import os, click\nos.write(2, b'native log')\n{}\n@click.command()\ndef verb(): pass\n"
    (tmp_path / "talks.py").write_text(code.format(""))
    (tmp_path / "fails.py").write_text(code.format("import tensorflow.nowhere"))
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"{name}:verb", "tierseg.commands") for name in ("talks", "fails")]
    monkeypatch.setattr(command_line, "entry_points", lambda group: points)
    assert main(["talks"]) == 0
    assert capfd.readouterr().err == ""
    assert main(["fails"]) == 2
    assert "native log" in capfd.readouterr().err


def test_ctrl_c_in_the_midst_of_an_import_is_an_interrupt(
    offer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def action() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    offer(train=_verb(action))
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"
