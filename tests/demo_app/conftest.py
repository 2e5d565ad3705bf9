"""Assets of the page, and the page itself without a browser."""

import base64
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import demo_app
from demo_app import mask_view, sources
from tests.tiny_bundle import EXITS, clear_from, packed, plain_metadata, scene

PAGE = Path(demo_app.__file__).with_name("app.py")


def street() -> np.ndarray:
    """The first sample picture, uint8 `(96, 128, 3)`: edges off the grid, so that tiers differ."""
    return np.roll(scene(96, 128), (6, 10), (0, 1))


@pytest.fixture(autouse=True)
def _main_stays() -> Iterator[None]:
    """AppTest leaves the page as `__main__`, which processes that later tests begin would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


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


@dataclass(frozen=True, eq=False)
class Shown:
    """What the page handed to the browser to draw.

    Args:
        picture: uint8 `(height, width, 3)`, RGB, as its JPEG gives it.
        masks: uint8 `(height, width)` of each tier that is shown, by name.
        labels: name and colour of each class of the masks.
    """

    picture: np.ndarray
    masks: dict[str, np.ndarray]
    labels: dict[int, dict[str, str]]


def _pixels(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """Every view of masks that the page has drawn, in order."""
    views: list[Shown] = []
    made = mask_view.component

    def component(name: str, html: str) -> Callable[..., Any]:
        def recorded(*, key: str, data: dict[str, Any]) -> Any:
            masks = {mask["title"]: _pixels(mask["url"]) for mask in data["masks"]}
            views.append(Shown(_pixels(data["picture"]), masks, data["labels"]))
            return made(name, html)(key=key, data=data)

        return recorded

    monkeypatch.setattr(mask_view, "component", component)
    return views


@pytest.fixture
def page(assets: Path, shown: list[Shown]) -> Callable[[], AppTest]:
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
