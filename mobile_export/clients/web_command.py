"""The verb `web`."""

import webbrowser
from pathlib import Path

import click

from mobile_export.clients.web_server import WebServer
from mobile_export.runtime import Bundle


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("--port", default=8502, show_default=True, type=click.IntRange(1, 65535))
@click.option("--address", default="localhost", show_default=True, help="Address to serve at.")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
def web(bundle: Path | None, port: int, address: str, browser: bool) -> None:
    """Run the tiers of BUNDLE in the browser itself, on pictures or the camera.

    The page runs by LiteRT.js; once, `npm ci` installs it. Ctrl-C ends the server.
    """
    if bundle is not None:
        Bundle.open(bundle)
    with WebServer(bundle, address=address, port=port) as server:
        click.echo(f"tierseg is at {server.url} until Ctrl-C.", err=True)
        if browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Ended.", err=True)
