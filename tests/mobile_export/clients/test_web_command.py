import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from mobile_export.clients import web_command
from mobile_export.clients.web_command import web
from mobile_export.clients.web_server import RUNTIME, WebServer
from mobile_export.runtime import TiersegError

MAIN = """
import signal, sys
from pathlib import Path
from mobile_export.clients import web_command, web_server
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job ignores
folder = Path(sys.argv.pop(1))
web_command.WebServer = lambda *a, **k: web_server.WebServer(*a, client=folder, **k)
web_command.web.main(sys.argv[1:], standalone_mode=False)
"""


@pytest.fixture
def client(tmp_path: Path) -> Path:
    (tmp_path / RUNTIME).mkdir(parents=True)
    (tmp_path / "index.html").write_text("page")
    return tmp_path


def test_it_serves_until_ctrl_c(client: Path, tiny_bundle: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", MAIN, str(client), str(tiny_bundle)]
    command += ["--port", str(port), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"http://localhost:{port}/" in line
        with urllib.request.urlopen(f"http://localhost:{port}/bundle", timeout=10) as response:
            assert response.read() == tiny_bundle.read_bytes()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
        assert process.stderr.read() == "Ended.\n"


@pytest.mark.parametrize(("flags", "opened"), [((), True), (("--no-browser",), False)])
def test_the_browser_opens_unless_told_otherwise(
    flags: tuple[str, ...], opened: bool, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    servers: list[WebServer] = []

    class Once(WebServer):
        def __init__(self, bundle: Path | None, *, address: str, port: int) -> None:
            super().__init__(bundle, address=address, port=0, client=client)
            servers.append(self)

        def serve_forever(self, poll_interval: float = 0.5) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(web_command, "WebServer", Once)
    monkeypatch.setattr(web_command.webbrowser, "open", pages.append)
    assert CliRunner().invoke(web, flags).exit_code == 0
    assert pages == ([servers[0].url] if opened else [])


def test_a_damaged_bundle_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(TiersegError, match=r"broken\.tflite is not a bundle"):
        web.main([str(path)], standalone_mode=False)
