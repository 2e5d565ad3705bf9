"""One training of an experiment, as it runs in a process of its own."""

import json
from pathlib import Path
from typing import Any

from kit.data import open_dataset
from kit.training import Recipe, train
from mobile_export.evaluation import evaluate_network
from mobile_export.runtime.files import replacing


def trained(recipe: Recipe, folder: Path, seed: int) -> None:
    """Leaves a trained network in its folder: what runs elsewhere hands no network back.

    Args:
        recipe: what to train.
        folder: of the run; one that is there is gone on with or used again.
        seed: of the run.
    """
    train(recipe, folder, seed=seed, resume=True)


def scored(recipe: Recipe, out: Path, seed: int) -> dict[str, Any]:
    """Trains and scores one variant, or finds what was done before.

    Args:
        recipe: what to train.
        out: folder of the study; the run's own is in it.
        seed: of the run.

    Returns:
        `variant`, `seed`, `dice` and `miou` of each tier in float, 0-1, and `wall_s`.
    """
    folder = out / f"{recipe.name}_{seed}"
    made = train(recipe, folder, seed=seed, resume=True)
    path = folder / "scores.json"
    if not path.is_file():
        evaluation = evaluate_network(
            made.network, open_dataset(recipe.data, "val", **recipe.data_options)
        )
        content = {
            "variant": recipe.name,
            "seed": seed,
            "dice": {score.tier: round(score.dice, 5) for score in evaluation.scores},
            "miou": {score.tier: round(score.miou, 5) for score in evaluation.scores},
            "wall_s": made.wall_s,
        }
        with replacing(path) as partial:
            partial.write_text(json.dumps(content))
    return json.loads(path.read_text())
