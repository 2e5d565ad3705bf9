"""How many channels go, and when."""

from typing import Any

import pytest

from kit.errors import InputError
from kit.slimming import NetworkSlimming


def test_the_share_rises_by_a_cubic_polynomial() -> None:
    slimming = NetworkSlimming(share=0.4, begin=0.1, end=0.5, milestones=5)
    assert slimming.epochs(20) == [2, 4, 6, 8, 10]
    targets = [slimming.target(epoch, 20) for epoch in (0, 1, 2, 3, 4, 6, 8, 10, 19)]
    assert targets[:2] == [0, 0]
    expected = [0.4 * (1 - (1 - i / 5) ** 3) for i in (1, 1, 2, 3, 4, 5, 5)]
    assert targets[2:] == pytest.approx(expected)


def test_milestones_are_between_epochs_and_never_before_the_first() -> None:
    slimming = NetworkSlimming(begin=0.1, end=0.5, milestones=5)
    assert slimming.epochs(4) == [1, 1, 2, 2, 2]
    assert slimming.target(1, 4) == pytest.approx(0.4 * (1 - (3 / 5) ** 3))
    assert slimming.epochs(1) == [1] * 5
    assert NetworkSlimming(begin=0.1, end=0.5, milestones=1).epochs(20) == [10]


def test_smaller_images_slim_the_network_more() -> None:
    slimming = NetworkSlimming(share=0.4, coupling=0.5)
    assert slimming.target(99, 100, pixels=0.6) == pytest.approx(0.4 * 1.2)
    assert slimming.target(99, 100, pixels=1) == pytest.approx(0.4)
    assert NetworkSlimming(share=0.4).target(99, 100, pixels=0.6) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "`share` must be above 0 and below 1; received: 0"),
        ({"share": 1.0}, "`share` must be above 0 and below 1; received: 1.0"),
        ({"share": 0.95}, "`floor` of 0.1 in each layer; received: 0.95"),
        ({"share": 0.5, "coupling": 1.0}, "`floor` of 0.1 in each layer; received: 1"),
        ({"scope": "trunk"}, "`scope` must be one of multi_scale, network; received: 'trunk'"),
        ({"floor": 1}, "`floor` must be from 0 to below 1; received: 1"),
        ({"l1": -1}, "`l1` must be 0 or more; received: -1"),
        ({"coupling": -1}, "`coupling` must be 0 or more; received: -1"),
        ({"begin": 0}, "`begin` must be above 0 and up to `end`.*received: 0 and 0.5"),
        ({"begin": 0.6}, "received: 0.6 and 0.5"),
        ({"end": 1.1}, "received: 0.1 and 1.1"),
        ({"milestones": 0}, "`milestones` must be 1 or more; received: 0"),
        ({"ratio": 0.5}, "must have keys among share, scope, .*; received: ratio"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        NetworkSlimming.parse(options)
    assert "\n" not in str(error.value)
