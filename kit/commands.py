"""Command-line verbs of training."""

from __future__ import annotations

import json
from pathlib import Path

import click


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
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    recipe: str,
    data: str | None,
    out: Path | None,
    epochs: int | None,
    seed: int,
    resume: bool,
    mixed_precision: bool | None,
    as_json: bool,
) -> None:
    """Train RECIPE, a name or a TOML file."""
    from kit.training.recipe import Recipe
    from kit.training.trainer import train as run

    plan = Recipe.load(recipe)
    out = out or Path("runs") / plan.name
    result = run(
        plan,
        out,
        data=data,
        epochs=epochs,
        seed=seed,
        resume=resume,
        mixed_precision=mixed_precision,
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
