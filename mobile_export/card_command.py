"""The verb `card`."""

from pathlib import Path

import click

from mobile_export.card import card as write_card
from mobile_export.card import classes_of
from mobile_export.runtime.files import replacing

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=_FILE)
@click.option("--out", metavar="FILE", type=_FILE, help="Write it there instead of printing it.")
@click.option(
    "--evaluation",
    metavar="FILE",
    type=_FILE,
    help="What `tierseg evaluate BUNDLE --json` said: the card then tells the IoU of each class.",
)
def card(bundle: Path, out: Path | None, evaluation: Path | None) -> None:
    """Write the model card of BUNDLE, from its metadata, as Markdown."""
    text = write_card(bundle, None if evaluation is None else classes_of(bundle, evaluation))
    if out is None:
        click.echo(text, nl=False)
        return
    with replacing(out) as partial:
        partial.write_text(text, encoding="utf-8")
    click.echo(str(out))
