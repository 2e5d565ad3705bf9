"""A run with network slimming: what it costs, that it goes on after a kill, and what it leaves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

import kit
from kit.slimming import ChannelMap, NetworkSlimming
from kit.training import Checkpoint, Recipe, preparation, trainer
from tests.kit.slimming.tiny import TinyNetwork

SHARE, COUPLING = 0.4, 0.5
RECIPE = Recipe(
    name="smaller",
    data="street_scenes",
    image_size=(64, 96),
    crop_size=(64, 64),
    epochs=3,
    batch_size=3,
    augmentation={"scale": (1.0, 1.5)},
    recalibration_batches=2,
    data_options={"count": 12, "image_size": (64, 96)},
    slimming={"projection": "empirical", "sizes": 2, "drop": "below_mean"},
    network_slimming={
        "share": SHARE,
        "scope": "network",
        "coupling": COUPLING,
        "begin": 0.3,
        "end": 0.3,
        "milestones": 1,
    },
)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe's network is the smallest there is, and not traced, which would take longer."""
    original = preparation._compile

    def make(recipe: Recipe, dataset: kit.data.Dataset, seed: int) -> TinyNetwork:
        return TinyNetwork(len(dataset.classes), recipe.crop_size, {"heavy": "hh"})

    def untraced(network: TinyNetwork, *args: Any) -> None:
        original(network, *args)
        network.run_eagerly = True

    monkeypatch.setattr(preparation, "_network", make)
    monkeypatch.setattr(preparation, "_compile", untraced)
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("tiny")
def test_the_smaller_network_is_trained_on_and_a_kill_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(monkeypatch, lambda epoch: tmp_path / f"killed{epoch + 1}", "whole")
    whole = trainer.train(RECIPE, tmp_path / "whole")
    network, history = whole.network, whole.history

    # One milestone, behind the first of three epochs.
    batches = preparation.training_batches(RECIPE, 0)
    pixels = batches.pixels(0) / (len(batches) * 3 * 64 * 64)
    assert 0.25 < pixels < 1
    target = NetworkSlimming.parse(RECIPE.network_slimming).target(1, 3, pixels)
    assert target == pytest.approx(SHARE * (1 + COUPLING * (1 - pixels)))
    full = TinyNetwork(network.num_classes, (64, 64), {"heavy": "hh"})
    total = sum(group.size for group in ChannelMap(full).groups())
    left = sum(group.size for group in ChannelMap(network).groups())
    assert total - left == round(target * total)

    macs = [epoch["macs"] for epoch in history]
    assert macs[0] == full.profile("heavy").macs
    assert macs[1:] == [network.resized((64, 64)).profile("heavy").macs] * 2
    assert macs[2] < 0.7 * macs[0]
    assert [epoch["pixels"] for epoch in history] == [batches.pixels(n) for n in range(3)]
    assert json.loads((tmp_path / "whole" / "history.json").read_text())["epochs"] == history
    assert keras.saving.load_model(whole.path).channels == network.channels

    # At the milestone, and with the smaller network.
    for epoch in (1, 2):
        resumed = trainer.train(RECIPE, tmp_path / f"killed{epoch}", resume=True)
        assert resumed.network.channels == network.channels
        assert [epoch["loss"] for epoch in resumed.history] == pytest.approx(
            [epoch["loss"] for epoch in history], rel=1e-4
        )


def copied(monkeypatch: pytest.MonkeyPatch, place: Callable[[int], Path], name: str) -> None:
    """Copy the folder of a run after each epoch, as a kill would leave it."""
    original = Checkpoint.on_epoch_end

    def keep(self: Checkpoint, epoch: int, logs: dict | None = None) -> None:
        original(self, epoch, logs)
        if self.folder.name == name:
            shutil.copytree(self.folder, place(epoch))

    monkeypatch.setattr(Checkpoint, "on_epoch_end", keep)
