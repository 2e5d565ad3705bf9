"""MESS's first stage (arXiv 2106.03527): which exits a step trains, and that it trains no other."""

from types import SimpleNamespace
from typing import Any

import pytest

import kit
from kit.errors import InputError
from kit.tiers import Tier
from kit.training import PTASampling, RoundRobinExits, SingleTier
from tests.kit.training.steps import EXITS, TIERS, Trained, numpy, optimizer


def stub(exits: int) -> Any:
    """What a schedule asks of a network, without the weights."""
    names = ("light", "medium", "heavy")
    finals = tuple(map(Tier, names))
    return SimpleNamespace(
        exits=(None,) * exits,
        configurations=dict.fromkeys(names),
        final_tiers=finals,
        default_tier=finals[-1],
        resolve=Tier.parse,
    )


def bound(schedule: RoundRobinExits, exits: int = 3) -> RoundRobinExits:
    schedule.bind(stub(exits))
    return schedule


def names(schedule: Any, steps: Any) -> list[list[str]]:
    return [[tier.name for tier in schedule.draw(step)] for step in steps]


def test_exits_take_turns_beside_the_final_one() -> None:
    early = ["heavy_exit1", "heavy_exit2", "heavy_exit3", "heavy_exit1", "heavy_exit2"]
    assert names(bound(RoundRobinExits()), range(5)) == [[name, "heavy"] for name in early]
    assert names(bound(RoundRobinExits(), exits=1), range(2)) == [["heavy_exit1", "heavy"]] * 2


def test_a_draw_depends_on_the_step_alone() -> None:
    """A run that is resumed at any step draws what it would have drawn."""
    whole = names(bound(RoundRobinExits(PTASampling(seed=4))), range(60))
    for start in (0, 1, 17, 59):
        assert names(bound(RoundRobinExits(PTASampling(seed=4))), range(start, 60)) == whole[start:]
    backwards = names(bound(RoundRobinExits(PTASampling(seed=4))), reversed(range(60)))
    assert backwards[::-1] == whole


def test_sampling_chooses_the_configuration_and_its_settings_hold() -> None:
    sampling = PTASampling(seed=4, warm_up=3, weights={"light": 1, "medium": 2}, distillation=0.5)
    schedule = bound(RoundRobinExits(sampling), exits=2)
    alone = PTASampling(seed=4, warm_up=3, weights={"light": 1, "medium": 2})
    alone.bind(stub(0))
    finals = [name for (name,) in names(alone, range(40))]
    assert {"light", "medium", "heavy"} == set(finals)
    assert names(schedule, range(40)) == [
        [f"{final}_exit{1 + step % 2}", final] for step, final in enumerate(finals)
    ]
    assert (schedule.distillation, schedule.teacher) == (0.5, Tier("heavy"))
    assert not schedule.heads_only


def test_one_configuration_may_be_named() -> None:
    schedule = bound(RoundRobinExits(SingleTier("light")))
    assert names(schedule, [4]) == [["light_exit2", "light"]]
    assert (schedule.distillation, schedule.teacher) == (0, None)


def test_each_exit_is_drawn_as_often_as_the_others() -> None:
    assert bound(RoundRobinExits()).counts(0, 12) == {
        "heavy": 12,
        "heavy_exit1": 4,
        "heavy_exit2": 4,
        "heavy_exit3": 4,
    }


def test_a_network_without_exits_is_refused(network: kit.AdaptiveUNet) -> None:
    with pytest.raises(InputError, match="needs a network with early exits; received one without"):
        network.compile("sgd", loss="mse", schedule=RoundRobinExits())


def test_an_unbound_schedule_does_not_draw() -> None:
    with pytest.raises(InputError, match="must be bound to a network"):
        RoundRobinExits().draw(0)


def test_a_compiled_step_moves_the_final_tier_and_the_drawn_exit_alone() -> None:
    """Not the other exit, nor the other configuration; each exit twice, in turn."""
    schedule = RoundRobinExits(SingleTier("light"))
    trained = Trained(optimizer(), TIERS, schedule, EXITS)
    drawn = []
    for _ in range(4):
        drawn.append(schedule.draw(int(numpy(trained.network.optimizer.iterations.value)))[0].exit)
        trained.check()
    assert drawn == [1, 2, 1, 2]
