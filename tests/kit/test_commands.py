"""The verbs before and of training: what they say, where, and what they pass on."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from kit.commands import init, train
from kit.errors import InputError
from kit.next_step import say_next
from kit.training import trainer
from kit.training.tier_curves import Validation
from tests.kit.own_folders import rectangles, write_own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own(tmp_path / "my streets", rectangles(12))


# === init ===


def test_init_says_what_is_there_and_what_comes_next(folder: Path) -> None:
    result = CliRunner().invoke(init, [str(folder)], standalone_mode=False)
    assert result.exception is None
    lines = result.stdout.splitlines()
    assert lines[0] == f"{folder}: 12 images, 12 label maps, 12 pairs"
    assert lines[1] == "sizes    48x40, all of them"
    assert "   0  class 0   33." in result.stdout
    assert lines[-1].startswith("splits   train ")
    (last,) = result.stderr.splitlines()
    assert last.startswith(f"Wrote {folder}/classes.toml, {folder}/contact_sheet.png, {folder}/rec")
    assert f"Next: tierseg train '{folder}/recipe.toml'  (about " in last


def test_init_json_is_json_alone(folder: Path) -> None:
    result = CliRunner().invoke(init, [str(folder), "--json"], standalone_mode=False)
    told = json.loads(result.stdout)
    assert [item["images"] for item in told["classes"]] == [12, 12, 12]
    assert sum(item["share"] for item in told["classes"]) == pytest.approx(1, abs=1e-5)
    assert told["image_sizes"] == [{"height": 40, "width": 48, "images": 12}]
    assert [Path(path).name for path in told["written"]] == [
        "classes.toml",
        "contact_sheet.png",
        "recipe.toml",
    ]


def test_init_shows_what_it_found_beside_a_fault(folder: Path) -> None:
    (folder / "labels/002.png").unlink()
    result = CliRunner().invoke(init, [str(folder), "--json"], standalone_mode=False)
    assert isinstance(result.exception, InputError)
    assert json.loads(result.stdout)["images_without_label"] == ["002"]
    assert json.loads(result.stdout)["written"] == []


def test_init_of_colours_without_conversion(folder: Path) -> None:
    words = [str(folder), "--colors", "a.toml"]
    result = CliRunner().invoke(init, words, standalone_mode=False)
    assert isinstance(result.exception, InputError)
    assert "`--colors` must go with --convert" in str(result.exception)


# === train ===


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `train` passes on, instead of a training."""
    found: dict[str, Any] = {}

    def run(recipe: Any, out: Path, **options: Any) -> Any:
        found.update(recipe=recipe, out=out, **options)
        return SimpleNamespace(
            path=out / "network.keras",
            wall_s=1.0,
            history=[{"loss": 1.0}],
            network=SimpleNamespace(tiers=["light"]),
        )

    monkeypatch.setattr(trainer, "train", run)
    return found


@pytest.mark.parametrize(
    ("words", "validation"),
    [
        (["--epochs", "30"], Validation(3, is_optional=True)),
        (["--epochs", "3"], Validation(1, is_optional=True)),
        (["--validate-every", "0"], None),
        (
            ["--validate-every", "7", "--validate-images", "5", "--validate-tier", "light"],
            Validation(7, 5, ("light",)),
        ),
    ],
)
def test_train_looks_ten_times_unless_told(
    given: dict[str, Any], words: list[str], validation: Validation | None
) -> None:
    result = CliRunner().invoke(train, ["street_scenes", *words], standalone_mode=False)
    assert result.exception is None
    assert given["validation"] == validation
    assert given["tensorboard"] is False


def test_train_ends_with_the_command_that_exports(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "a b"
    words = ["street_scenes", "--out", str(out), "--json"]
    result = CliRunner().invoke(train, words, standalone_mode=False)
    assert json.loads(result.stdout)["network"] == f"{out}/network.keras"
    assert result.stderr == (
        f"Wrote {out}/network.keras. Next: tierseg export '{out}/network.keras' "
        f"--data street_scenes --out '{out}/street_scenes.tflite'\n"
    )


# === The last line ===


@pytest.mark.parametrize(
    ("written", "words", "line"),
    [
        (
            ["a", Path("b")],
            ("tierseg", "demo", Path("b c")),
            "Wrote a, b. Next: tierseg demo 'b c'",
        ),
        ([], ("tierseg", "demo"), "Next: tierseg demo"),
        (["a"], (), "Wrote a."),
    ],
)
def test_last_line(
    written: list[Any], words: tuple[Any, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say_next(written, *words)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{line}\n")
