"""Training that makes channels zero, keeps them so, and goes on without them."""

from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.slimming import ChannelMap, ChannelPruning, NetworkSlimming, carry_optimizer, slimmed
from tests.kit.slimming.tiny import CLASSES, SIZE, TinyNetwork, some_images

EPOCHS = 4
LABELS = np.random.default_rng(3).integers(0, CLASSES, (4, *SIZE)).astype("int32")


def compiled(network: kit.AdaptiveNetwork) -> Any:
    """With momentum and weight decay, which would move what is zero."""
    network.compile(
        keras.optimizers.AdamW(3e-3, weight_decay=0.1, beta_2=0.99),
        loss=kit.losses.SegmentationCrossEntropy(),
        jit_compile=False,
    )
    return network


def fit(network: Any, *callbacks: Any, epochs: int = EPOCHS, begin: int = 0) -> None:
    network.fit(
        some_images(SIZE),
        LABELS,
        batch_size=1,
        epochs=epochs,
        initial_epoch=begin,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )


def new() -> Any:
    keras.utils.set_random_seed(7)
    return TinyNetwork(configurations={"heavy": "hh"})


def numpy(value: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(value))


class Zeros(keras.callbacks.Callback):
    """Which channels are zero after each epoch, before the masks of its end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        groups = ChannelMap(self.model).groups()
        self.seen.append(~np.concatenate([group.alive() for group in groups]))


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Zeros]:
    """Milestones behind the first three of four epochs; no pull, which ends with the last."""
    network, zeros = compiled(new()), Zeros()
    slimming = NetworkSlimming(0.5, "network", 0.0, begin=0.25, end=0.75, milestones=3, floor=0.25)
    fit(network, zeros, ChannelPruning(slimming))
    return network, zeros


def test_channels_go_milestone_by_milestone_and_never_come_back(
    trained: tuple[Any, Zeros],
) -> None:
    network, zeros = trained
    # Three epochs of the four: the network is to be made smaller before the last.
    assert len(zeros.seen) == 3
    total = sum(group.size for group in ChannelMap(network).groups())
    counts = [round(0.5 * (1 - (1 - i / 3) ** 3) * total) for i in (0, 1, 2, 3)]
    assert [seen.sum() for seen in zeros.seen] == counts[:3]
    groups = ChannelMap(network).groups()
    last = ~np.concatenate([group.alive() for group in groups])
    assert last.sum() == counts[3]
    for before, after in zip(zeros.seen, [*zeros.seen[1:], last], strict=True):
        assert after[before].all()
    for group in groups:
        assert group.alive().sum() >= np.ceil(0.25 * group.size)


def test_those_of_smallest_scale_in_all_of_the_scope_go() -> None:
    network = compiled(new())
    groups = ChannelMap(network).groups("multi_scale")
    rng = np.random.default_rng(4)
    for group in groups:
        for gamma in group.gammas:
            gamma.assign(rng.uniform(0.5, 1.5, gamma.shape) * rng.choice([-1, 1], gamma.shape))
    groups[2].gammas[0].assign(0.01 * groups[2].gammas[0])  # all but the floor
    pruning = ChannelPruning(NetworkSlimming(share=0.4, milestones=1, floor=0.3))
    pruning.set_model(network)
    pruning.set_params({"epochs": 2})
    pruning.on_train_begin()
    importance = [group.importance() for group in groups]
    pruning.on_epoch_end(0)
    assert network.stop_training
    alive = [group.alive() for group in groups]
    assert alive[2].sum() == 3  # of 8, 0.3 rounded up
    others = [index for index in range(len(groups)) if index != 2]
    kept = np.concatenate([importance[i][alive[i]] for i in others])
    gone = np.concatenate([importance[i][~alive[i]] for i in others])
    assert gone.max() < kept.min()
    assert sum((~a).sum() for a in alive) == round(0.4 * 48)
    outside = [
        g for g in ChannelMap(network).groups() if g.layers not in [x.layers for x in groups]
    ]
    assert all(group.alive().all() for group in outside)


def test_training_goes_on_in_the_smaller_network_as_it_would_in_the_larger(
    trained: tuple[Any, Zeros],
) -> None:
    network, _ = trained
    smaller = compiled(slimmed(network))
    carry_optimizer(network, smaller)
    fit(smaller, epochs=EPOCHS, begin=3)
    fit(network, epochs=EPOCHS, begin=3)  # what was zero is kept so without the callback
    expected = slimmed(network)
    assert expected.channels == smaller.channels
    # Four steps of Adam, each of which moves a weight by about 0.003.
    for after, wanted in zip(smaller.variables, expected.variables, strict=False):
        np.testing.assert_allclose(numpy(after), numpy(wanted), atol=2e-4, err_msg=after.path)


def test_what_a_floor_does_not_leave_is_refused_before_training() -> None:
    network = compiled(new())
    slimming = NetworkSlimming(share=0.69, floor=0.3)  # 3 of 8: less than 0.7 may go
    with pytest.raises(
        InputError, match=r"must be 0\.625 at most, .*`floor` of 0.3; received: 0.69"
    ):
        fit(network, ChannelPruning(slimming))
    assert int(keras.ops.convert_to_numpy(network.optimizer.iterations.value)) == 0
