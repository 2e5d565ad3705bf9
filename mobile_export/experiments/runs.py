"""One training of an experiment, as it runs in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from kit import AdaptiveNetwork
from kit.data import Dataset, open_dataset
from kit.errors import InputError
from kit.training import Recipe, train
from mobile_export.evaluation import evaluate_network
from mobile_export.runtime.files import replacing

_SCORES = "scores.json"


def trained(recipe: Recipe, folder: Path, seed: int) -> None:
    """Leaves a trained network in its folder: what runs elsewhere hands no network back.

    Args:
        recipe: what to train.
        folder: of the run; one that is there is gone on with or used again.
        seed: of the run.
    """
    train(recipe, folder, seed=seed, resume=True)


def tier_scores(network: AdaptiveNetwork, dataset: Dataset) -> dict[str, Any]:
    """`dice` and `miou` of each tier in the arithmetic of the network, 0-1."""
    scores = evaluate_network(network, dataset).scores
    return {
        "dice": {score.tier: round(score.dice, 5) for score in scores},
        "miou": {score.tier: round(score.miou, 5) for score in scores},
    }


def scored(
    recipe: Recipe,
    out: Path,
    seed: int,
    split: str = "val",
    judge: Callable[[AdaptiveNetwork, Dataset], dict[str, Any]] = tier_scores,
) -> dict[str, Any]:
    """Trains and scores one variant, or finds what was done before.

    The scores suffice: a run that was made on another machine need not bring its network.

    Args:
        recipe: what to train; without bfloat16, whatever the machine.
        out: folder of the study; the run's own is in it.
        seed: of the run.
        split: that is scored.
        judge: gives the scores.

    Returns:
        `variant`, `seed`, what `judge` gives, `wall_s`, and `made_on`, backend and device.

    Raises:
        InputError: the run's folder holds the scores of another recipe, or of another split.
    """
    folder = out / f"{recipe.name}_{seed}"
    path = folder / _SCORES
    of = json.loads(json.dumps({"recipe": recipe.to_dict(), "split": split}))
    if path.is_file():
        content = json.loads(path.read_text())
        if content.get("of") != of:
            held = content.get("of", {"recipe": {"name": content.get("variant")}, "split": "?"})
            raise InputError(
                f"{path} must hold the scores of the recipe {recipe.name} on {split} to be used "
                f"again; it holds those of {held['recipe']['name']} on {held['split']}, with other "
                "settings"
            )
        return content
    made = train(recipe, folder, seed=seed, resume=True, mixed_precision=False)
    dataset = open_dataset(recipe.data, split, **recipe.data_options)
    content = {
        "variant": recipe.name,
        "seed": seed,
        **judge(made.network, dataset),
        "wall_s": made.wall_s,
        "made_on": f"{keras.backend.backend()}, {keras.distribution.list_devices()[0]}",
        "of": of,
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(content))
    return content
