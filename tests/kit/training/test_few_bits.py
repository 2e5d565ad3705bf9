"""Recipes of fewer than 8 bits: whole, killed and gone on with, and the heads of exits alone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from kit.errors import InputError
from kit.networks.fcn_vgg16 import FCNVGG16
from kit.quantization import BitWidths, FakeQuant
from kit.training import Recipe, preparation, trainer

SIZE = (32, 32)
RECIPE = Recipe(
    name="few bits",
    data="street_scenes",
    image_size=(32, 64),
    crop_size=SIZE,
    epochs=4,
    batch_size=2,
    family="fcn_vgg16",
    width=0.05,
    learning_rate=1e-2,
    recalibration_batches=0,
    precision="qat",
    bit_widths=((8, 8), (3, 4)),
    data_options={"count": 2, "image_size": SIZE},
)


class _Steps:
    """Notes the widths of each step, one an epoch; the run may be killed at one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, killed_at: int | None = None) -> None:
        self.widths: list[str] = []
        original = trainer._Record.on_train_batch_end

        def note(record: trainer._Record, batch: int, logs: dict | None = None) -> None:
            self.widths.append(str(record.model.arithmetic.widths))
            if len(self.widths) == killed_at:
                raise KeyboardInterrupt
            original(record, batch, logs)

        monkeypatch.setattr(trainer._Record, "on_train_batch_end", note)


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """Steps as they come: there are few of them, and a graph takes ten seconds to trace."""
    original = FCNVGG16.compile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FCNVGG16, "compile", partialmethod(original, run_eagerly=True))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> trainer.TrainingResult:
    return trainer.train(RECIPE, tmp_path_factory.mktemp("run") / "whole")


def test_a_run_killed_in_a_later_part_ends_as_one_that_was_not(
    finished: trainer.TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killed = _Steps(patch, killed_at=4)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(RECIPE, tmp_path)
    assert killed.widths == ["8/8"] * 2 + ["3/4"] * 2
    with monkeypatch.context() as patch:
        rest = _Steps(patch)
        resumed = trainer.train(RECIPE, tmp_path, resume=True)
    assert rest.widths == ["3/4"]
    for a, b in zip(finished.network.weights, resumed.network.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=a.path)
    assert [epoch["loss"] for epoch in resumed.history] == pytest.approx(
        [epoch["loss"] for epoch in finished.history], rel=1e-4
    )
    assert trainer.train(RECIPE, tmp_path, resume=True).history == resumed.history


def test_the_saved_network_has_the_last_widths_and_computes_the_same(
    finished: trainer.TrainingResult,
) -> None:
    loaded = keras.saving.load_model(finished.path)
    for network in (finished.network, loaded):
        assert isinstance(network.arithmetic, FakeQuant)
        assert network.arithmetic.widths == network.arithmetic.options == BitWidths(3, 4)
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3)).astype("float32")
    expected = ops.convert_to_numpy(finished.network(image))
    assert expected.std() > 0
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(image)), expected)


def test_the_rate_begins_anew_with_each_part() -> None:
    optimizer = preparation._optimizer(RECIPE, 40, 0)
    rate = keras.saving.deserialize_keras_object(optimizer.get_config()["learning_rate"])
    # The shorter part has 20 steps, of which a tenth are the rise.
    assert (rate.steps, rate.restarts, rate.rise) == (40, (20,), 2)


# === Heads of early exits ===

WIDTHS = {"weight_bits": 3, "activation_bits": 4}


@pytest.fixture
def heads(finished: trainer.TrainingResult) -> Recipe:
    """Trains the head of a new exit, in the widths of the network before."""
    return replace(
        RECIPE,
        initial=str(finished.path),
        phase="heads",
        exits=({"after": 3},),
        epochs=1,
        bit_widths=(),
        precision_options=WIDTHS,
    )


def test_heads_are_trained_in_the_widths_of_their_network(
    heads: Recipe, finished: trainer.TrainingResult, tmp_path: Path
) -> None:
    network = trainer.train(heads, tmp_path / "heads").network
    assert network.arithmetic.to_policy() == {"policy": "qat", **WIDTHS}
    after = {variable.path: ops.convert_to_numpy(variable) for variable in network.variables}
    for variable in finished.network.variables:
        value = ops.convert_to_numpy(variable)
        np.testing.assert_array_equal(after[variable.path], value, err_msg=variable.path)
    head = network.exit_model(network.tiers[0])
    assert not network.arithmetic.uncalibrated(head)
    biases = [v for v in head.trainable_variables if v.name == "bias"]
    assert biases
    assert all(ops.convert_to_numpy(bias).any() for bias in biases)


def test_heads_alone_are_not_trained_while_the_trunk_loses_bits(heads: Recipe) -> None:
    with pytest.raises(
        InputError, match=r"`bit_widths` must go with the phase network; .* 'heads'"
    ):
        replace(heads, precision_options={}, bit_widths=((8, 8), (3, 4)))
    other = replace(heads, precision_options={"weight_bits": 2})
    with pytest.raises(
        InputError,
        match=r"`precision_options` must be the widths of `initial` .*: weight_bits = 2$",
    ):
        preparation.prepared(other, preparation.training_batches(other, 0))
