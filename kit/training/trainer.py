"""From a recipe to a trained network in a folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import keras
from tqdm import tqdm

from kit.data import Batches, SlimmedBatches, open_dataset
from kit.data.batches import Batch
from kit.data.slimming import LOSS
from kit.errors import InputError
from kit.files import replacing, write_text
from kit.layers.tail_config import TailConfig
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.input_sizes import parse_sizes
from kit.quantization import BitWidthDecay
from kit.quiet import quiet
from kit.slimming import ChannelPruning, NetworkSlimming
from kit.tiers import Tier
from kit.training.checkpoint import Checkpoint
from kit.training.event_file import EventFile
from kit.training.image_losses import ImageLosses
from kit.training.preparation import continued, layers_in, prepared, training_batches
from kit.training.recipe import Recipe
from kit.training.stop_at_nan import StopAtNaN
from kit.training.tier_curves import CURVES, STATISTICS, TierCurves, Validation

NETWORK = "network.keras"
HISTORY = "history.json"
EVENTS = "tensorboard"


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Args:
        network: At the recipe's `image_size` and with its `input_sizes`, BatchNorm statistics
            estimated for every tier.
        path: Of the saved network.
        history: Per epoch: mean loss, seconds, how often each tier was drawn, the pixels of all
            images (with data slimming also what they would be without) and the multiply-adds of a
            forward pass of one image at the crop size, the mean over the steps. Pixels, divided by
            those of a crop, times multiply-adds are what training costs.
        wall_s: Seconds of all epochs, without set-up.
    """

    network: AdaptiveNetwork
    path: Path
    history: list[dict[str, Any]]
    wall_s: float


class _Record(keras.callbacks.Callback):
    """Appends each epoch's record, and shows the run's progress on standard error."""

    def __init__(self, checkpoint: Checkpoint, batches: Batches, epochs: int) -> None:
        super().__init__()
        self._checkpoint, self._batches, self._epochs = checkpoint, batches, epochs
        self._start = 0.0
        self._macs: dict[tuple[Tier, ...], int] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        done, steps = self._checkpoint.epoch, len(self._batches)
        # At once, for the first step of each tier is long: the backend compiles it.
        self._bar = tqdm(
            total=self._epochs * steps,
            initial=done * steps,
            desc="train",
            unit="step",
            file=sys.stderr,
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.epoch = epoch
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        steps = len(self._batches)
        loss = float((logs or {})["loss"])
        self._bar.set_postfix(epoch=epoch + 1, loss=f"{loss:.3f}")
        self._checkpoint.history.append(
            {
                "epoch": epoch + 1,
                "loss": round(loss, 5),
                "seconds": round(time.perf_counter() - self._start, 2),
                "draws": self.model.schedule.counts(epoch * steps, (epoch + 1) * steps),
                **self._cost(epoch),
            }
        )

    def _cost(self, epoch: int) -> dict[str, int]:
        """Pixels of an epoch, and multiply-adds of an image."""
        steps = len(self._batches)
        drawn = [self.model.schedule.draw(epoch * steps + step) for step in range(steps)]
        for tiers in set(drawn) - set(self._macs):
            self._macs[tiers] = self.model.macs(tiers)
        cost = {"pixels": self._batches.pixels(epoch)}
        if isinstance(self._batches, SlimmedBatches):
            cost["full_pixels"] = self._batches.full_pixels(epoch)
        return {**cost, "macs": round(sum(self._macs[tiers] for tiers in drawn) / steps)}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._bar.close()


def train(
    recipe: Recipe,
    out: Path,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int = 0,
    resume: bool = False,
    mixed_precision: bool | None = None,
    validation: Validation | None = None,
    tensorboard: bool = False,
) -> TrainingResult:
    """Train a network as a recipe says.

    Args:
        recipe: What to train.
        out: Folder of `network.keras`, `history.json` and, while training, the checkpoint.
        data: Known data set or folder instead of the recipe's.
        epochs: Instead of the recipe's.
        seed: Of initial weights, data order, augmentation and draws.
        resume: Go on from the checkpoint in `out`, or return the finished network that is there.
        mixed_precision: Whether layers compute in bfloat16; weights, losses and the saved network
            are float32 all the same. `None`: on an accelerator only, for CPUs were slower with it,
            and not with another precision than float32, whose steps bfloat16 cannot hold.
        validation: What to look at while training (`TierCurves`), as lines on standard error and in
            `curves.csv`; `None` for nothing. What is trained is the same.
        tensorboard: Also write the curves, and the loss of each epoch, into `out/tensorboard`.

    Raises:
        InputError: if data or weights are missing, the checkpoint is of another recipe, bfloat16
            is asked for beside another precision, or `tensorboard` on another backend than
            TensorFlow or without `validation`.
    """
    if tensorboard and validation is None:
        raise InputError("`tensorboard` needs `validation`, whose curves it shows; got none")
    events = EventFile(out / EVENTS) if tensorboard else None
    recipe = replace(recipe, data=str(data or recipe.data), epochs=epochs or recipe.epochs)
    identity = {**recipe.to_dict(), "seed": seed}
    checkpoint = Checkpoint(out, identity)
    if resume and (finished := _finished(out, checkpoint)):
        return finished
    if checkpoint.exists() and not resume:
        raise InputError(
            f"`out` must hold no unfinished run unless it is resumed (--resume); received: {out}"
        )
    batches = training_batches(recipe, seed)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / CURVES).unlink(missing_ok=True)
    losses = ImageLosses(batches, checkpoint) if _is_by_loss(batches) else None
    metrics = [losses.metric] if losses else None
    network = prepared(
        recipe,
        batches,
        seed=seed,
        mixed_precision=mixed_precision,
        metrics=metrics,
        channels=checkpoint.channels,
    )
    parse_sizes(recipe.input_sizes, recipe.image_size, network.size_multiple)
    if resume and checkpoint.exists():
        checkpoint.restore(network)
    callbacks: list[keras.callbacks.Callback] = [losses] if losses else []
    if validation is not None:
        callbacks += _curves(recipe, validation, batches, checkpoint, events)
    if recipe.network_slimming and "channels" not in checkpoint.kept:
        pruning = _pruning(recipe, batches)
        if checkpoint.epoch < pruning.slimming.epochs(recipe.epochs)[-1]:
            _fit(network, recipe, batches, checkpoint, [*callbacks, pruning])
        network = continued(network, recipe, batches, seed, metrics)
        checkpoint.kept["channels"] = network.channels
    if checkpoint.epoch < recipe.epochs:
        _fit(network, recipe, batches, checkpoint, callbacks)
    # On what training saw: whole images have other statistics than augmented crops. Where heads
    # alone were trained, the trunk stays as it was, and their own averages had a trunk at rest.
    if recipe.recalibration_batches and recipe.phase == "network":
        _recalibrate(network, batches.full(recipe.recalibration_batches))
    with layers_in("float32"):
        network = network.resized(recipe.image_size)
        if recipe.input_sizes:
            network = network.with_input_sizes(recipe.input_sizes)
        if recipe.tail and network.tail is None:  # labels had the images' size
            network = network.with_tail_of(TailConfig.parse(recipe.tail))
    _save(network, out, identity, checkpoint.history)
    checkpoint.remove()
    return _result(network, out, checkpoint.history)


def _fit(
    network: AdaptiveNetwork,
    recipe: Recipe,
    batches: Batches,
    checkpoint: Checkpoint,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Train from the checkpoint to the end, or to where a callback stops."""
    with quiet():
        network.fit(
            batches,
            epochs=recipe.epochs,
            initial_epoch=checkpoint.epoch,
            shuffle=False,
            verbose=0,
            callbacks=[
                *([BitWidthDecay(recipe.bit_widths)] if recipe.bit_widths else []),
                StopAtNaN(batches, checkpoint),
                _Record(checkpoint, batches, recipe.epochs),
                *callbacks,
                checkpoint,
            ],
        )


def _recalibrate(network: AdaptiveNetwork, seen: list[Batch]) -> None:
    """Estimate the statistics of all tiers, with a bar."""
    configurations = {tier.configuration for tier in network.tiers}
    total = len(seen) * len(configurations)
    with tqdm(total=total, desc="statistics", unit="batch", delay=2, disable=None) as bar:

        class Counted:
            """The batches, each counted when it is done with."""

            def __iter__(self) -> Iterator[Batch]:
                for batch in seen:
                    yield batch
                    bar.update()

        network.recalibrate(Counted())


def _curves(
    recipe: Recipe,
    validation: Validation,
    batches: Batches,
    checkpoint: Checkpoint,
    events: EventFile | None,
) -> list[keras.callbacks.Callback]:
    try:
        dataset = open_dataset(recipe.data, "val", **recipe.data_options)
    except InputError as error:
        if not validation.is_optional:
            raise
        tqdm.write(f"tiers are not scored while training: {error}", file=sys.stderr)
        return []
    is_estimated = recipe.recalibration_batches and recipe.phase == "network"
    seen = batches.full(STATISTICS) if is_estimated else []
    return [
        TierCurves(validation, dataset, seen, recipe.image_size, recipe.epochs, checkpoint, events)
    ]


def _pruning(recipe: Recipe, batches: Batches) -> ChannelPruning:
    def pixels(epoch: int) -> float:
        """Of an image, what data slimming leaves; that there are fewer is another matter."""
        height, width = batches.image_size
        images = len(batches) * batches.batch_size
        return batches.pixels(epoch) / (images * height * width)

    return ChannelPruning(NetworkSlimming.parse(recipe.network_slimming), pixels)


def _is_by_loss(batches: Batches) -> TypeGuard[SlimmedBatches]:
    return isinstance(batches, SlimmedBatches) and batches.slimming.measure == LOSS


def _save(
    network: AdaptiveNetwork, out: Path, identity: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    with replacing(out / NETWORK) as partial:
        network.save(partial)
    content = {"identity": identity, "epochs": history, "versions": {"keras": keras.__version__}}
    write_text(out / HISTORY, json.dumps(content, indent=1))


def _finished(out: Path, checkpoint: Checkpoint) -> TrainingResult | None:
    if not (out / NETWORK).is_file() or not (out / HISTORY).is_file() or checkpoint.exists():
        return None
    content = json.loads((out / HISTORY).read_text())
    if content["identity"] != checkpoint.identity:
        raise InputError(
            f"{out} must hold a run of the same recipe and seed to be resumed; it holds "
            f"{content['identity'].get('name')!r} with seed {content['identity'].get('seed')}"
        )
    return _result(keras.saving.load_model(out / NETWORK), out, content["epochs"])


def _result(network: AdaptiveNetwork, out: Path, history: list[dict[str, Any]]) -> TrainingResult:
    return TrainingResult(
        network, out / NETWORK, history, round(sum(epoch["seconds"] for epoch in history), 2)
    )
