"""A run with data slimming: what it costs, that it goes on after a kill, and how it ends."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.training import Checkpoint, Recipe, preparation, trainer

RECIPE = Recipe(
    name="slim",
    data="street_scenes",
    image_size=(64, 96),
    crop_size=(64, 64),
    epochs=2,
    batch_size=2,
    family="fcn_vgg16",  # of all families the soonest traced
    width=0.125,
    augmentation={"scale": (1.0, 1.5)},
    recalibration_batches=2,
    data_options={"count": 12, "image_size": (64, 96)},
    slimming={"projection": "empirical", "sizes": 2, "drop": "below_mean"},
    input_sizes=((32, 64),),
)


LOSS = {"measure": "loss", "projection": "empirical", "sizes": 2, "drop": "below_mean"}


@pytest.mark.parametrize(
    ("slimming", "epochs"), [(RECIPE.slimming, 2), (LOSS, 3)], ids=["complexity", "loss"]
)
def test_a_run_on_two_sizes_resumes_and_says_what_it_cost(
    slimming: dict, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, slimming=slimming, epochs=epochs)
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path / "cache"))
    original = Checkpoint.on_epoch_end

    def keep(self: Checkpoint, epoch: int, logs: dict | None = None) -> None:
        original(self, epoch, logs)
        if epoch == epochs - 2:
            shutil.copytree(self.folder, tmp_path / "killed")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", keep)
        whole = trainer.train(recipe, tmp_path / "whole")
    assert whole.network.image_size == RECIPE.image_size
    assert [str(tier) for tier in whole.network.tiers] == ["plain_32x64", "plain"]
    batches = preparation.training_batches(recipe, 0)
    for number, epoch in enumerate(whole.history):
        assert sum(epoch["draws"].values()) == 4  # 9 of 12 images are kept
        assert epoch["full_pixels"] == 12 * 64 * 64
        assert epoch["pixels"] < epoch["full_pixels"]
        if slimming is not LOSS:
            assert epoch["pixels"] == batches.pixels(number)
        assert np.isfinite(epoch["loss"])
    resumed = trainer.train(recipe, tmp_path / "killed", resume=True)
    assert [epoch["loss"] for epoch in resumed.history] == pytest.approx(
        [epoch["loss"] for epoch in whole.history], rel=1e-4
    )


def test_sizes_are_those_of_the_recipe_and_known_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path / "cache"))
    assert "input_sizes" not in replace(RECIPE, input_sizes=()).to_dict()
    with pytest.raises(InputError, match=r"multiples of 32 and smaller .* received: \(40, 64\)"):
        trainer.train(replace(RECIPE, input_sizes=((40, 64),)), tmp_path / "out")
    # The crops of training are smaller than a size of the network that it goes on from.
    kit.FCNVGG16(11, (128, 128), width=0.125, input_sizes=[(64, 96)]).save(tmp_path / "a.keras")
    recipe = replace(RECIPE, initial=str(tmp_path / "a.keras"))
    network = preparation.prepared(recipe, preparation.training_batches(recipe, 0))
    assert (network.image_size, network.input_sizes) == (RECIPE.crop_size, ())


def test_all_kept_at_full_size_and_equal_weight_is_training_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path))
    slimming = {"sizes": 1, "drop": "none", "weight": "equal"}
    same = preparation.training_batches(replace(RECIPE, slimming=slimming), 0)
    plain = preparation.training_batches(replace(RECIPE, slimming={}), 0)
    assert len(same) == len(plain)
    assert same.pixels(0) == plain.pixels(0)
    images = [np.concatenate([b[i][0] for i in range(len(b))]) for b in (same, plain)]
    totals = [np.sort(image.sum(axis=(1, 2, 3), dtype=np.int64)) for image in images]
    np.testing.assert_array_equal(*totals)
