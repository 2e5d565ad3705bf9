"""Fixtures that more than one package's tests use."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tiny_bundle import packed, tiny_metadata, tiny_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture(scope="session")
def tiny_model_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model of the tiny bundle, without metadata."""
    return tiny_model(tmp_path_factory.mktemp("saved_model"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny_model_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle with metadata; do not write to it."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.tflite"
    path.write_bytes(packed(tiny_model_bytes, tiny_metadata(tiny_model_bytes)))
    return path


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Headless Chromium, with a camera that shows a test picture."""
    from playwright.sync_api import expect, sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "these tests need Chromium on the path"
    expect.set_options(timeout=30_000)  # of a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()
