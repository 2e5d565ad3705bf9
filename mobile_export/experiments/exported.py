"""Networks that an experiment has trained, and their int8 files."""

from pathlib import Path
from typing import Protocol

from kit import AdaptiveNetwork
from kit.data import open_dataset
from kit.training import Recipe, train
from mobile_export.exporter import export
from mobile_export.sampling import spread


class Calibrated(Protocol):
    """What a scale says of export."""

    @property
    def calibration_images(self) -> int:
        """How many, from the training split."""

    @property
    def min_agreement(self) -> float:
        """Share of pixels on which each int8 tier must agree with Keras."""


def finished(recipe: Recipe, out: Path, seed: int) -> AdaptiveNetwork:
    """The network that `scored` has trained.

    Args:
        recipe: as of `scored`.
        out: as of `scored`.
        seed: as of `scored`.
    """
    folder = out / f"{recipe.name}_{seed}"
    return train(recipe, folder, seed=seed, resume=True, mixed_precision=False).network


def exported(network: AdaptiveNetwork, bundle: Path, recipe: Recipe, scale: Calibrated) -> None:
    """Writes an int8 file, calibrated on images spread over the recipe's training split.

    Args:
        network: that was trained.
        bundle: the file.
        recipe: of the network.
        scale: of the experiment.

    Raises:
        VerificationError: the file fails a check.
    """
    dataset = open_dataset(recipe.data, "train", **recipe.data_options)
    export(
        network,
        bundle,
        spread(dataset, scale.calibration_images),
        labels=dataset.classes,
        min_agreement=scale.min_agreement,
    )
