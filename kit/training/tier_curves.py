"""How well each tier does while the network is trained."""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from PIL import Image
from tqdm import tqdm

from kit.data import Dataset
from kit.data.batches import Batch, resize
from kit.errors import InputError
from kit.files import write_text
from kit.losses import SegmentationCrossEntropy
from kit.metrics import ConfusionMatrix
from kit.networks.adaptive_network import AdaptiveNetwork
from kit.quiet import quiet
from kit.tiers import Tier
from kit.training.checkpoint import Checkpoint
from kit.training.event_file import EventFile

CURVES = "curves.csv"
FIELDS = ("epoch", "tier", "loss", "miou", "images")

STATISTICS = 4
"""Training batches that are enough to estimate the BatchNorm statistics of each tier."""

_BATCH = 4


@dataclass(frozen=True)
class Validation:
    """What is looked at while a network is trained.

    Args:
        every: Epochs from one look to the next; the last epoch has one always.
        images: Of the val split at most, evenly spread over it.
        tiers: Names; all tiers if empty.
        is_optional: Whether data without a val split are trained on all the same, without a look.

    Raises:
        InputError: `every` or `images` is below 1.
    """

    every: int = 1
    images: int = 32
    tiers: tuple[str, ...] = ()
    is_optional: bool = False

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("images", self.images)):
            if value < 1:
                raise InputError(f"`{name}` must be 1 or more; got {value}")


class TierCurves(keras.callbacks.Callback):
    """Scores tiers after every few epochs: a line in the terminal, rows in `curves.csv`, events.

    A copy of the network is scored, at the size at which it will run, with BatchNorm statistics
    that are estimated anew for each tier; the network itself, its draws and its random state stay
    as they are, so that a run ends where it would have ended without.

    Rows are kept in the checkpoint, and the file is written whole from them: a resumed run has
    each row once.

    Args:
        validation: What is looked at.
        dataset: The val split.
        seen: Some training batches at the size of training, for the statistics; none to leave
            these as they are.
        image_size: `(height, width)` at which the network will run.
        epochs: Of the whole run.
        checkpoint: Of the run; its folder gets `curves.csv`.
        events: Where TensorBoard looks, or None.
    """

    def __init__(
        self,
        validation: Validation,
        dataset: Dataset,
        seen: Sequence[Batch],
        image_size: tuple[int, int],
        epochs: int,
        checkpoint: Checkpoint,
        events: EventFile | None = None,
    ) -> None:
        super().__init__()
        self._validation, self._epochs, self._checkpoint = validation, epochs, checkpoint
        self._dataset, self._image_size, self._events = dataset, image_size, events
        self._seen = [batch[0] for batch in seen]
        count = min(validation.images, len(dataset))
        self._chosen = [k * len(dataset) // count for k in range(count)]
        self._samples: list[tuple[np.ndarray, np.ndarray]] = []
        self._copied: AdaptiveNetwork | None = None
        self._copies: tuple[AdaptiveNetwork, AdaptiveNetwork] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        known = [tier.name for tier in self.model.tiers]
        for name in self._validation.tiers:
            if name not in known:
                raise InputError(
                    f"`validation.tiers` must be among {', '.join(known)}; got {name!r}"
                )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        done = epoch + 1
        if self._events is not None:
            self._events.write("loss/train", float((logs or {})["loss"]), done)
        if done % self._validation.every and done != self._epochs:
            return
        with _random_state_kept(), quiet():
            rows = list(self._rows(done))
        before = [row for row in self._checkpoint.kept.get("curves", []) if row["epoch"] < done]
        self._checkpoint.kept["curves"] = [*before, *rows]
        write_text(self._checkpoint.folder / CURVES, curves_csv([*before, *rows]))
        scores = ", ".join(f"{row['tier']} {100 * row['miou']:.1f}" for row in rows)
        tqdm.write(f"epoch {done}/{self._epochs}: mIoU {scores}", file=sys.stderr)
        if self._events is not None:
            for row in rows:
                for name in ("loss", "miou"):
                    self._events.write(f"{name}/{row['tier']}", row[name], done)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._copied = self._copies = None

    def _rows(self, epoch: int) -> Iterator[dict[str, Any]]:
        """A row for each tier."""
        trained, shown = self._current()
        wanted = [tier for tier in shown.tiers if not tier.input_size]
        if names := self._validation.tiers:
            wanted = [shown.resolve(name) for name in names]
        if self._seen:
            trained.recalibrate(self._seen, wanted)
        if shown is not trained:
            shown.set_weights(trained.get_weights())
        groups: dict[str, list[Tier]] = {}
        for tier in wanted:
            groups.setdefault(tier.configuration, []).append(tier)
        loss = SegmentationCrossEntropy()
        for tiers in tqdm(
            groups.values(), "validate", unit="configuration", leave=False, delay=2, disable=None
        ):
            model = shown.joint_model(tuple(tiers))
            matrices = [ConfusionMatrix(shown.num_classes) for _ in tiers]
            losses: list[list[float]] = [[] for _ in tiers]
            for images, labels in self._batches(shown.output_size):
                found = model.predict_on_batch(images)
                for k, logits in enumerate(found if isinstance(found, list) else [found]):
                    logits = np.asarray(logits)
                    matrices[k].update(labels, logits.argmax(-1))
                    losses[k].append(float(ops.convert_to_numpy(loss(labels, logits))))
            for tier, matrix, values in zip(tiers, matrices, losses, strict=True):
                yield {
                    "epoch": epoch,
                    "tier": tier.name,
                    "loss": round(float(np.mean(values)), 5),
                    "miou": round(matrix.mean_iou(), 5),
                    "images": len(self._chosen),
                }

    def _current(self) -> tuple[AdaptiveNetwork, AdaptiveNetwork]:
        """Copies of the network as it is, at the size of training and at that of a device."""
        network = self.model
        if self._copies is None or self._copied is not network:
            trained = network.resized(network.image_size)
            is_same = tuple(network.image_size) == tuple(self._image_size)
            shown = trained if is_same else trained.resized(self._image_size)
            self._copied, self._copies = network, (trained, shown)
        self._copies[0].set_weights(network.get_weights())
        return self._copies

    def _batches(self, label_size: tuple[int, int]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """The chosen images at the device's size with their labels at that of the logits."""
        if not self._samples:
            for index in self._chosen:
                image, label = self._dataset.sample(index)
                self._samples.append(
                    (
                        resize(image, self._image_size, Image.Resampling.BILINEAR),
                        resize(label, label_size, Image.Resampling.NEAREST),
                    )
                )
        for start in range(0, len(self._samples), _BATCH):
            part = self._samples[start : start + _BATCH]
            images = np.stack([image for image, _ in part]).astype(np.float32)
            yield images, np.stack([label for _, label in part]).astype(np.int32)


def curves_csv(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as the text of `curves.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Within the block, what draws from the global generators leaves them as they were."""
    # Keras seeds the initializers of a copy from Python's; the weights that they draw are replaced.
    state, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(of_numpy)  # noqa: NPY002
