"""Command-line verbs before and of training."""

from __future__ import annotations

import json
from pathlib import Path

import click

_LOOKS = 10
"""How often the tiers are scored in a training, unless said otherwise."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--convert",
    metavar="NEW",
    type=click.Path(path_type=Path),
    help="Write a new folder instead, with label maps of ids: of RGB colours, 16 bits, ids with "
    "gaps. DIR stays as it is.",
)
@click.option(
    "--colors",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --convert: a classes.toml with the classes' names and the colours that label maps "
    "hold; DIR/classes.toml if there is one, else every colour is a class.",
)
@click.option("--example", is_flag=True, help="First write generated street scenes into DIR.")
@click.option("--force", is_flag=True, help="Write a new recipe and contact sheet over old ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def init(
    folder: Path,
    convert: Path | None,
    colors: Path | None,
    example: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Look at DIR, images and label maps, and write what training on them needs.

    DIR holds images/**.{jpg,png} and labels/**.png of the same names. Written are classes.toml
    (kept where there is one), recipe.toml and contact_sheet.png, on which a wrong class is seen.
    """
    from kit.data.own.survey_text import survey_text
    from kit.errors import InputError
    from kit.next_step import say_next
    from kit.starting import convert_folder, start_folder, write_example

    if colors is not None and convert is None:
        raise InputError(f"`--colors` must go with --convert; got {colors} alone")
    if example:
        write_example(folder)
    if convert is None:
        start = start_folder(folder, force=force)
    else:
        start = convert_folder(folder, convert, colors=colors)
    if as_json:
        click.echo(json.dumps(start.to_dict(), indent=2))
    else:
        click.echo(survey_text(start.survey, start.table, start.notes))
        if start.splits is not None:
            counts = ", ".join(f"{name} {count}" for name, count in start.splits[0].items())
            click.echo(f"splits   {counts} images, {start.splits[1]}")
    if fault := start.fault():
        raise InputError(fault)
    if start.recipe is not None:
        say_next(
            start.written,
            "tierseg",
            "train",
            start.written[-1],
            hint=f"about {start.recipe.minutes:.0f} minutes on two cores; first look at "
            "contact_sheet.png and name the classes in classes.toml",
        )


@click.command()
@click.argument("recipe")
@click.option("--data", help="Data set or folder instead of the recipe's.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of network.keras, history.json and checkpoints; default runs/RECIPE.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder.")
@click.option(
    "--mixed-precision/--no-mixed-precision",
    default=None,
    help="Compute in bfloat16, keep weights in float32; by default on an accelerator only.",
)
@click.option(
    "--validate-every",
    metavar="N",
    type=click.IntRange(min=0),
    help="Score each tier on the val split after every N epochs, into curves.csv; 0 for never. "
    "Ten times in all if not given. What is trained is the same.",
)
@click.option(
    "--validate-images",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images to score on, evenly spread over the split.",
)
@click.option(
    "--validate-tier",
    "validate_tiers",
    metavar="NAME",
    multiple=True,
    help="Tier to score; all if not given.",
)
@click.option("--tensorboard", is_flag=True, help="Also write these curves into OUT/tensorboard.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    recipe: str,
    data: str | None,
    out: Path | None,
    epochs: int | None,
    seed: int,
    resume: bool,
    mixed_precision: bool | None,
    validate_every: int | None,
    validate_images: int,
    validate_tiers: tuple[str, ...],
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train RECIPE, a name or a TOML file."""
    from kit.next_step import say_next
    from kit.training.recipe import Recipe
    from kit.training.tier_curves import CURVES, Validation
    from kit.training.trainer import HISTORY
    from kit.training.trainer import train as run

    plan = Recipe.load(recipe)
    out = out or Path("runs") / plan.name
    every = max((epochs or plan.epochs) // _LOOKS, 1) if validate_every is None else validate_every
    validation = None
    if every:
        is_optional = validate_every is None and not tensorboard
        validation = Validation(every, validate_images, validate_tiers, is_optional)
    result = run(
        plan,
        out,
        data=data,
        epochs=epochs,
        seed=seed,
        resume=resume,
        mixed_precision=mixed_precision,
        validation=validation,
        tensorboard=tensorboard,
    )
    if as_json:
        click.echo(
            json.dumps(
                {
                    "network": str(result.path),
                    "wall_s": result.wall_s,
                    "epochs": result.history,
                    "tiers": [str(tier) for tier in result.network.tiers],
                }
            )
        )
    else:
        click.echo(
            f"{result.path}: {len(result.history)} epochs in {result.wall_s:.0f} s, "
            f"loss {result.history[-1]['loss']:.3f}"
        )
    written = [path for path in (out / HISTORY, out / CURVES) if path.exists()]
    used = data or plan.data
    bundle = out / f"{plan.name}.tflite"
    say_next(
        [result.path, *written],
        *("tierseg", "export", result.path, "--data", used, "--out", bundle),
    )
