"""Scores of a run that was made elsewhere are used as they are, and only for what they are of."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kit.data import open_dataset
from kit.errors import InputError
from kit.training import Recipe
from mobile_export.evaluation import evaluate_network
from mobile_export.experiments.exported import finished
from mobile_export.experiments.runs import scored
from tests.mobile_export.block_folder import tiny_recipe, write_blocks

RECIPE = Recipe(name="mine", data="nowhere", image_size=(64, 64), crop_size=(32, 32), epochs=1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The scores of a run without its network."""
    folder = tmp_path / "mine_3"
    folder.mkdir()
    content = {"variant": "mine", "of": {"recipe": RECIPE.to_dict(), "split": "test"}}
    (folder / "scores.json").write_text(json.dumps(content))
    return tmp_path


def test_a_run_is_scored_on_its_split(tmp_path: Path) -> None:
    data = write_blocks(tmp_path / "blocks", train=4)
    recipe = replace(tiny_recipe(data), family="fcn_vgg16", width=0.125, configurations={})
    told = scored(recipe, tmp_path / "runs", 3)
    network = keras.saving.load_model(tmp_path / "runs" / "blocks_3" / "network.keras")
    evaluation = evaluate_network(network, open_dataset(str(data), "val"))
    for key in ("dice", "miou"):
        assert told[key] == {
            score.tier: pytest.approx(getattr(score, key), abs=1e-4) for score in evaluation.scores
        }
    assert scored(recipe, tmp_path / "runs", 3) == told
    again = finished(recipe, tmp_path / "runs", 3)
    for ours, theirs in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scores_suffice(out: Path) -> None:
    assert scored(RECIPE, out, 3, "test")["variant"] == "mine"


def test_scores_of_another_split_are_refused(out: Path) -> None:
    with pytest.raises(InputError, match=r"must hold the scores of the recipe mine on val"):
        scored(RECIPE, out, 3)


def test_scores_of_another_recipe_are_refused(out: Path) -> None:
    with pytest.raises(InputError, match="with other settings"):
        scored(replace(RECIPE, epochs=2), out, 3, "test")


def test_scores_that_do_not_say_of_what_they_are_are_refused(out: Path) -> None:
    path = out / "mine_3" / "scores.json"
    path.write_text(json.dumps({"variant": "mine", "miou": {}}))
    with pytest.raises(InputError, match=r"those of mine on \?, with other settings"):
        scored(RECIPE, out, 3, "test")
