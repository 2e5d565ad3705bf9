"""Batches: what is in each is a function of (seed, epoch, index), whoever makes it and when."""

from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kit.data.augmentation import Augmentation
from kit.data.batches import Batches
from kit.errors import InputError
from tests.kit.data.samples import CLASSES, MemoryDataset

SIZE = (12, 16)
AUGMENTATION = Augmentation(scale=(1.0, 2.0))  # below 1 it gives void, which is no class to Keras


class Recorder(keras.Sequential):
    """One layer, which remembers the batches that `fit` gives it."""

    def __init__(self) -> None:
        super().__init__([keras.Input((*SIZE, 3)), keras.layers.Conv2D(len(CLASSES), 1)])
        self.given: list[tuple[np.ndarray, np.ndarray]] = []
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.compile("sgd", loss, run_eagerly=True)

    def train_step(self, *arguments: Any) -> Any:
        *state, (images, labels) = arguments  # on JAX the model's state comes first
        self.given.append((np.asarray(images), np.asarray(labels)))
        return super().train_step(*state, (keras.ops.cast(images, "float32"), labels))


def recorded(batches: Batches, **options: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    model = Recorder()
    model.fit(batches, shuffle=False, verbose=0, **options)
    return model.given


def expected(batches: Batches, epochs: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """The documented function, written down once more."""
    found = []
    count = len(batches.dataset)
    for epoch in epochs:
        order = np.random.default_rng((batches.seed, epoch)).permutation(count)
        order = order if batches.shuffle else np.arange(count)
        for start in range(0, count, batches.batch_size):
            chosen = order[start : start + batches.batch_size]
            if len(chosen) < batches.batch_size and batches.drop_remainder:
                continue
            pairs = []
            for i in map(int, chosen):
                image, label = batches.dataset.sample(i)
                if batches.augmentation is not None:
                    rng = np.random.default_rng((batches.seed, epoch, 1 + i))
                    image, label = batches.augmentation(image, label, SIZE, rng)
                pairs.append((image, label))
            found.append((np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])))
    return found


def assert_same(
    got: list[tuple[np.ndarray, np.ndarray]], want: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    assert len(got) == len(want)
    for (images, labels), (want_images, want_labels) in zip(got, want, strict=True):
        assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(images, want_images)
        np.testing.assert_array_equal(labels, want_labels)


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "shuffled with the remainder": {"shuffle": True, "drop_remainder": False},
    "augmented": {"shuffle": True, "seed": 3, "augmentation": AUGMENTATION},
    "read in every epoch": {"shuffle": True, "augmentation": AUGMENTATION, "cache": False},
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_three_epochs_of_fit_get_the_documented_batches(variant: str, workers: int) -> None:
    batches = Batches(MemoryDataset(7), 3, SIZE, workers=workers, **VARIANTS[variant])
    assert_same(recorded(batches, epochs=3), expected(batches, range(3)))
    assert batches.epoch == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_at_the_epoch_that_is_set(workers: int) -> None:
    options: dict[str, Any] = {"shuffle": True, "augmentation": AUGMENTATION, "workers": workers}
    whole = recorded(Batches(MemoryDataset(6), 2, SIZE, **options), epochs=4)
    resumed = Batches(MemoryDataset(6), 2, SIZE, **options)
    resumed.epoch = 2
    assert_same(recorded(resumed, initial_epoch=2, epochs=4), whole[6:])
    resumed.epoch = 1  # back again, past what the threads have made ahead
    assert_same(recorded(resumed, epochs=1), whole[3:6])


@pytest.mark.parametrize("workers", [0, 2])
def test_two_fits_in_a_row_are_one(workers: int) -> None:
    batches = Batches(MemoryDataset(6), 2, SIZE, shuffle=True, workers=workers)
    both = recorded(batches, epochs=1) + recorded(batches, epochs=2)
    assert_same(both, expected(batches, range(3)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stopped_epoch_begins_anew(workers: int) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    batches = Batches(MemoryDataset(6), 2, SIZE, shuffle=True, workers=workers)
    with pytest.raises(KeyboardInterrupt):
        recorded(batches, epochs=1, callbacks=[Stop()])
    assert batches.epoch == 0
    assert_same(recorded(batches, epochs=1), expected(batches, range(1)))


def test_batches_may_be_asked_for_in_any_order() -> None:
    batches = Batches(MemoryDataset(8), 2, SIZE, shuffle=True, workers=2)
    want = expected(batches, range(1))
    for index in (3, 0, 2, 2, 1, 3):
        assert_same([batches[index]], [want[index]])


def test_epochs_and_seeds_differ_in_order() -> None:
    orders = {
        tuple(Batches(MemoryDataset(20), 2, SIZE, shuffle=True, seed=seed).order(epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    assert all(sorted(order) == list(range(20)) for order in orders)


def test_evaluation_sees_every_sample_once() -> None:
    batches = Batches(MemoryDataset(7), 3, SIZE)
    assert [len(batches[i][0]) for i in range(len(batches))] == [3, 3, 1]
    seen = [int(v) for i in range(len(batches)) for v in batches[i][0][:, 0, 0, 0]]
    assert seen == list(range(7))


def test_validation_does_not_disturb_training() -> None:
    batches = Batches(MemoryDataset(6), 2, SIZE, shuffle=True)
    validation = Batches(MemoryDataset(4), 2, SIZE)
    model = Recorder()
    model.fit(batches, validation_data=validation, epochs=2, shuffle=False, verbose=0)
    assert_same(model.given, expected(batches, range(2)))


@pytest.mark.parametrize("count", [(1, 1), (2, 2), (3, 2)], ids=str)
def test_an_epoch_shorter_than_what_is_made_ahead(count: tuple[int, int]) -> None:
    class Follow(keras.callbacks.Callback):
        """Needed on JAX, where `fit` looks at all of so short an epoch before it starts."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            batches.epoch = epoch

    batches = Batches(MemoryDataset(count[0]), count[1], SIZE, shuffle=True, workers=4)
    callbacks = [Follow()] if keras.backend.backend() == "jax" else []
    given = recorded(batches, epochs=3, callbacks=callbacks)
    assert_same(given, expected(batches, range(3)))


@pytest.mark.parametrize(
    ("label_size", "shape"), [(None, (6, 8)), ((3, 5), (3, 5)), ("native", SIZE)]
)
def test_sizes_without_augmentation(label_size: Any, shape: tuple[int, int]) -> None:
    dataset = MemoryDataset(2)
    images, labels = Batches(dataset, 2, (6, 8), label_size=label_size)[0]
    assert images.shape == (2, 6, 8, 3)
    assert labels.shape == (2, *shape)
    source = Image.fromarray(dataset.image(1))
    np.testing.assert_array_equal(images[1], source.resize((8, 6), Image.Resampling.BILINEAR))
    ids = Image.fromarray(dataset.label(1)).resize(shape[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(labels[1], ids)


def test_augmented_labels_may_be_larger() -> None:
    dataset = MemoryDataset(2)
    batches = Batches(dataset, 2, (6, 8), AUGMENTATION, label_size=(18, 24))
    assert batches.label_scale == 3
    images, labels = batches[0]
    same, small = Batches(dataset, 2, (6, 8), AUGMENTATION)[0]
    np.testing.assert_array_equal(images, same)
    assert labels.shape == (2, 18, 24)
    # The middle of three pixels is that of one.
    np.testing.assert_array_equal(labels[:, 1::3, 1::3], small)


def test_void_stays_255() -> None:
    dataset = MemoryDataset(1)
    dataset.labels[:] = 255
    assert (Batches(dataset, 1, (6, 8))[0][1] == 255).all()


def test_native_labels_of_several_sizes_are_refused() -> None:
    class Uneven(MemoryDataset):
        def label(self, index: int) -> np.ndarray:
            return self.labels[index][: 12 - index]

    assert Batches(Uneven(2), 1, SIZE, label_size="native")[1][1].shape == (1, 11, 16)
    with pytest.raises(InputError, match="batch_size=1"):
        Batches(Uneven(2), 2, SIZE, label_size="native")[0]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_cache_reads_each_file_once(cache: bool, workers: int) -> None:
    class Counting(MemoryDataset):
        reads = 0

        def image(self, index: int) -> np.ndarray:
            Counting.reads += 1
            return super().image(index)

    batches = Batches(Counting(6), 2, SIZE, cache=cache, workers=workers)
    recorded(batches, epochs=2)
    if cache:
        assert Counting.reads == 6
    else:
        assert Counting.reads >= 12


class Damaged(MemoryDataset):
    """Its last image cannot be read."""

    def image(self, index: int) -> np.ndarray:
        if index == len(self) - 1:
            raise InputError("0005.png must be an image")
        return super().image(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_file_in_the_last_batch_is_told_before_training(workers: int) -> None:
    model = Recorder()
    batches = Batches(Damaged(6), 2, SIZE, workers=workers)
    with pytest.raises(InputError, match=r"^0005\.png must be an image$"):
        model.fit(batches, shuffle=False, verbose=0)
    assert model.given == []


@pytest.mark.parametrize("workers", [0, 2])
def test_without_a_cache_a_bad_file_is_told_with_its_batch(workers: int) -> None:
    batches = Batches(Damaged(6), 2, SIZE, cache=False, workers=workers)
    assert len(batches[0][0]) == len(batches[1][0]) == 2
    with pytest.raises(InputError, match=r"^0005\.png must be an image$"):
        batches[2]


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_beyond_the_epoch_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="below 3"):
        Batches(MemoryDataset(6), 2, SIZE)[index]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": 0}, "`batch_size` must be 1 or more; got 0"),
        ({"batch_size": 7, "shuffle": True}, "`batch_size` must be at most the 6 images"),
        ({"seed": -1}, "`seed` and `workers` must be 0 or more"),
        ({"workers": -1}, "`seed` and `workers` must be 0 or more"),
        (
            {"augmentation": AUGMENTATION, "label_size": (3, 4)},
            "`label_size` must be a whole multiple",
        ),
        (
            {"augmentation": AUGMENTATION, "label_size": "native"},
            "`label_size` must be a whole multiple",
        ),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as error:
        Batches(**{"dataset": MemoryDataset(6), "batch_size": 2, "image_size": SIZE, **options})
    assert reason in str(error.value)
