"""One training step, and what it must and must not move. Also run by itself, on another backend."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

import kit
from kit.training import ExitHeads, RoundRobinExits, Schedule
from tests.kit.small import CLASSES, small_unet

# Two tiers that differ in one block of the encoder.
TIERS = {"light": "hlhllhlllhllhllh" + "llls", "more": "hhhllhlllhllhllh" + "llls"}
EXITS = ({"after": 13, "head": "fcn-r2-b1d"}, {"after": 17, "head": "fcn"})


class Chosen(Schedule):
    """Trains the tier that the test has chosen last."""

    def __init__(self, tier: str) -> None:
        self.chosen = tier

    def draw(self, step: int) -> tuple[kit.Tier, ...]:
        return (kit.Tier(self.chosen),)


class Trained:
    """A compiled network, a step of which may train any tier.

    Args:
        optimizer: With slots (momentum) and weight decay.
        configurations: Each is trained once at the start, so that no momentum of it is zero.
        schedule: Draws the tiers of each step, instead of the test; each early exit is trained once
            at the start.
        exits: Early exits.
        **options: Of `compile`.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        configurations: Mapping[str, str],
        schedule: Schedule | None = None,
        exits: Iterable[Mapping[str, Any]] = (),
        **options: Any,
    ) -> None:
        keras.utils.set_random_seed(11)
        rng = np.random.default_rng(12)
        self.network = small_unet(
            image_size=(32, 64), configurations=configurations, exits=list(exits)
        )
        self.images = rng.uniform(0, 255, (4, 32, 64, 3)).astype("float32")
        self.labels = rng.integers(0, CLASSES, (4, 32, 64)).astype("int32")
        self.compile(optimizer, schedule or Chosen(next(iter(configurations))), **options)

    def compile(
        self, optimizer: keras.optimizers.Optimizer, schedule: Schedule, **options: Any
    ) -> None:
        """Choose an optimizer and a schedule, and give every tier some momentum."""
        self.schedule = schedule
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.network.compile(optimizer=optimizer, loss=loss, schedule=schedule, **options)
        chosen = isinstance(schedule, Chosen)
        for tier in self.network.configurations if chosen else self.network.exits:
            self.step(str(tier))

    def step(self, tier: str | None = None) -> None:
        """Train one step: of `tier`, unless a schedule draws."""
        if isinstance(self.schedule, Chosen):
            self.schedule.chosen = str(tier)
        self.network.fit(self.images, self.labels, batch_size=4, verbose=0)

    def slots(self) -> list[tuple[int, np.ndarray]]:
        """Slot variables of the optimizer, each with the place of its weight."""
        weights = self.network.trainable_variables
        slots = [v for v in self.network.optimizer.variables if len(v.shape)]
        each = len(slots) // len(weights)
        found = [(place // each, slot) for place, slot in enumerate(slots)]
        assert each
        assert all(weights[place].shape == slot.shape for place, slot in found)
        return [(place, numpy(slot)) for place, slot in found]

    def next_models(self) -> list[keras.Model]:
        """Functional models that hold what the next step of the schedule trains."""
        step = int(numpy(self.network.optimizer.iterations.value))
        tiers = self.schedule.draw(step)
        if self.schedule.heads_only:
            return [self.network.exit_model(tier) for tier in tiers if tier.exit is not None]
        return [self.network.tier(tier) for tier in tiers]

    def check(self, tier: str | None = None) -> None:
        """Train one step; only what the models of its tiers hold may move, and all of it must."""
        network = self.network
        models = [network.tier(tier)] if tier else self.next_models()
        active = {id(v) for model in models for v in model.variables}
        trained = {id(v) for model in models for v in model.trainable_variables}
        before, slots = [numpy(v) for v in network.variables], self.slots()
        self.step(tier)
        for variable, value in zip(network.variables, before, strict=True):
            moved = not np.array_equal(numpy(variable), value)
            assert moved == (id(variable) in active), (tier, variable.path, moved)
        weights = network.trainable_variables
        for (place, value), (_, after) in zip(slots, self.slots(), strict=True):
            moved = not np.array_equal(after, value)
            is_trained = id(weights[place]) in trained
            assert moved == is_trained, (tier, "slot", weights[place].path, moved)
            assert np.any(value) or not is_trained, "the momentum was zero: nothing was shown"


def numpy(value: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(value))


def optimizer() -> keras.optimizers.Optimizer:
    """With momentum and weight decay, which would move what a step did not run."""
    return keras.optimizers.SGD(1e-2, momentum=0.9, weight_decay=0.1)


def check_configurations() -> None:
    """Compiled steps of two tiers that differ in the encoder, in turn."""
    trained = Trained(optimizer(), TIERS)
    for tier in (*TIERS, "light"):
        trained.check(tier)
        print(f"{keras.backend.backend()}: a step of {tier} moved only {tier}")  # noqa: T201


def check_exits() -> None:
    """A compiled step of each stage of a network with an early exit."""
    trained = Trained(optimizer(), {"light": TIERS["light"]}, RoundRobinExits(), EXITS[:1])
    trained.check()
    print(f"{keras.backend.backend()}: stage 1 moved an exit and the final one")  # noqa: T201
    trained.compile(optimizer(), ExitHeads())
    trained.check()
    print(f"{keras.backend.backend()}: stage 2 moved the head alone")  # noqa: T201


if __name__ == "__main__":
    {"configurations": check_configurations, "exits": check_exits}[sys.argv[1]]()
