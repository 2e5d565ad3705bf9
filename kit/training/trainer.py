"""From a recipe to a trained network in a folder."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

import keras
from tqdm import tqdm

from kit.data import Augmentation, Batches, Dataset, SlimmedBatches, Slimming, open_dataset
from kit.data.slimming import LOSS
from kit.errors import InputError
from kit.files import replacing, write_text
from kit.losses import CrossEntropyDice
from kit.metrics import median_frequency_weights
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.adaptive_unet import AdaptiveUNet
from kit.networks.csc_unet import CSCUNet
from kit.networks.deeplab_v3 import DeepLabV3
from kit.networks.elu_net import ELUNet
from kit.networks.fcn import FCN
from kit.networks.fcn_vgg16 import FCNVGG16
from kit.networks.input_sizes import parse_sizes
from kit.networks.overprovision import overprovision
from kit.quantization import BitWidthDecay, FakeQuant, Halving, IntegerSGD, calibrate, quantize
from kit.quantization.policies import make_arithmetic
from kit.slimming import ChannelPruning, NetworkSlimming, carry_optimizer, slimmed
from kit.tiers import Tier
from kit.training.checkpoint import Checkpoint
from kit.training.exit_heads import ExitHeads
from kit.training.filtered_distillation import FilteredDistillation
from kit.training.image_losses import ImageLosses
from kit.training.pta_sampling import PTASampling
from kit.training.recipe import Recipe
from kit.training.round_robin_exits import RoundRobinExits
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier
from kit.training.stop_at_nan import StopAtNaN
from kit.training.warm_up_cosine import WarmUpCosine

NETWORK = "network.keras"
HISTORY = "history.json"

_CALIBRATION_BATCHES = 8

_HALVED_AFTER = (0.1, 0.4, 0.67)
"""Of all steps: 3, 12 and 20 of the paper's 30 thousand (arXiv 2011.14504)."""


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
        self._bar = tqdm(
            total=self._epochs * steps, initial=done * steps, desc="train", file=sys.stderr, delay=2
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

    Raises:
        InputError: if data or weights are missing, the checkpoint is of another recipe, or bfloat16
            is asked for beside another precision.
    """
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
    callbacks = [losses] if losses else []
    if recipe.network_slimming and "channels" not in checkpoint.kept:
        pruning = _pruning(recipe, batches)
        if checkpoint.epoch < pruning.slimming.epochs(recipe.epochs)[-1]:
            _fit(network, recipe, batches, checkpoint, [*callbacks, pruning])
        network = _continued(network, recipe, batches, seed, metrics)
        checkpoint.kept["channels"] = network.channels
    if checkpoint.epoch < recipe.epochs:
        _fit(network, recipe, batches, checkpoint, callbacks)
    # On what training saw: whole images have other statistics than augmented crops. Where heads
    # alone were trained, the trunk stays as it was, and their own averages had a trunk at rest.
    if recipe.recalibration_batches and recipe.phase == "network":
        network.recalibrate(batches.full(recipe.recalibration_batches))
    with _layers_in("float32"):
        network = network.resized(recipe.image_size)
        if recipe.input_sizes:
            network = network.with_input_sizes(recipe.input_sizes)
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


def _pruning(recipe: Recipe, batches: Batches) -> ChannelPruning:
    def pixels(epoch: int) -> float:
        """Of an image, what data slimming leaves; that there are fewer is another matter."""
        height, width = batches.image_size
        images = len(batches) * batches.batch_size
        return batches.pixels(epoch) / (images * height * width)

    return ChannelPruning(NetworkSlimming.parse(recipe.network_slimming), pixels)


def _continued(
    network: AdaptiveNetwork,
    recipe: Recipe,
    batches: Batches,
    seed: int,
    metrics: list[keras.metrics.Metric] | None,
) -> AdaptiveNetwork:
    """The network without the channels that are zero, with which training goes on."""
    with _layers_in(network.dtype_policy.name):
        smaller = slimmed(network)
    _compile(smaller, recipe, batches, seed, metrics)
    carry_optimizer(network, smaller)
    return smaller


def training_batches(recipe: Recipe, seed: int) -> Batches:
    """What a recipe trains on.

    Args:
        recipe: What to train.
        seed: Of order and augmentation.

    Raises:
        InputError: if the data are missing, or slimming leaves too few of them.
    """
    dataset = open_dataset(recipe.data, "train", **recipe.data_options)
    augmentation = Augmentation(**recipe.augmentation)
    if recipe.slimming:
        return SlimmedBatches(
            dataset,
            recipe.batch_size,
            recipe.crop_size,
            Slimming(**recipe.slimming),
            augmentation=augmentation,
            seed=seed,
            epochs=recipe.epochs,
        )
    return Batches(
        dataset,
        recipe.batch_size,
        recipe.crop_size,
        augmentation=augmentation,
        shuffle=True,
        seed=seed,
    )


def _is_by_loss(batches: Batches) -> TypeGuard[SlimmedBatches]:
    return isinstance(batches, SlimmedBatches) and batches.slimming.measure == LOSS


def prepared(
    recipe: Recipe,
    batches: Batches,
    *,
    seed: int = 0,
    mixed_precision: bool | None = None,
    metrics: list[keras.metrics.Metric] | None = None,
    channels: Mapping[str, int] | None = None,
) -> AdaptiveNetwork:
    """A recipe's network at its crop size, compiled and not yet trained.

    Args:
        recipe: What to train.
        batches: What it will be trained on; the first calibrate a network of 8 bits.
        seed: Of initial weights and draws.
        mixed_precision: As of `train`.
        metrics: To be compiled into it.
        channels: Of a network that was slimmed and whose weights are restored afterwards.

    Raises:
        InputError: if weights are missing, or bfloat16 is asked for beside another precision.
    """
    if mixed_precision is None:
        is_on_cpu = keras.distribution.list_devices()[0].startswith("cpu")
        mixed_precision = recipe.precision == "float32" and not is_on_cpu
    elif mixed_precision and recipe.precision != "float32":
        raise InputError(
            "`mixed_precision` must be off for a precision other than float32; "
            f"received: on, with {recipe.precision}"
        )
    keras.utils.set_random_seed(seed)
    with _layers_in("mixed_bfloat16" if mixed_precision else "float32"):
        network = _network(recipe, batches.dataset, seed)
        if make_arithmetic(recipe.policy).to_policy() != network.arithmetic.to_policy():
            network = _quantized(network, recipe, batches.full(_CALIBRATION_BATCHES))
        if channels:
            network = network.from_config({**network.get_config(), "channels": dict(channels)})
    _compile(network, recipe, batches, seed, metrics)
    return network


@contextmanager
def _layers_in(policy: str) -> Iterator[None]:
    """Layers made within compute by `policy`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _network(recipe: Recipe, dataset: Dataset, seed: int) -> AdaptiveNetwork:
    record = {
        "recipe": recipe.name,
        "seed": seed,
        "epochs": recipe.epochs,
        "dataset": dataset.name,
        "labels": [
            {"id": index, "name": item.name, "color": list(item.color)}
            for index, item in enumerate(dataset.classes)
        ],
    }
    if recipe.initial is not None:
        return _initial(recipe, dataset, record)
    weights = recipe.encoder_weights
    if weights is not None:
        folder = os.environ.get("TIERSEG_WEIGHTS", "../shared/weights")
        weights = weights.replace("${TIERSEG_WEIGHTS}", folder)
    shared: dict[str, Any] = {
        "num_classes": len(dataset.classes),
        "image_size": recipe.crop_size,
        "encoder_weights": weights,
        "width": recipe.width,
        "exits": recipe.exits,
        "training_record": record,
    }
    if recipe.family == "adaptive_unet":
        return AdaptiveUNet(
            **shared,
            decoder_widths=recipe.decoder_widths,
            light_expansion=recipe.light_expansion,
            adaptive=recipe.adaptive,
            configurations=recipe.configurations if recipe.adaptive else None,
        )
    if recipe.family in ("csc_unet", "elu_net"):
        del shared["encoder_weights"]
    if recipe.family == "csc_unet":
        return CSCUNet(**shared, **recipe.csc, configurations=recipe.configurations or None)
    if recipe.family == "elu_net":
        return ELUNet(**shared)
    if recipe.family == "fcn_vgg16":
        return FCNVGG16(**shared)
    shared |= {
        "backbone": recipe.backbone,
        "output_stride": recipe.output_stride,
        "configurations": recipe.configurations or None,
    }
    if recipe.family == "deeplab_v3":
        return DeepLabV3(**shared, head_channels=recipe.head_channels)
    return FCN(**shared)


def _initial(recipe: Recipe, dataset: Dataset, record: dict[str, Any]) -> AdaptiveNetwork:
    """A trained network, with the recipe's exits and at its crop size alone."""
    path = Path(str(recipe.initial))
    if path.suffix != ".keras" or not path.is_file():
        raise InputError(
            f"recipe {recipe.name!r}: `initial` must be a network (.keras); found none at {path}"
        )
    network = keras.saving.load_model(path, compile=False)
    if network.num_classes != len(dataset.classes):
        raise InputError(
            f"recipe {recipe.name!r}: `initial` must have the {len(dataset.classes)} classes of "
            f"{dataset.name}; received: {network.num_classes}"
        )
    before = {key: value for key, value in network.training_record.items() if key != "labels"}
    network = network.with_exits(recipe.exits or network.exits)
    if recipe.heads:
        network = overprovision(network, {exit_.after for exit_ in network.exits}, recipe.heads)
    network = network.with_input_sizes(()).resized(recipe.crop_size)
    network.training_record = {**record, "initial": before}
    return network


def _quantized(network: AdaptiveNetwork, recipe: Recipe, batches: list[Any]) -> AdaptiveNetwork:
    """The network in the recipe's arithmetic, with the widths that training begins with."""
    arithmetic = make_arithmetic(recipe.policy)
    few = arithmetic.options.changed() if isinstance(arithmetic, FakeQuant) else {}
    if few and recipe.phase == "heads":
        raise InputError(
            f"recipe {recipe.name!r}: `precision_options` must be the widths of `initial` in the "
            f"phase heads, in which the trunk is not trained; received: "
            f"{', '.join(f'{name} = {bits}' for name, bits in few.items())}"
        )
    if not recipe.bit_widths:
        return quantize(network, recipe.policy, calibration=batches)
    network = quantize(network, recipe.policy)
    network.arithmetic.set_widths(BitWidthDecay(recipe.bit_widths).parts[0])
    calibrate(network, batches)
    return network


def _compile(
    network: AdaptiveNetwork,
    recipe: Recipe,
    batches: Batches,
    seed: int,
    metrics: list[keras.metrics.Metric] | None,
) -> None:
    steps = len(batches) * recipe.epochs
    class_weights = None
    if recipe.class_balance:
        balance = median_frequency_weights(batches.dataset) ** recipe.class_balance
        class_weights = (balance / balance.mean()).tolist()
    network.compile(
        _optimizer(recipe, steps, seed),
        loss=CrossEntropyDice(recipe.dice_weight, class_weights=class_weights),
        schedule=_schedule(network, recipe, class_weights, steps, seed),
        metrics=metrics,
    )


def _optimizer(recipe: Recipe, steps: int, seed: int) -> keras.optimizers.Optimizer:
    if recipe.optimizer == "adamw":
        # A cosine over all parts would leave the narrowest widths, which move the most, its end.
        begins = [0]
        if recipe.bit_widths:
            decay = BitWidthDecay(recipe.bit_widths)
            begins = [n * steps // recipe.epochs for n in decay.begins(recipe.epochs)]
        shortest = min(after - before for before, after in pairwise([*begins, steps]))
        rate = WarmUpCosine(recipe.learning_rate, steps, min(200, shortest // 10), begins[1:])
        # beta_2 = 0.99: Adam corrects its bias by the global step, and a branch that is met late
        # would begin with steps of (1 - 0.9) / sqrt(1 - beta_2) times the rate: 1 here, 3.2 for
        # 0.999.
        return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, beta_2=0.99)
    boundaries = {max(int(share * steps), 1) for share in _HALVED_AFTER}
    halving = Halving(recipe.learning_rate, sorted(boundaries))
    if recipe.precision == "integer":
        return IntegerSGD(halving, seed=seed)
    return keras.optimizers.SGD(halving)


def _schedule(
    network: AdaptiveNetwork,
    recipe: Recipe,
    class_weights: list[float] | None,
    steps: int,
    seed: int,
) -> Schedule:
    configurations: Schedule = SingleTier(network.default_tier)
    if len(network.configurations) > 1:
        configurations = PTASampling(
            seed=seed,
            warm_up=int(recipe.warm_up * steps),
            weights=recipe.draw_weights or None,
            distillation=recipe.distillation,
        )
    if recipe.phase == "heads":
        loss = FilteredDistillation(**{"class_weights": class_weights, **recipe.head_loss})
        return ExitHeads(loss, configurations)
    return RoundRobinExits(configurations) if network.exits else configurations


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
