"""The verb `reproduce`: a paper's experiment again, from training to its table."""

import json
from pathlib import Path

import click

from mobile_export.experiments import EXPERIMENTS, SCALES, Settings, find

_FOLDER = click.Path(path_type=Path, file_okay=False)
_RESULTS = Path("assets/results")

_LIST = "\n".join(f"  {name}: {about}" for name, about in EXPERIMENTS.items())


@click.command(epilog=f"\b\nNAME is one of:\n{_LIST}")
@click.argument("name", metavar="NAME", type=click.Choice(list(EXPERIMENTS)))
@click.option(
    "--scale",
    default="full",
    show_default=True,
    type=click.Choice(SCALES),
    help="quick: few epochs on small images, to see that all works; full: what is reported.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--data", metavar="DIR", help="Data set instead of the experiment's: name or folder.")
@click.option(
    "--out",
    metavar="DIR",
    type=_FOLDER,
    help="Folder of networks and bundles; a training that is there is gone on with or used again. "
    "Defaults to runs/NAME_SCALE_SEED.",
)
@click.option(
    "--results",
    metavar="DIR",
    type=_FOLDER,
    help=f"Folder of NAME.json, NAME.md and NAME.png. Defaults to {_RESULTS} for full, and to that "
    "of --out for quick.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def reproduce(
    name: str,
    scale: str,
    seed: int,
    data: str | None,
    out: Path | None,
    results: Path | None,
    as_json: bool,
) -> int:
    """Run the experiment NAME again, from training to its table."""
    out = out or Path("runs") / f"{name}_{scale}_{seed}"
    run = find(name)
    from kit.next_step import say_next
    from mobile_export.verifier import VerificationError

    try:
        found = run(Settings(out=out, scale=scale, seed=seed, data=data))
    except VerificationError as error:
        report = error.report
        click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.table())
        return 1
    written = found.save(results or (_RESULTS if scale == "full" else out))
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else found.text())
    if scale != "full":
        say_next(written, "tierseg", "reproduce", name, hint="the experiment as it is reported")
        return 0
    bundles = sorted(out.rglob("*.tflite"))
    say_next(written, *(("tierseg", "demo", str(bundles[0])) if bundles else ()))
    return 0
