"""Assets of the page, and the page itself without a browser."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import demo_app
from demo_app import sources
from tests.tiny_bundle import EXITS, clear_from, packed, plain_metadata, scene

PAGE = Path(demo_app.__file__).with_name("app.py")


def street() -> np.ndarray:
    """The first sample picture, uint8 `(96, 128, 3)`: edges off the grid, so that tiers differ."""
    return np.roll(scene(96, 128), (6, 10), (0, 1))


@pytest.fixture
def assets(tmp_path: Path, tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An assets folder of one bundle and two pictures, which the page takes for its own.

    The bundle offers no early exit.
    """
    for name in ("models", "samples"):
        (tmp_path / name).mkdir()
    plain = packed(tiny_model_bytes, plain_metadata(tiny_model_bytes))
    (tmp_path / "models" / "tiny.tflite").write_bytes(plain)
    Image.fromarray(street()).save(tmp_path / "samples" / "a_street.png")
    Image.fromarray(scene()[::-1].copy()).save(tmp_path / "samples" / "b_street.png")
    monkeypatch.setattr(sources, "ASSETS", tmp_path)
    monkeypatch.setattr(sys, "argv", [str(PAGE)])
    return tmp_path


@pytest.fixture
def overlays(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Every overlay that the page shows, in order."""
    shown: list[np.ndarray] = []
    from mobile_export import runtime

    paint = runtime.overlay

    def recorded(*given: Any) -> np.ndarray:
        shown.append(paint(*given))
        return shown[-1]

    monkeypatch.setattr(runtime, "overlay", recorded)
    return shown


@pytest.fixture
def page(assets: Path, overlays: list[np.ndarray]) -> Callable[[], AppTest]:
    def run() -> AppTest:
        test = AppTest.from_file(str(PAGE), default_timeout=30).run()
        assert not test.exception
        return test

    return run


@pytest.fixture
def exit_page(
    page: Callable[[], AppTest], assets: Path, tiny_bundle: Path
) -> Callable[[], AppTest]:
    """The page with a bundle of three exits, and a picture that leaves at each."""
    (assets / "models" / "tiny.tflite").write_bytes(tiny_bundle.read_bytes())
    for path in (assets / "samples").iterdir():
        path.unlink()
    for place, tier in enumerate(EXITS):
        Image.fromarray(clear_from(tier)).save(assets / "samples" / f"{place}_{tier}.png")
    return page
