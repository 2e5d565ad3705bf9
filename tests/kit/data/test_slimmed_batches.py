"""Slimmed batches: a function of (seed, epoch, index), of few shapes, dropping what they say."""

from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kit.data.augmentation import Augmentation
from kit.data.complexity import complexities, complexity
from kit.data.complexity_projection import ComplexityProjection
from kit.data.slimmed_batches import SlimmedBatches
from kit.data.slimming import Slimming
from kit.errors import InputError
from tests.kit.data.samples import CLASSES, MemoryDataset

SIZE = (16, 24)
SIZES = [(8, 12), (12, 20), (16, 24)]
KEEP_ALL: dict[str, Any] = {"drop": "none", "weight": "equal"}


class Uneven(MemoryDataset):
    """Image i has its noise in i + 1 of `count` parts of its grey levels; red tells which it is."""

    def __init__(self, count: int, size: tuple[int, int] = SIZE) -> None:
        super().__init__(count, size)
        parts = (np.arange(count) + 1)[:, None, None, None] / count
        self.images = (self.images * parts).astype(np.uint8)
        self.images[..., 0] = np.arange(count)[:, None, None]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path))


def made(count: int = 60, batch_size: int = 4, **options: Any) -> SlimmedBatches:
    arguments = {
        name: options.pop(name)
        for name in ("seed", "epochs", "workers", "augmentation", "fitted", "cache", "label_size")
        if name in options
    }
    arguments["projection"] = arguments.pop("fitted", None)
    slimming = Slimming(**{"multiple": 4, "projection": "empirical", **options})
    return SlimmedBatches(Uneven(count), batch_size, SIZE, slimming, **arguments)


def all_of(batches: SlimmedBatches, epoch: int = 0) -> list[tuple[np.ndarray, ...]]:
    batches.epoch = epoch
    return [batches[index] for index in range(len(batches))]


def seen(batches: list[tuple[np.ndarray, ...]]) -> dict[int, tuple[int, int]]:
    """Which images there are, each at which size."""
    return {int(image[0, 0, 0]): image.shape[:2] for batch in batches for image in batch[0]}


AUGMENTATION = Augmentation(scale=(1.0, 2.0), brightness=0, contrast=0, saturation=0)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "k-means": {"grouping": "k_means"},
    "thirds": {"grouping": "thirds", "resampling": "nearest"},
    "augmented": {"augmentation": AUGMENTATION, "resampling": "area"},
    "windows": {"augmentation": AUGMENTATION, "resampling": "window"},
    "random": {"drop": "random", "weight": "equal"},
    "unbiased": {"drop": "below_mean", "weight": "unbiased", "projection": "linear"},
    "crops": {"scored": "crop", "augmentation": AUGMENTATION},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_batches_depend_on_nothing_but_seed_epoch_and_index(variant: str) -> None:
    options = VARIANTS[variant]
    ahead = made(workers=2, seed=3, **options)
    epochs = [all_of(ahead, epoch) for epoch in range(3)]
    alone = made(workers=0, seed=3, **options)
    for epoch in (2, 0, 1):
        alone.epoch = epoch
        assert len(alone) == len(epochs[epoch])
        for index in reversed(range(len(alone))):
            for got, want in zip(alone[index], epochs[epoch][index], strict=True):
                np.testing.assert_array_equal(got, want)
    assert len({len(epoch) for epoch in epochs}) == 1
    others = made(seed=4, **options)
    assert seen(all_of(others)) != seen(epochs[0])
    assert seen(epochs[1]) != seen(epochs[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_batches_are_full_and_of_few_shapes(variant: str) -> None:
    batches = made(**VARIANTS[variant])
    for epoch in range(5):
        given = all_of(batches, epoch)
        shapes = [batch[0].shape for batch in given]
        assert {shape[0] for shape in shapes} == {4}
        assert {shape[1:3] for shape in shapes} <= set(SIZES)
        assert [shape[1:3] for shape in shapes] == batches.sizes(epoch)
        assert shapes[0] < shapes[1]  # Keras takes from these that both sides vary
        assert len(seen(given)) == 4 * len(given)  # none twice
        for images, labels, weights in given:
            assert (images.dtype, labels.dtype, weights.dtype) == (np.uint8, np.int32, np.float32)
            assert labels.shape == images.shape[:3]
            assert weights.shape == (4, 1, 1)
        assert batches.pixels(epoch) == sum(batch[1].size for batch in given)
    assert batches.full_pixels(0) == 60 * 16 * 24


def test_simple_images_are_smaller() -> None:
    sizes = seen(all_of(made(**KEEP_ALL)))
    # m is (i + 0.5) / 60: 15 at the smallest, 30 at the next, 15 at full size; of the smallest and
    # the next, three and one go up as they fill no batch.
    assert len(sizes) == 60
    assert Counter(sizes.values()) == {(8, 12): 12, (12, 20): 32, (16, 24): 16}
    assert {sizes[i] for i in range(45, 60)} == {(16, 24)}
    assert {sizes[i] for i in range(15, 45)} <= {(12, 20), (16, 24)}


def test_what_fills_no_batch_of_full_size_is_left_out() -> None:
    assert len(seen(all_of(made(63, **KEEP_ALL)))) == 60


@pytest.mark.parametrize("grouping", ["image", "k_means", "thirds"])
def test_images_are_kept_as_often_as_their_complexity_says(grouping: str) -> None:
    batches = made(batch_size=6, grouping=grouping, keep_floor=0.0)
    assert len(batches) == 5  # the 30 of 60 images with a mean of m of a half
    counts = Counter(i for epoch in range(80) for i in seen(all_of(batches, epoch)))
    shares = np.array([counts[i] for i in range(60)]) / 80
    for part in (batches.m < 0.25, abs(batches.m - 0.5) < 0.25, batches.m > 0.75):
        # A mini-batch's group takes its images by their mean.
        error = 0.04 if grouping == "image" else 0.09
        assert shares[part].mean() == pytest.approx(batches.m[part].mean(), abs=error)


def test_below_the_mean_a_share_is_dropped_and_the_rest_makes_up_for_it() -> None:
    batches = made(drop="below_mean", drop_ratio=0.5, weight="unbiased", smallest=1.0)
    totals = np.zeros(60)
    for epoch in range(100):
        for images, _, weights in all_of(batches, epoch):
            totals[images[:, 0, 0, 0]] += weights[:, 0, 0]
    assert totals[:30].mean() / 100 == pytest.approx(1, abs=0.1)
    assert totals[30:].mean() / 100 == pytest.approx(1, abs=0.1)
    assert set(np.unique(batches[0][2])) <= {1, 2}


def test_weights_by_complexity_have_a_mean_of_one() -> None:
    batches = made(weight_floor=0.3, drop="none")
    given = all_of(batches)
    weights = np.concatenate([batch[2][:, 0, 0] for batch in given])
    images = np.concatenate([batch[0][:, 0, 0, 0] for batch in given])
    assert weights.mean() == pytest.approx(1)
    want = np.maximum(batches.m[images], 0.3)
    np.testing.assert_allclose(weights, want / want.mean(), rtol=1e-6)


def test_random_dropping_costs_as_many_images() -> None:
    costs = [
        np.mean([made(drop=drop, smallest=1.0, seed=seed).pixels(0) for seed in range(30)])
        for drop in ("complexity", "random")
    ]
    assert costs[1] == pytest.approx(costs[0], rel=0.08)


def test_the_last_epochs_see_everything() -> None:
    batches = made(epochs=8, full_at_end=0.25)
    for epoch in (0, 5):
        assert batches.pixels(epoch) < batches.full_pixels(epoch)
    for epoch in (6, 7, 8):
        given = all_of(batches, epoch)
        assert set(seen(given).values()) == {SIZE}
        assert {float(weight) for batch in given for weight in batch[2].flat} == {1.0}
    # One pass through all 60 takes 15 steps, of which an epoch has 7.
    pass_ = [batch for epoch in (6, 7, 8) for batch in all_of(batches, epoch)][:15]
    assert len(seen(pass_)) == 60


def test_crops_are_scored_as_they_are_shown() -> None:
    options = {"augmentation": AUGMENTATION, "multiple": 4, "projection": "empirical"}
    by_crop = made(scored="crop", **KEEP_ALL, **options)
    full = made(sizes=1, **KEEP_ALL, **options)
    for epoch in (0, 2):
        order = {i: image for batch in all_of(full, epoch) for i, image in _numbered(batch)}
        scores = np.array([complexity(order[i]) for i in range(60)])
        m = by_crop.projection(scores)
        sizes = seen(all_of(by_crop, epoch))
        assert {sizes[i] for i in np.flatnonzero(m > 0.75)} == {SIZE}
        assert (8, 12) in {sizes[i] for i in np.flatnonzero(m < 0.25)}
    with pytest.raises(InputError, match="expected sobel_mean of crops of"):
        made(scored="crop", fitted=made(**KEEP_ALL).projection, **options)


def _numbered(batch: tuple[np.ndarray, ...]) -> list[tuple[int, np.ndarray]]:
    return [(int(image[0, 0, 0]), image) for image in batch[0]]


BY_LOSS: dict[str, Any] = {"measure": "loss", "drop": "below_mean", "weight": "unbiased"}


def test_losses_decide_once_every_image_has_one() -> None:
    batches = made(**BY_LOSS, epochs=6)
    assert len(batches) == 11  # 15 batches, of which the easier half is dropped half of the time
    for epoch in range(4):
        given = all_of(batches, epoch)
        images = np.stack([batch[0][:, 0, 0, 0] for batch in given])
        if epoch < 2:  # one pass takes 15 steps, of which an epoch has 11
            assert batches.pixels(epoch) == 4 * (10 * 16 * 24 + 8 * 12)
            assert {float(weight) for batch in given for weight in batch[2].flat} == {1.0}
        else:
            hard = images >= 30
            # None of the 30 is dropped; one of the 45 that are kept fills no batch.
            assert len(np.unique(images[hard])) >= 29
            weights = np.concatenate([batch[2][:, 0, 0] for batch in given])
            np.testing.assert_array_equal(weights, np.where(images.ravel() < 30, 2, 1))
        batches.take_losses(epoch, images.astype(float))
        # No batch of the next epoch is made ahead, for want of its losses.
        assert {key[0] for key in batches._futures} <= {epoch}
    np.testing.assert_array_equal(batches.losses, np.arange(60))


def test_a_crop_is_that_of_full_size_shrunk() -> None:
    batches = made(resampling="nearest", **KEEP_ALL)
    images, labels, _ = batches[0]
    assert images.shape[1:3] == (8, 12)
    i = int(images[0, 0, 0, 0])
    for got, source in (
        (images[0], batches.dataset.image(i)),
        (labels[0], batches.dataset.label(i)),
    ):
        want = Image.fromarray(source).resize((12, 8), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("augmentation", [None, AUGMENTATION], ids=["whole", "augmented"])
def test_a_window_is_a_part_of_the_crop_of_full_size(augmentation: Augmentation | None) -> None:
    options = {**KEEP_ALL, "augmentation": augmentation, "label_size": (32, 48)}
    cut, whole = made(resampling="window", **options), made(sizes=1, **options)
    places = set()
    for epoch in range(4):
        small = all_of(cut, epoch)[0]
        assert small[0].shape[1:3] == (8, 12)
        assert small[1].shape[1:] == (16, 24)
        crops = {}
        for images, labels, _ in all_of(whole, epoch):
            for image, label in zip(images, labels, strict=True):
                crops[int(image[0, 0, 0])] = (image, label)
        for image, label, _ in zip(*small, strict=True):
            crop, of_crop = crops[int(image[0, 0, 0])]
            found = [
                (row, column)
                for row in range(9)
                for column in range(13)
                if np.array_equal(crop[row : row + 8, column : column + 12], image)
            ]
            assert found
            assert any(
                np.array_equal(of_crop[2 * y : 2 * y + 16, 2 * x : 2 * x + 24], label)
                for y, x in found
            )
            places.update(found)
    assert len(places) > 4


def test_batches_of_full_size_for_statistics() -> None:
    given = made().full(3)
    assert [tuple(part.shape for part in batch) for batch in given] == [
        ((4, 16, 24, 3), (4, 16, 24))
    ] * 3
    assert len(made().full(99)) == 15


@pytest.mark.parametrize("epochs", [3])
def test_fit_takes_every_shape(epochs: int) -> None:
    class Seen(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            batches.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps.append(batch)

    steps: list[int] = []
    batches = made(epochs=epochs, full_at_end=0.3)
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(len(CLASSES), 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[Seen()])
    assert steps == [step for _ in range(epochs) for step in range(len(batches))]
    assert batches.epoch == epochs


@pytest.mark.parametrize("variant", ["plain", "augmented", "thirds"])
def test_larger_labels_shrink_with_their_images(variant: str) -> None:
    options = {**VARIANTS[variant], "seed": 3}
    sizes = set()
    for large, small in zip(
        all_of(made(label_size=(48, 72), **options)), all_of(made(**options)), strict=True
    ):
        np.testing.assert_array_equal(large[0], small[0])
        np.testing.assert_array_equal(large[2], small[2])
        height, width = large[0].shape[1:3]
        assert large[1].shape == (4, 3 * height, 3 * width)
        sizes.add((height, width))
    assert len(sizes) > 1


def test_a_projection_of_another_data_set_is_refused() -> None:
    scores, digest = complexities(Uneven(60))
    fitted = ComplexityProjection.fit(scores, "empirical", digest=digest)
    np.testing.assert_array_equal(made(fitted=fitted).m, fitted(scores))
    with pytest.raises(InputError, match="`projection` must be fitted on the data set"):
        made(50, fitted=fitted)


def test_constant_images_are_refused() -> None:
    dataset = MemoryDataset(8, SIZE)
    dataset.images[:] = 50
    with pytest.raises(InputError, match=r"got 8 of 0 \(constant images\)"):
        SlimmedBatches(dataset, 2, SIZE, Slimming(multiple=4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "`batch_size` must be 2 or more with slimming"),
        ({"full_at_end": 0.5}, "`epochs` must be given for `full_at_end`"),
        ({"batch_size": 59, "epochs": 9}, "at most what slimming keeps of the 60 images of memory"),
        ({"batch_size": 20, "epochs": 9}, "so small that batches of two sizes are filled"),
        ({"multiple": 7}, "multiples of `multiple`, 7"),
        (
            {"label_size": (16, 48)},
            "`label_size` must be a whole multiple of `image_size`, (16, 24), the same for both",
        ),
    ],
    ids=str,
)
def test_what_makes_no_batches_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        made(**options)
    assert message in str(error.value)
