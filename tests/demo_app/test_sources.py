"""Where bundles and pictures come from."""

import os
import sys
from pathlib import Path

import pytest

from demo_app import sources
from demo_app.sources import Source


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("models/b.tflite", "models/a.tflite", "models/a.keras", "samples/x.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "samples" / "README.md").write_bytes(b"")
    monkeypatch.setattr(sources, "ASSETS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["app.py"])
    return tmp_path


def _names(found: list[Source]) -> list[str]:
    return [source.name for source in found]


def test_bundles_and_samples_are_found_by_their_endings(assets: Path) -> None:
    assert _names(sources.bundles()) == ["a.tflite", "b.tflite"]
    assert _names(sources.samples()) == ["x.jpg"]


def test_the_given_bundle_comes_first_and_once(
    assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", str(assets / "models" / "b.tflite")])
    assert _names(sources.bundles()) == ["b.tflite", "a.tflite"]


def test_a_bundle_after_which_samples_are_named_comes_first(assets: Path) -> None:
    (assets / "samples" / "b_0.png").touch()
    assert _names(sources.bundles()) == ["b.tflite", "a.tflite"]


def test_no_assets_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ASSETS", tmp_path / "gone")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    assert sources.bundles() == []
    assert sources.samples() == []


def test_a_changed_file_has_another_key(assets: Path) -> None:
    path = assets / "samples" / "x.jpg"
    before = Source.file(path).key
    assert Source.file(path).key == before
    os.utime(path, ns=(1, 1))
    assert Source.file(path).key != before


def test_the_shipped_assets_are_those_of_the_project() -> None:
    assert Path(__file__).resolve().parents[2] / "assets" == sources.ASSETS
