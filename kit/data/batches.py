"""Batches for `fit`, the same whatever thread makes them."""

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import keras
import numpy as np
from PIL import Image
from tqdm import tqdm

from kit.data.augmentation import Augmentation
from kit.data.dataset import Dataset
from kit.errors import InputError

Batch = tuple[np.ndarray, ...]


class Batches(keras.utils.PyDataset):
    """Batches of a data set, a function of (seed, epoch, index) alone.

    The order of epoch `e` is `order(e)`; sample `i` of epoch `e` is augmented by
    `numpy.random.default_rng((seed, e, 1 + i))`. Batches are made ahead by threads of this class,
    each under its own (epoch, index), and not by Keras's `OrderedEnqueuer`, which hands batches of
    a stopped run to the next one. Keras shuffles the order of batches by itself unless told not to:
    call `fit(batches, shuffle=False)`.

    Args:
        dataset: images and label maps.
        batch_size: samples in a batch.
        image_size: (height, width) of the images.
        augmentation: what is done to each training sample; `None` resizes the whole image.
        shuffle: whether each epoch has a random order of its own.
        seed: seed of order and augmentation, 0 or above.
        label_size: (height, width) of the label maps; `None` is `image_size`. With an augmentation
            a whole multiple of that, the same for both sides. Without one any size, and `"native"`
            leaves them as they are (all of one batch must then be of one size).
        drop_remainder: whether samples that do not fill the last batch are left out of the epoch;
            `None` does so when `shuffle` is on.
        cache: keep all decoded samples in memory; they are then all read before the first batch, so
            that a damaged file is told before training. Otherwise files are read in every epoch,
            and on TensorFlow `fit` wraps the `InputError` of a damaged file in an error of its own.
        workers: threads that make batches ahead; 0 makes each batch when it is asked for.

    Yields:
        (images, labels): uint8 `(batch, height, width, 3)`, RGB, 0-255, and int32
        `(batch, label_height, label_width)`, class ids, 255 = void.

    Attributes:
        label_scale: how often larger label maps are than images; `None` if not by a whole number.
        epoch: number of the epoch that is handed out, from 0. Goes up by one after each whole epoch
            of `fit`; set it to go on from a checkpoint. (On JAX, `fit` looks at up to two batches
            before it starts: where an epoch has no more, set `epoch` in `on_epoch_begin`.)

    Raises:
        InputError: an argument is out of range, or a file of the data set is bad.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        image_size: tuple[int, int],
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        seed: int = 0,
        label_size: tuple[int, int] | Literal["native"] | None = None,
        drop_remainder: bool | None = None,
        cache: bool = True,
        workers: int = 1,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        if batch_size < 1:
            raise InputError(f"`batch_size` must be 1 or more; got {batch_size}")
        if seed < 0 or workers < 0:
            raise InputError(f"`seed` and `workers` must be 0 or more; got {seed} and {workers}")
        self.label_scale = _whole_ratio(label_size, image_size)
        if augmentation is not None and self.label_scale is None:
            raise InputError(
                "`label_size` must be a whole multiple of `image_size`, "
                f"{tuple(image_size)}, the same for both sides, with an augmentation; "
                f"got {label_size}"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.image_size = image_size
        self.augmentation = augmentation
        self.shuffle = shuffle
        self.seed = seed
        self.label_size = image_size if label_size is None else label_size
        self.drop_remainder = shuffle if drop_remainder is None else drop_remainder
        self.cache = cache
        self.epoch = 0
        if Batches.__len__(self) == 0:
            raise InputError(
                f"`batch_size` must be at most the {len(dataset)} images of {dataset.name} "
                f"({dataset.split}) when the remainder is dropped; got {batch_size}"
            )
        self._ahead = workers + 1 if workers else 0
        self._pool = ThreadPoolExecutor(workers, "batches") if workers else None
        self._futures: dict[tuple[int, int], Future[Batch]] = {}
        self._lock = threading.Lock()
        self._samples: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._given: set[int] | None = None

    def __len__(self) -> int:
        if self.drop_remainder:
            return len(self.dataset) // self.batch_size
        return -(-len(self.dataset) // self.batch_size)

    def sizes(self, epoch: int) -> list[tuple[int, int]]:
        """(height, width) of the images of each batch that one epoch hands out."""
        return [self.image_size] * len(self)

    def pixels(self, epoch: int) -> int:
        """Pixels of all images that one epoch hands out: the cost of training."""
        count = len(self.dataset)
        if self.drop_remainder:
            count -= count % self.batch_size
        return count * self.image_size[0] * self.image_size[1]

    def full(self, count: int) -> list[Batch]:
        """The first `count` batches of this epoch, or all, as they are at full size."""
        return [self[index] for index in range(min(count, len(self)))]

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the data set in the order in which one epoch hands them out."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be below {len(self)}; got {index}")
        with self._lock:
            epoch = self.epoch
            if self._given is not None:
                self._given.add(index)
            self._fill_cache()
            future = self._schedule(epoch, index)
        return self._make(epoch, index) if future is None else future.result()

    def on_epoch_begin(self) -> None:
        self._given = set()

    def on_epoch_end(self) -> None:
        # Keras also calls this before the first epoch, and after a look at the first batches.
        if self._given is not None and len(self._given) == len(self):
            self.epoch += 1
        self._given = None

    def _schedule(self, epoch: int, index: int) -> "Future[Batch] | None":
        """Gives one batch and those that follow it to the threads; forgets all others."""
        if self._pool is None:
            return None
        following = self._following(epoch, index, self._ahead + 1)
        futures = {}
        for key in following:
            known = self._futures.get(key)
            futures[key] = self._pool.submit(self._make, *key) if known is None else known
        for key in self._futures.keys() - futures.keys():
            self._futures[key].cancel()
        self._futures = futures
        return futures.pop(following[0])

    def _following(self, epoch: int, index: int, count: int) -> list[tuple[int, int]]:
        """Epoch and index of a batch and of those after it that are made ahead."""
        return [divmod(epoch * len(self) + index + step, len(self)) for step in range(count)]

    def _make(self, epoch: int, index: int) -> Batch:
        """Makes one batch from nothing but the seed, the epoch and the index."""
        start = index * self.batch_size
        chosen = self.order(epoch)[start : start + self.batch_size]
        return self._stack(epoch, chosen, self.image_size)

    def _stack(self, epoch: int, chosen: np.ndarray, size: tuple[int, int]) -> Batch:
        """Images and labels of one batch."""
        pairs = [self._variant(epoch, int(i), size) for i in chosen]
        shapes = {label.shape for _, label in pairs}
        if len(shapes) > 1:
            raise InputError(
                "`label_size` must not be 'native' when label maps of one batch differ in size; "
                f"got {sorted(shapes)} (use `batch_size=1`)"
            )
        images = np.stack([image for image, _ in pairs])
        return images, np.stack([label for _, label in pairs]).astype(np.int32)

    def _variant(self, epoch: int, i: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """One sample at the sizes asked for, augmented or not."""
        image, label = self.dataset.sample(i) if self._samples is None else self._samples[i]
        if self.augmentation is not None:
            rng = np.random.default_rng((self.seed, epoch, 1 + i))
            return self.augmentation(image, label, size, rng, self.label_scale or 1)
        image = resize(image, size, Image.Resampling.BILINEAR)
        if self.label_scale is not None:
            label = self._label_of(label, size)
        elif self.label_size != "native":
            label = resize(label, self.label_size, Image.Resampling.NEAREST)
        return image, label

    def _label_of(self, label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The label of an image of some size, where labels are whole multiples of images."""
        scale = self.label_scale or 1
        return resize(label, (scale * size[0], scale * size[1]), Image.Resampling.NEAREST)

    def _fill_cache(self) -> None:
        """Reads all samples, once, where they are to be kept."""
        if self.cache and self._samples is None:
            self._samples = self._read_all()

    def _read_all(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """All samples of the data set, with a progress bar when it takes long."""
        indices = range(len(self.dataset))
        read: Iterable[tuple[np.ndarray, np.ndarray]] = map(self.dataset.sample, indices)
        if self._pool is not None:
            read = self._pool.map(self.dataset.sample, indices)
        title = f"reading {self.dataset.name} ({self.dataset.split})"
        return list(tqdm(read, desc=title, total=len(indices), delay=2, disable=None))


def _whole_ratio(
    label_size: tuple[int, int] | Literal["native"] | None, image_size: tuple[int, int]
) -> int | None:
    """How often larger labels are than images, where that is a whole number; else `None`."""
    if label_size is None:
        return 1
    if label_size == "native":
        return None
    ratios = {a // b if a % b == 0 else 0 for a, b in zip(label_size, image_size, strict=True)}
    return ratios.pop() or None if len(ratios) == 1 else None


def resize(array: np.ndarray, size: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    """Resizes a uint8 `(h, w)` or `(h, w, 3)` array to (height, width) `size`."""
    if array.shape[:2] == tuple(size):
        return array
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), resampling))
