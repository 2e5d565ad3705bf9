"""Each tier is scored while the network learns, and the network does not notice."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kit.data import open_dataset
from kit.errors import InputError
from kit.training import Checkpoint, trainer
from kit.training.event_file import EventFile
from kit.training.preparation import training_batches
from kit.training.tier_curves import FIELDS, TierCurves, Validation
from tests.kit.own_folders import rectangles, write_own
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet
from tests.kit.training.tiny import RECIPE, SOONEST

LOOK = Validation(every=2, images=3)


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> tuple[trainer.TrainingResult, Path]:
    out = tmp_path_factory.mktemp("run") / "looked"
    return trainer.train(RECIPE, out, validation=LOOK, tensorboard=True), out


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_tier_every_so_often_and_at_the_end(
    looked: tuple[trainer.TrainingResult, Path],
) -> None:
    _, out = looked
    found = rows(out)
    assert [(row["epoch"], row["tier"]) for row in found] == [
        (epoch, tier) for epoch in ("2", "3") for tier in ("light", "heavy")
    ]
    assert tuple(found[0]) == FIELDS
    for row in found:
        assert 0 <= float(row["miou"]) <= 1
        assert float(row["loss"]) > 0
        assert row["images"] == "3"


def test_what_is_trained_is_the_same(
    looked: tuple[trainer.TrainingResult, Path], tmp_path: Path
) -> None:
    result, _ = looked
    plain = trainer.train(RECIPE, tmp_path / "plain")
    assert not (tmp_path / "plain/curves.csv").exists()
    assert [e["draws"] for e in plain.history] == [e["draws"] for e in result.history]
    assert [e["loss"] for e in plain.history] == pytest.approx(
        [e["loss"] for e in result.history], rel=1e-4
    )
    for a, b in zip(plain.network.get_weights(), result.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_resumed_run_has_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(SOONEST, epochs=3)
    whole, out = tmp_path / "whole", tmp_path / "killed"
    trainer.train(recipe, whole, validation=LOOK)

    def kill(self: Checkpoint, epoch: int, logs: dict | None = None) -> None:
        # After the rows of the second epoch were written, before the checkpoint knows of them.
        if epoch == 1:
            raise KeyboardInterrupt
        original(self, epoch, logs)

    original = Checkpoint.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", kill)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(recipe, out, validation=LOOK)
    assert [row["epoch"] for row in rows(out)] == ["2"]
    trainer.train(recipe, out, validation=LOOK, resume=True)
    assert [row["epoch"] for row in rows(out)] == ["2", "3"]
    assert [float(row["loss"]) for row in rows(out)] == pytest.approx(
        [float(row["loss"]) for row in rows(whole)], rel=1e-2
    )


def test_events_are_what_tensorboard_reads(looked: tuple[trainer.TrainingResult, Path]) -> None:
    tf = pytest.importorskip("tensorflow")
    _, out = looked
    (path,) = (out / "tensorboard").iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for row in rows(out):
        assert found[f"miou/{row['tier']}", int(row["epoch"])] == pytest.approx(float(row["miou"]))
    assert {step for name, step in found if name == "loss/train"} == {1, 2, 3}


def looking(tmp_path: Path, **options: object) -> TierCurves:
    """Curves of the small network on scenes of its number of classes."""
    data = open_dataset("street_scenes", "val", count=2, image_size=(64, 64))
    data.classes = data.classes[:CLASSES]
    read = data.label
    data.label = lambda index: np.minimum(read(index), CLASSES - 1)  # type: ignore[method-assign]
    seen = [(np.full((2, *IMAGE_SIZE, 3), 90, np.uint8),)]
    validation = Validation(**options)  # type: ignore[arg-type]
    return TierCurves(validation, data, seen, (64, 96), 5, Checkpoint(tmp_path, {}))


def test_the_network_and_the_random_state_stay(tmp_path: Path) -> None:
    network = small_unet()
    keras.utils.set_random_seed(3)
    curves = looking(tmp_path, tiers=("light",))
    curves.set_model(network)
    before = network.get_weights()
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    curves.on_train_begin()
    curves.on_epoch_end(0, {"loss": 1.0})
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [row["tier"] for row in rows(tmp_path)] == ["light"]


def test_a_tier_that_the_network_does_not_have(tmp_path: Path) -> None:
    curves = looking(tmp_path, tiers=("lightest",))
    curves.set_model(small_unet())
    with pytest.raises(InputError, match=r"must be among light, .*; got 'lightest'"):
        curves.on_train_begin()


def test_a_new_run_begins_without_the_curves_of_another(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text("old")
    with pytest.raises(InputError):  # after the folder was looked at
        trainer.train(replace(RECIPE, initial="none.keras"), tmp_path)
    assert not (tmp_path / "curves.csv").exists()


@pytest.mark.parametrize("is_optional", [True, False])
def test_data_without_a_val_split(
    tmp_path: Path, is_optional: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_own(tmp_path / "own", rectangles(4))
    (folder / "classes.toml").write_text(
        "".join(f'[[classes]]\nid = {k}\nname = "{k}"\ncolor = [{k}, 0, 0]\n' for k in range(3))
        + "[splits]\ntrain = ['*']\n"
    )
    recipe = replace(RECIPE, data=str(folder), data_options={})
    batches = training_batches(recipe, 0)
    look = Validation(is_optional=is_optional)
    arguments = (recipe, look, batches, Checkpoint(tmp_path, {}), None)
    if is_optional:
        assert trainer._curves(*arguments) == []
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("tiers are not scored while training: ")
        return
    with pytest.raises(InputError, match="split 'val' must hold images"):
        trainer._curves(*arguments)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"images": 0}])
def test_at_least_one(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"must be 1 or more; got 0"):
        Validation(**wrong)


def test_tensorboard_needs_curves_and_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="`tensorboard` needs `validation`"):
        trainer.train(RECIPE, tmp_path, tensorboard=True)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"needs TensorFlow.*got the backend jax"):
        EventFile(tmp_path)


def test_rows_are_kept_in_the_checkpoint(tmp_path: Path) -> None:
    curves = looking(tmp_path, tiers=("light",))
    curves.set_model(small_unet())
    curves.on_epoch_end(0, {"loss": 1.0})
    kept = curves._checkpoint.kept["curves"]
    assert json.loads(json.dumps(kept)) == kept
    assert kept[0]["epoch"] == 1
