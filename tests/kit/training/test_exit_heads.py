"""MESS's second stage (arXiv 2106.03527): heads learn, each by itself, and nothing else moves."""

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.tiers import Tier
from kit.training import ExitHeads, FilteredDistillation, PTASampling, SingleTier
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, small_unet
from tests.kit.training.steps import EXITS, TIERS, Trained, numpy, optimizer

# Of several kinds, two at one point.
HEADS = (
    {"after": 9, "head": "fcn-r2"},
    {"after": 17, "head": "fcn-b1d"},
    {"after": 17, "head": "deeplab-r2"},
)
SIZE = (32, 64)


@pytest.fixture(scope="module")
def origin() -> kit.AdaptiveUNet:
    """Three heads, two configurations; do not train it."""
    keras.utils.set_random_seed(3)
    return randomised(small_unet(image_size=SIZE, configurations=TIERS, exits=HEADS))


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Four images and their labels, of which a part is void."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, CLASSES, (4, *SIZE)).astype("int32")
    labels[:, :5] = 255
    return rng.uniform(0, 255, (4, *SIZE, 3)).astype("float32"), labels


def copied(network: kit.AdaptiveUNet, exits: Iterable[Any] | None = None) -> kit.AdaptiveUNet:
    """The network with some of its exits, all by default."""
    return network.with_exits(network.exits if exits is None else exits)


def compiled(network: kit.AdaptiveUNet, schedule: ExitHeads, rate: float = 0.01) -> None:
    network.compile(
        # No decay of weights, which would move what learns nothing.
        keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255),
        schedule=schedule,
        run_eagerly=True,
    )


def of_heads(network: kit.AdaptiveUNet, configuration: str) -> list[keras.Variable]:
    """What the heads of a configuration's exits hold, in the exits' order."""
    tiers = network.exits_of(configuration)[:-1]
    return [variable for tier in tiers for variable in network.exit_model(tier).variables]


def checksums(variables: Iterable[keras.Variable]) -> list[str]:
    return [hashlib.sha256(numpy(variable).tobytes()).hexdigest() for variable in variables]


def test_heads_move_and_nothing_else_does(
    origin: kit.AdaptiveUNet, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    """In one fit and in several, of one or two epochs of two steps; statistics included."""
    network = copied(origin)
    compiled(network, ExitHeads())
    heads = of_heads(network, "more")
    ids = {id(variable) for variable in heads}
    others = [variable for variable in network.variables if id(variable) not in ids]
    statistics = [v for v in others if v.name in ("moving_mean", "moving_variance")]
    assert len(statistics) > 100  # of the trunk, of its final exit, and of `light`'s way to heads
    before = checksums(others)
    for epochs in (1, 2):
        earlier = checksums(heads)
        network.fit(*batch, batch_size=2, epochs=epochs, verbose=0)
        assert checksums(others) == before
        for variable, was, now in zip(heads, earlier, checksums(heads), strict=True):
            assert was != now, variable.path


def trained(network: kit.AdaptiveUNet, batch: tuple[np.ndarray, np.ndarray]) -> kit.AdaptiveUNet:
    """The network after two steps."""
    compiled(network, ExitHeads(FilteredDistillation("pfd_both")))
    network.fit(*batch, batch_size=2, shuffle=False, verbose=0)
    return network


@pytest.fixture(scope="module")
def together(origin: kit.AdaptiveUNet, batch: tuple[np.ndarray, np.ndarray]) -> kit.AdaptiveUNet:
    """All heads trained at once."""
    return trained(copied(origin), batch)


@pytest.mark.parametrize("place", range(3))
def test_a_head_alone_learns_what_it_learns_beside_the_others(
    origin: kit.AdaptiveUNet,
    together: kit.AdaptiveUNet,
    batch: tuple[np.ndarray, np.ndarray],
    place: int,
) -> None:
    alone = trained(copied(origin, [origin.exits[place]]), batch)
    theirs = together.exit_model(Tier("more", exit=place + 1)).variables
    own = alone.exit_model(Tier("more", exit=1)).variables
    start = origin.exit_model(Tier("more", exit=place + 1)).variables
    for one, other, first in zip(theirs, own, start, strict=True):
        assert one.path == other.path
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-6, err_msg=one.path)
        assert np.abs(numpy(one) - numpy(first)).max() > 1e-3


def test_the_loss_is_the_sum_of_the_exits_losses(
    origin: kit.AdaptiveUNet, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    """Of heads in training, on features and against a teacher as they are at inference."""
    images, labels = batch
    loss = FilteredDistillation("ce_kd", teacher=0.5, temperature=2.0)
    teacher = numpy(origin.tier("more")(images))
    expected, network = 0.0, copied(origin)
    for tier, exit_ in zip(network.exits_of("more"), network.exits, strict=False):
        features = network.trunk_model("more", exit_.after)(images)
        logits = network.exit_model(tier)(features, training=True)
        expected += float(loss(labels, logits, teacher))

    compiled(network, ExitHeads(loss), rate=0.0)
    history = network.fit(images, labels, batch_size=4, verbose=0).history
    np.testing.assert_allclose(history["loss"], [expected], rtol=1e-5)


def test_a_compiled_step_moves_the_heads_alone() -> None:
    """Neither weight decay nor the optimizer's momentum moves anything else."""
    schedule = ExitHeads(configurations=SingleTier("light"))
    trained = Trained(optimizer(), TIERS, schedule, EXITS)
    for _ in range(2):
        trained.check()


def test_a_step_draws_every_exit_and_the_teacher_last(origin: kit.AdaptiveUNet) -> None:
    plain = ExitHeads()
    plain.bind(origin)
    assert plain.heads_only
    whole = ["more_exit1", "more_exit2", "more_exit3", "more"]
    assert [tier.name for tier in plain.draw(7)] == whole

    sampling = PTASampling(seed=2)
    sampled, sampling_alone = ExitHeads(configurations=sampling), PTASampling(seed=2)
    sampled.bind(origin)
    sampling_alone.bind(origin)
    finals = [sampling_alone.draw(step)[0] for step in range(20)]
    assert len(set(finals)) == 2
    assert [sampled.draw(step) for step in range(20)] == [origin.exits_of(tier) for tier in finals]
    assert sampled.draw(13) == sampled.draw(13)


def test_a_network_without_exits_is_refused(network: kit.AdaptiveUNet) -> None:
    with pytest.raises(InputError, match="needs a network with early exits; received one without"):
        network.compile("sgd", loss="mse", schedule=ExitHeads())


def test_an_unbound_schedule_does_not_draw() -> None:
    with pytest.raises(InputError, match="must be bound to a network"):
        ExitHeads().draw(0)
