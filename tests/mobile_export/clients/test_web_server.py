import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mobile_export.clients.web_server import CLIENT, RUNTIME, WebServer
from mobile_export.runtime import TiersegError


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A folder as the page's, with what npm would install, and secrets around it."""
    folder = tmp_path / "client"
    wasm = folder / RUNTIME / "wasm"
    wasm.mkdir(parents=True)
    (wasm / "litert.wasm").write_bytes(b"\0asm")
    (wasm / "litert.js").write_text("export {};")
    (folder / "index.html").write_text("<title>page</title>")
    (folder / "style.css").write_text("body {}")
    (folder / ".npmrc").write_text("hidden")
    (folder / "package.json").write_text("{}")
    (folder / "notes.py").write_text("pass")
    (tmp_path / "secret.js").write_text("outside")
    (tmp_path / "client_secret.js").write_text("outside")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ein bündel.tflite"
    path.write_bytes(b"model of a bundle")
    return path


@pytest.fixture
def server(client: Path, bundle: Path) -> Iterator[WebServer]:
    yield from _served(WebServer(bundle, client=client))


def _served(server: WebServer) -> Iterator[WebServer]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: WebServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Asks for a path as it is: no client tidies its dots away."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/", "text/html; charset=utf-8", b"<title>page</title>"),
        ("/index.html?accelerator=webgpu", "text/html; charset=utf-8", b"<title>page</title>"),
        ("/style.css", "text/css; charset=utf-8", b"body {}"),
        (f"/{RUNTIME}/wasm/litert.wasm", "application/wasm", b"\0asm"),
        (f"/{RUNTIME}/wasm/litert.js", "text/javascript; charset=utf-8", b"export {};"),
    ],
)
def test_the_pages_files_come_with_their_type(
    server: WebServer, path: str, kind: str, content: bytes
) -> None:
    status, headers, got = get(server, path)
    assert (status, headers["Content-Type"], got) == (200, kind, content)


def test_a_page_may_share_memory_between_threads(server: WebServer) -> None:
    _, headers, _ = get(server, "/")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_the_bundle_comes_with_its_name(server: WebServer) -> None:
    status, headers, content = get(server, "/bundle")
    assert (status, content) == (200, b"model of a bundle")
    assert headers["Content-Disposition"].endswith("UTF-8''ein%20b%C3%BCndel.tflite")


def test_head_says_the_size_alone(server: WebServer) -> None:
    status, headers, content = get(server, "/bundle", "HEAD")
    assert (status, headers["Content-Length"], content) == (200, "17", b"")


def test_without_a_bundle_there_is_no_content(client: Path) -> None:
    for server in _served(WebServer(client=client)):
        assert get(server, "/bundle")[0] == 204


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.js",
        "/%2e%2e/secret.js",
        "/..%2fsecret.js",
        "/..%5csecret.js",
        "//../secret.js",
        "/../client_secret.js",
        f"/{RUNTIME}/../../../../secret.js",
        "/link.js",
        "/.npmrc",
        "/package.json",
        "/notes.py",
        "/node_modules",
        "/missing.js",
        "/style.css%00.js",
        "/ein%20b%C3%BCndel.tflite",
    ],
)
def test_nothing_else_is_served(server: WebServer, path: str) -> None:
    status, _, content = get(server, path)
    assert (status, content) == (404, b"")


def test_a_bundle_that_went_away_is_not_found(server: WebServer, bundle: Path) -> None:
    bundle.unlink()
    assert get(server, "/bundle")[0] == 404


def test_a_missing_runtime_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=rf"@litertjs/core.*npm ci --prefix {tmp_path}"):
        WebServer(client=tmp_path)


def test_a_port_in_use_is_named(client: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TiersegError, match=f"`--port`.*got localhost and {port}: .*in use"):
            WebServer(client=client, port=port)


def test_an_address_of_another_machine_is_refused(client: Path) -> None:
    with pytest.raises(TiersegError, match=r"`--address`.*got 192\.0\.2\.1"):
        WebServer(client=client, address="192.0.2.1")


def test_the_lock_file_pins_the_runtime_and_names_no_address() -> None:
    text = (CLIENT / "package-lock.json").read_text()
    asked = json.loads((CLIENT / "package.json").read_text())["dependencies"]["@litertjs/core"]
    assert json.loads(text)["packages"][RUNTIME]["version"] == asked
    assert "://" not in text
