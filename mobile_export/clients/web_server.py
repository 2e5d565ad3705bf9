"""Serves the web client: its own files, what npm installed for it, and one bundle."""

import shutil
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from mobile_export.runtime import TiersegError

CLIENT = Path(__file__).with_name("web")
"""Folder of the page."""

RUNTIME = "node_modules/@litertjs/core"
"""What npm must have installed in the page's folder."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".wasm": "application/wasm",
    ".map": "application/json",
}
"""Suffix -> MIME type of the files that are served; others are not."""

_HEADERS = {
    # Together these two allow memory that threads share.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class WebServer(ThreadingHTTPServer):
    """An HTTP server of the page at `/` and of one bundle at `/bundle`.

    It serves nothing else of the machine, and writes nothing.

    Args:
        bundle: the bundle that the page opens by itself, or None: then the page asks for one.
        address: name or address of this machine to serve at.
        port: 1-65535; 0 takes a free one.
        client: folder of the page.

    Attributes:
        url: where the page is.

    Raises:
        TiersegError: the page's runtime is not installed, the port is in use or not allowed, or
            the address is none of this machine.

    Example:
        with WebServer(Path("assets/models/camvid.tflite"), port=8502) as server:
            server.serve_forever()
    """

    daemon_threads = True

    def __init__(
        self,
        bundle: Path | None = None,
        *,
        address: str = "localhost",
        port: int = 0,
        client: Path = CLIENT,
    ) -> None:
        self.bundle = bundle
        self.client = client.resolve()
        if not (self.client / RUNTIME).is_dir():
            raise TiersegError(
                f"{self.client / RUNTIME} must be installed, which runs bundles in the browser; "
                f"got no such folder: npm ci --prefix {self.client}"
            )
        try:
            super().__init__((address, port), _Handler)
        except OSError as error:
            raise TiersegError(
                f"`--address` and `--port` must be of this machine and free; "
                f"got {address} and {port}: {error.strerror or error}"
            ) from error
        self.url = f"http://{address}:{self.server_address[1]}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle of a file is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        name = {}
        if path == "/bundle":
            if self.server.bundle is None:
                self._head(HTTPStatus.NO_CONTENT, {})
                return
            file, kind = self.server.bundle, "application/octet-stream"
            name = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(file.name, safe='')}"}
        else:
            found = self._file(path)
            if found is None:
                self._refuse()
                return
            file, kind = found, _TYPES[found.suffix]
        try:
            stream: BinaryIO = file.open("rb")
        except OSError:
            self._refuse()
            return
        with stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            self._head(HTTPStatus.OK, {"Content-Type": kind, "Content-Length": str(size), **name})
            if with_body:
                shutil.copyfileobj(stream, self.wfile)

    def _file(self, path: str) -> Path | None:
        """The page's file of a path, None where there is none to be served."""
        parts = [part for part in path.split("/") if part] or ["index.html"]
        if any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            return None
        file = self.server.client.joinpath(*parts).resolve()
        inside = file.is_relative_to(self.server.client)
        return file if inside and file.suffix in _TYPES and file.is_file() else None

    def _refuse(self) -> None:
        self._head(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**_HEADERS, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
