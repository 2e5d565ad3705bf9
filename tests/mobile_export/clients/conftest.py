"""The web client's page in headless Chromium."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from mobile_export.clients.web_server import WebServer
from mobile_export.runtime import Segmenter
from tests.tiny_bundle import scene

Opened = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="session")
def opened(browser: Browser) -> Opened:
    """Opens the page of a server of its own, in a context of its own, once it is ready."""

    @contextmanager
    def page_of(bundle: Path | None, query: str = "", *, camera: bool = False) -> Iterator[Page]:
        server = WebServer(bundle)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        context = browser.new_context(permissions=["camera"] if camera else [])
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        try:
            page.goto(server.url + query)
            page.wait_for_selector("body.ready", timeout=60_000)
            yield page
            assert not faults
        finally:
            context.close()
            server.shutdown()
            server.server_close()
            thread.join()

    return page_of


@pytest.fixture(scope="session")
def tiny_segmenter(tiny_bundle: Path) -> Segmenter:
    return Segmenter(tiny_bundle, threads=1, warm_up="none")


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A picture whose edges lie off the grid, so that tiers differ."""
    path = tmp_path / "street.png"
    Image.fromarray(np.roll(scene(96, 128), (6, 10), (0, 1))).save(path)
    return path
