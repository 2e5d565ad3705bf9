"""The verb `demo`."""

import sys
from pathlib import Path

import click

from mobile_export.runtime import Bundle

_SETTINGS = {
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    # Not for the theme as a whole, which would then be light for everybody.
    "theme.light.primaryColor": "#0f766e",
    "theme.dark.primaryColor": "#2dd4bf",
    "theme.baseRadius": "medium",
}
"""Streamlit's settings; it tells nobody that it runs."""


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("--port", default=8501, show_default=True, type=click.IntRange(1, 65535))
@click.option("--address", default="localhost", show_default=True, help="Address to serve at.")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
def demo(bundle: Path | None, port: int, address: str, browser: bool) -> None:
    """Switch the tiers of BUNDLE (or of the bundles in assets/models) live in the browser."""
    if bundle is not None:
        Bundle.open(bundle)
    from streamlit.web import cli

    settings = {
        **_SETTINGS,
        "server.address": address,
        "server.headless": str(not browser).lower(),
        "server.port": str(port),
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    page = str(Path(__file__).with_name("app.py"))
    given = [] if bundle is None else [str(bundle.resolve())]
    sys.argv = ["streamlit", "run", page, *flags, "--", *given]
    cli.main.main(sys.argv[1:], prog_name="streamlit", standalone_mode=False)
