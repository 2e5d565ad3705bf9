"""The verb `card`."""

import json
from pathlib import Path
from typing import Any

import click

from mobile_export.card import card as write_card
from mobile_export.runtime import Bundle, TiersegError
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


def classes_of(bundle: Path, evaluation: Path) -> dict[str, Any]:
    """The classes of the default tier in an evaluation, as `card` takes them.

    Args:
        bundle: whose default tier it is.
        evaluation: what `tierseg evaluate BUNDLE --json` said.

    Raises:
        TiersegError: it is something else, or lacks that tier.
    """
    default = (Bundle.open(bundle).metadata or {}).get("default_tier")
    try:
        tiers = json.loads(evaluation.read_text(encoding="utf-8"))["tiers"]
        (classes,) = (tier["classes"] for tier in tiers if tier["tier"] == default)
        return dict(classes)
    except (ValueError, KeyError, TypeError) as error:
        raise TiersegError(
            f"{evaluation} must be what `tierseg evaluate BUNDLE --json` prints, with the tier "
            f"{default}; got something else"
        ) from error
