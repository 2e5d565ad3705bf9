"""From a recipe to its batches, and to a network that is ready to be trained on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras

from kit.data import Augmentation, Batches, Dataset, SlimmedBatches, Slimming, open_dataset
from kit.errors import InputError
from kit.losses import CrossEntropyDice, MultiLevelLoss
from kit.metrics import median_frequency_weights
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.adaptive_unet import AdaptiveUNet
from kit.networks.csc_unet import CSCUNet
from kit.networks.deeplab_v3 import DeepLabV3
from kit.networks.elu_net import ELUNet
from kit.networks.fcn import FCN
from kit.networks.fcn_vgg16 import FCNVGG16
from kit.networks.overprovision import overprovision
from kit.quantization import BitWidthDecay, FakeQuant, Halving, IntegerSGD, calibrate, quantize
from kit.quantization.policies import make_arithmetic
from kit.slimming import carry_optimizer, slimmed
from kit.training.exit_heads import ExitHeads
from kit.training.filtered_distillation import FilteredDistillation
from kit.training.pta_sampling import PTASampling
from kit.training.recipe import Recipe
from kit.training.round_robin_exits import RoundRobinExits
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier
from kit.training.warm_up_cosine import WarmUpCosine

_CALIBRATION_BATCHES = 8

_HALVED_AFTER = (0.1, 0.4, 0.67)
"""Of all steps: 3, 12 and 20 of the paper's 30 thousand (arXiv 2011.14504)."""


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
    scale = recipe.trained_tail.scale if recipe.trained_tail else 1
    label_size = (scale * recipe.crop_size[0], scale * recipe.crop_size[1])
    if recipe.slimming:
        return SlimmedBatches(
            dataset,
            recipe.batch_size,
            recipe.crop_size,
            Slimming(**recipe.slimming),
            augmentation=augmentation,
            seed=seed,
            epochs=recipe.epochs,
            label_size=label_size,
        )
    return Batches(
        dataset,
        recipe.batch_size,
        recipe.crop_size,
        augmentation=augmentation,
        shuffle=True,
        seed=seed,
        label_size=label_size,
    )


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
    with layers_in("mixed_bfloat16" if mixed_precision else "float32"):
        network = _with_tail(_network(recipe, batches.dataset, seed), recipe)
        if make_arithmetic(recipe.policy).to_policy() != network.arithmetic.to_policy():
            network = _quantized(network, recipe, batches.full(_CALIBRATION_BATCHES))
        if channels:
            network = network.from_config({**network.get_config(), "channels": dict(channels)})
    _compile(network, recipe, batches, seed, metrics)
    return network


def continued(
    network: AdaptiveNetwork,
    recipe: Recipe,
    batches: Batches,
    seed: int,
    metrics: list[keras.metrics.Metric] | None,
) -> AdaptiveNetwork:
    """A network without the channels that are zero, compiled and with what its optimizer knows.

    Args:
        network: As `prepared` gave it, and then trained and masked.
        recipe: As of `prepared`.
        batches: As of `prepared`.
        seed: As of `prepared`.
        metrics: As of `prepared`.
    """
    with layers_in(network.dtype_policy.name):
        smaller = slimmed(network)
    _compile(smaller, recipe, batches, seed, metrics)
    carry_optimizer(network, smaller)
    return smaller


@contextmanager
def layers_in(policy: str) -> Iterator[None]:
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


def _with_tail(network: AdaptiveNetwork, recipe: Recipe) -> AdaptiveNetwork:
    """The network with the tail that it is trained with."""
    tail = recipe.trained_tail
    if network.tail == tail:
        return network
    if network.tail is not None or tail is None:
        raise InputError(
            f"recipe {recipe.name!r}: `tail` must be that of `initial`, "
            f"{network.tail and network.tail.to_dict()}; received: {recipe.tail or 'none'}"
        )
    return network.with_tail_of(tail)


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
    loss: keras.losses.Loss = CrossEntropyDice(recipe.dice_weight, class_weights=class_weights)
    if recipe.loss == "multi_level":
        loss = MultiLevelLoss()
    network.compile(
        _optimizer(recipe, steps, seed),
        loss=loss,
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
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(recipe.learning_rate)
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
