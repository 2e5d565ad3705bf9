"""The verb `contract`."""

import json
from pathlib import Path

import click

from mobile_export.kotlin_contract import PACKAGE, write_kotlin


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--kotlin",
    "out",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The Kotlin file to write, *.kt.",
)
@click.option(
    "--package",
    default=PACKAGE,
    show_default=True,
    metavar="NAME",
    help="Kotlin package of the object in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def contract(bundle: Path, out: Path, package: str, as_json: bool) -> None:
    """Write what BUNDLE offers as constants: tiers, signatures, shapes, thresholds, labels."""
    written = write_kotlin(bundle, out, package=package)
    click.echo(json.dumps({"bundle": str(bundle), "kotlin": str(written)}) if as_json else written)
