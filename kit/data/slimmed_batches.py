"""Batches of fewer and smaller images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.data.augmentation import Augmentation
from kit.data.batches import Batch, Batches, resize
from kit.data.complexity import complexities, complexity
from kit.data.complexity_projection import ComplexityProjection
from kit.data.dataset import Dataset
from kit.data.grouping import k_means, thirds
from kit.data.slimming import LOSS, ONCE, RESAMPLING, WINDOW, Slimming
from kit.errors import InputError

Size = tuple[int, int]


@dataclass(frozen=True)
class _Plan:
    """What one epoch hands out: indices and size of each batch, and the weight of each image."""

    chosen: list[np.ndarray]
    sizes: list[Size]
    weights: np.ndarray


class SlimmedBatches(Batches):
    """Shuffled batches of images that are shrunk, dropped and weighted by complexity.

    A function of (seed, epoch, index), as `Batches` is; of the losses too where they are the
    measure, which `take_losses` must then be told after every epoch. A batch holds images of one
    size, and is always full: what does not fill a batch of its size goes to the next larger one.
    There are thus at most `slimming.sizes` shapes, and never an image alone with its statistics.
    All epochs have as many batches as are filled by the images kept on average, for Keras takes
    that number, and which sides of the shapes vary, from the first epoch; each epoch begins with
    its smallest and its largest size.

    Losses of `kit.losses` weigh each image; one that is a mean over the batch before Keras sees the
    weights takes the mean of them.

    Args:
        dataset: images and label maps.
        batch_size: samples in a batch, 2 or more.
        image_size: (height, width) of the full size.
        slimming: what complexity does to an image.
        augmentation: as of `Batches`.
        seed: as of `Batches`.
        epochs: of the training; needed for `slimming.full_at_end`. All are then checked at once.
        projection: of complexity, fitted on this data set; fitted here by default.
        cache: as of `Batches`.
        workers: as of `Batches`.
        complexity_cache: folder to keep complexities in; see `complexities`.
        label_size: (height, width) of the label maps of full size, a whole multiple of
            `image_size`, the same for both sides; that of smaller images shrinks alike. `None` is
            `image_size`.

    Yields:
        (images, labels, weights): as of `Batches`, with labels as many times the images' size as
        `label_size` is of `image_size`, and float32
        `(batch, 1, 1)`, 0 or more, of which those by complexity have a mean of 1 over an epoch.

    Attributes:
        m: float64 `(images,)`, projected complexity of each image as stored, 0-1; before losses
            are known, where they are the measure, in no order.
        losses: float64 `(images,)`, where they are the measure; NaN for images not seen yet.

    Raises:
        InputError: an argument is out of range, the projection is of another data set, images do
            not differ in complexity, or an epoch has too few images for its batches.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        image_size: Size,
        slimming: Slimming,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        epochs: int | None = None,
        projection: ComplexityProjection | None = None,
        cache: bool = True,
        workers: int = 1,
        complexity_cache: str | Path | None = None,
        label_size: Size | None = None,
    ) -> None:
        if batch_size < 2:
            raise InputError(
                "`batch_size` must be 2 or more with slimming, for BatchNorm has no statistics of "
                f"one small image; got {batch_size}"
            )
        if epochs is None and slimming.full_at_end:
            raise InputError("`epochs` must be given for `full_at_end`, a share of them; got None")
        super().__init__(
            dataset,
            batch_size,
            image_size,
            augmentation,
            True,
            seed,
            label_size,
            cache=cache,
            workers=workers,
        )
        if self.label_scale is None:
            raise InputError(
                "`label_size` must be a whole multiple of `image_size`, "
                f"{tuple(image_size)}, the same for both sides; got {label_size}"
            )
        self.slimming = slimming
        self._sizes = slimming.sizes_of(image_size)
        self.losses = np.full(len(dataset), np.nan)
        self.projection, scores = self._fitted(projection, complexity_cache)
        self.m = self.projection(scores)
        # None is never reached: all epochs are slimmed.
        self._full_from = None
        if epochs is not None:
            self._full_from = epochs - round(slimming.full_at_end * epochs)
        self._steps = int(slimming.chances(self.m).sum() + 1e-6) // batch_size
        if not self._steps:
            raise InputError(
                f"`batch_size` must be at most what slimming keeps of the {len(dataset)} images of "
                f"{dataset.name} ({dataset.split}), {slimming.chances(self.m).sum():.0f}; got "
                f"{batch_size} (raise `keep_floor`, or take smaller batches)"
            )
        self._plans: dict[int, _Plan] = {}
        # Before them some image has no loss.
        self._scored_from = -(-super().__len__() // self._steps) if self._by_loss else 0
        for epoch in range(1 if self._by_loss else epochs or 1):
            self._plan(epoch)

    def _fitted(
        self, projection: ComplexityProjection | None, cache: str | Path | None
    ) -> tuple[ComplexityProjection, np.ndarray]:
        """The projection, given or fitted, and the scores of all images."""
        options = self.slimming
        measure = options.measure
        if self._by_loss:
            scores, digest = np.arange(len(self.dataset), dtype=float), self.dataset.digest()
        else:
            scores, digest = complexities(self.dataset, measure, cache)
        fitted_to = scores
        if options.scored == "crop":
            measure, fitted_to = f"{measure} of crops", self._crop_scores(0)
        if projection is None:
            projection = ComplexityProjection.fit(
                fitted_to, options.projection, digest=digest, measure=measure
            )
        projection.check(digest, measure)
        return projection, scores

    @property
    def _by_loss(self) -> bool:
        return self.slimming.measure == LOSS

    def __len__(self) -> int:
        return self._steps

    def take_losses(self, epoch: int, losses: np.ndarray) -> None:
        """Notes what the images of an epoch that is over have lost.

        Args:
            epoch: that is over.
            losses: `(steps, batch_size)`, in the order of the batches.
        """
        self.losses[np.stack(self._plan(epoch).chosen)] = losses

    def sizes(self, epoch: int) -> list[Size]:
        return list(self._plan(epoch).sizes)

    def pixels(self, epoch: int) -> int:
        return self.batch_size * sum(height * width for height, width in self.sizes(epoch))

    def full_pixels(self, epoch: int) -> int:
        """Pixels that an epoch would hand out without slimming."""
        return super().pixels(epoch)

    def full(self, count: int) -> list[Batch]:
        with self._lock:
            self._fill_cache()
        count = min(count, super().__len__())
        return [super(SlimmedBatches, self)._make(self.epoch, i) for i in range(count)]

    def _make(self, epoch: int, index: int) -> Batch:
        plan = self._plan(epoch)
        chosen = plan.chosen[index]
        return *self._stack(epoch, chosen, plan.sizes[index]), plan.weights[chosen, None, None]

    def _variant(self, epoch: int, i: int, size: Size) -> tuple[np.ndarray, np.ndarray]:
        how = self.slimming.resampling
        if how == ONCE:
            return super()._variant(epoch, i, size)
        image, label = super()._variant(epoch, i, self.image_size)
        if how != WINDOW:
            return resize(image, size, RESAMPLING[how]), self._label_of(label, size)
        # Not (seed, epoch, 1 + i), with which the crop itself is drawn.
        rng = np.random.default_rng((self.seed, epoch, 1 + i, 1))
        place = rng.integers(0, np.subtract(self.image_size, size), endpoint=True)
        return _window(image, place, size, 1), _window(label, place, size, self.label_scale or 1)

    def _following(self, epoch: int, index: int, count: int) -> list[tuple[int, int]]:
        ahead = super()._following(epoch, index, count)
        # What the next epoch hands out hangs on the losses of this one.
        return [key for key in ahead if key[0] == epoch] if self._by_loss else ahead

    # === What an epoch hands out ===

    def _plan(self, epoch: int) -> _Plan:
        # Made twice if two threads ask at once, and the same both times.
        if epoch not in self._plans:
            if self._full_from is not None and epoch >= self._full_from:
                self._plans[epoch] = self._full_plan(epoch, self._full_from)
            elif epoch < self._scored_from:
                self._plans[epoch] = self._full_plan(epoch, 0)
                # Keras takes from the first epoch which sides vary.
                self._plans[epoch].sizes[0] = self._sizes[0]
            else:
                self._plans[epoch] = self._slim_plan(epoch)
        return self._plans[epoch]

    def _full_plan(self, epoch: int, begin: int) -> _Plan:
        """Of an epoch from `begin` on: the next steps through all images, in one order a pass."""
        a_pass = super().__len__()
        chosen = []
        for step in range((epoch - begin) * len(self), (epoch - begin + 1) * len(self)):
            number, index = divmod(step, a_pass)
            start = index * self.batch_size
            chosen.append(self.order(begin + number)[start : start + self.batch_size])
        weights = np.ones(len(self.dataset), np.float32)
        return _Plan(chosen, [self.image_size] * len(chosen), weights)

    def _slim_plan(self, epoch: int) -> _Plan:
        # Not (seed, epoch, 0): NumPy takes it for (seed, epoch), which shuffles the order.
        rng = np.random.default_rng((self.seed, epoch, 0, 1))
        m, groups = self._groups(self._complexity_in(epoch), self.order(epoch))
        chances = self.slimming.chances(m)
        kept = self._kept(groups, chances, rng)
        chosen, numbers = self._cut(kept, self.slimming.size_number(m))
        self._check(epoch, [self._sizes[number] for number in numbers])
        places = rng.permutation(len(chosen))
        by_size = places[np.argsort(np.array(numbers)[places], kind="stable")]
        first = by_size[[0, -1]] if len(by_size) > 1 else by_size
        places = np.concatenate([first, places[~np.isin(places, first)]])
        weights = np.zeros(len(self.dataset))
        weights[kept] = self.slimming.weights(m[kept], chances[kept])
        if self.slimming.weight == "complexity":
            weights /= weights[kept].mean() or 1.0
        return _Plan(
            [chosen[place] for place in places],
            [self._sizes[numbers[place]] for place in places],
            weights.astype(np.float32),
        )

    def _complexity_in(self, epoch: int) -> np.ndarray:
        """Projected complexity of each image in one epoch."""
        if self._by_loss:
            # The remainder of a pass may never have been seen: it is kept as the hardest.
            losses = np.where(np.isnan(self.losses), np.inf, self.losses)
            ranks = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
            return self.projection(ranks.astype(float))
        return (
            self.m if self.slimming.scored == "image" else self.projection(self._crop_scores(epoch))
        )

    def _crop_scores(self, epoch: int) -> np.ndarray:
        """Complexity of the crop that each image gives in one epoch."""
        with self._lock:
            self._fill_cache()
        images = (
            super(SlimmedBatches, self)._variant(epoch, i, self.image_size)[0]
            for i in range(len(self.dataset))
        )
        return np.array([complexity(image, self.slimming.measure) for image in images])

    def _groups(self, m: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each image the `m` of its group; and all images, those of a group in a row."""
        if self.slimming.grouping == "image":
            return m, order
        make = k_means if self.slimming.grouping == "k_means" else thirds
        of_group = np.empty(len(order))
        members = []
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            groups = make(m[batch])
            members += [batch[groups == group] for group in np.unique(groups)]
        for group in members:
            of_group[group] = m[group].mean()
        return of_group, np.concatenate(members)

    def _kept(
        self, images: np.ndarray, chances: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The images of an epoch, in random order.

        Systematic sampling: every image has exactly its chance, and of those in a row that share
        one the number kept is that chance of them, rounded up or down.
        """
        passed = np.floor(np.cumsum(chances[images]) + rng.random())
        is_kept = np.diff(passed, prepend=0) > 0
        kept, dropped = rng.permutation(images[is_kept]), rng.permutation(images[~is_kept])
        # The remainder of the last batch is left out, as it is without slimming. Groups of a
        # mini-batch may keep some fewer than their images would one by one.
        missing = dropped[np.argsort(chances[dropped] == 0, kind="stable")]
        return np.concatenate([kept, missing])[: len(self) * self.batch_size]

    def _cut(self, kept: np.ndarray, numbers: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
        """Full batches of one size each, the smallest first, and the number of their size."""
        chosen: list[np.ndarray] = []
        of_batch: list[int] = []
        rest = kept[:0]
        for number in range(len(self._sizes)):
            waiting = np.concatenate([rest, kept[numbers[kept] == number]])
            count = len(waiting) // self.batch_size
            whole, rest = np.split(waiting, [count * self.batch_size])
            chosen += list(whole.reshape(count, self.batch_size))
            of_batch += [number] * count
        return chosen, of_batch

    def _check(self, epoch: int, sizes: list[Size]) -> None:
        """Refuses an epoch that does not tell Keras which sides vary."""
        for side, name in enumerate(("height", "width")):
            may_vary = len({size[side] for size in self._sizes}) > 1
            if may_vary and len({size[side] for size in sizes}) == 1:
                raise InputError(
                    "`batch_size` must be so small that batches of two sizes are filled in every "
                    f"epoch; got {self.batch_size}, of which epoch {epoch + 1} fills {len(sizes)}, "
                    f"all of {name} {sizes[0][side]}"
                )


def _window(array: np.ndarray, place: np.ndarray, size: Size, scale: int) -> np.ndarray:
    """A part of an image, or of a label map `scale` times as large; `place` is its corner."""
    row, column = scale * place
    return array[row : row + scale * size[0], column : column + scale * size[1]]
