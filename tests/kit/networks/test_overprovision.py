"""Candidate exits: where they stand, and that the network they are added to stays what it was."""

import itertools
import math
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.layers import HeadConfig
from kit.networks.exit import Exit
from kit.networks.overprovision import exit_points, overprovision
from tests.kit.small import CLASSES, small_unet


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


@pytest.fixture(scope="module")
def unet() -> kit.AdaptiveUNet:
    """One early exit, not square; the heaviest configuration is no preset."""
    return small_unet(
        image_size=(32, 64),
        configurations={"lean": "h" * 16 + "llls", "mixed": "hl" + "h" * 14 + "lhbl"},
        exits=[Exit(13)],
    )


@pytest.fixture(scope="module")
def fcn() -> kit.FCN:
    return kit.FCN(CLASSES, (32, 48), width=0.35)


def trunk_macs(network: Any) -> list[int]:
    """Multiply-adds before each block boundary, counted from the shapes of the layers."""
    name = network.default_tier.configuration
    counts = []
    for blocks in range(len(network.configurations[name]) + 1):
        total = 0
        for layer in network.trunk_model(name, blocks).layers:
            if hasattr(layer, "kernel"):
                _, height, width, _ = layer.output.shape
                total += height * width * math.prod(layer.kernel.shape)
        counts.append(total)
    return counts


def brute_force(macs: list[int], parts: int) -> tuple[int, ...]:
    """Of all choices of an inner boundary for each share, the one that misses the shares least."""
    chosen = set()
    for part in range(1, parts):
        misses = [
            (abs(macs[boundary] / macs[-1] - part / parts), boundary)
            for boundary in range(1, len(macs) - 1)
        ]
        chosen.add(min(misses)[1])
    return tuple(sorted(chosen))


@pytest.mark.parametrize("parts", [2, 3, 6, 10, 40])
@pytest.mark.parametrize("family", ["unet", "fcn"])
def test_points_are_the_boundaries_nearest_to_even_shares(
    request: pytest.FixtureRequest, family: str, parts: int
) -> None:
    network = request.getfixturevalue(family)
    macs = trunk_macs(network)
    assert len(macs) == len(network.blocks) + 1
    assert macs == sorted(macs)
    points = exit_points(network, parts)
    assert points == brute_force(macs, parts)
    assert len(points) <= parts - 1
    assert all(1 <= point < len(network.blocks) for point in points)


def test_every_head_stands_at_every_point_and_the_rest_stays(unet: kit.AdaptiveUNet) -> None:
    images = np.random.default_rng(1).uniform(0, 255, (1, 32, 64, 3)).astype("float32")
    keras.utils.set_random_seed(2)
    wide = overprovision(unet, points=[18, 13], heads=["fcn", HeadConfig.parse("fcn-r2-b1")])
    places = itertools.product((13, 18), ("fcn", "fcn-r2-b1"))
    assert [(exit_.after, exit_.head.name) for exit_ in wide.exits] == list(places)
    assert wide.final_tiers == unet.final_tiers
    for name in ("lean", "mixed", "lean_exit1", "mixed_exit1"):  # exit 1 was there already
        expected = numpy(unet.tier(name)(images))
        assert expected.std() > 0
        np.testing.assert_array_equal(numpy(wide.tier(name)(images)), expected, err_msg=name)


class Recorder:
    """Stands in for a network: builds nothing."""

    def with_exits(self, exits: Any) -> list[Exit]:
        return list(exits)


def test_all_heads_of_the_search_space_are_tried_unless_some_are_named() -> None:
    exits: Any = overprovision(Recorder(), points=[9, 4])  # type: ignore[type-var]
    assert [exit_.after for exit_ in exits] == [4] * 42 + [9] * 42
    assert [exit_.head for exit_ in exits[:42]] == list(HeadConfig.search_space())


def test_a_number_of_points_cuts_the_trunk_into_as_many_parts(fcn: kit.FCN) -> None:
    wide = overprovision(fcn, points=3, heads=["fcn"])
    assert tuple(exit_.after for exit_ in wide.exits) == exit_points(fcn, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": 1}, "`parts` must be 2 or more; received: 1"),
        ({"points": []}, "`points` and `heads` must hold one or more; received: none"),
        ({"points": [3], "heads": []}, "`points` and `heads` must hold one or more"),
        ({"points": [3], "heads": ["unet"]}, "a head is named .* received: 'unet'"),
        ({"points": [3, 16], "heads": ["fcn"]}, "`exits` must stand behind 1 to 15 blocks"),
        ({"points": [3, 3], "heads": ["fcn"]}, "`exits` must differ; .* exit_3_fcn"),
        ({"points": [3], "heads": ["fcn", "fcn"]}, "`exits` must differ; .* exit_3_fcn"),
        ({"points": [0], "heads": ["fcn"]}, "`after` must be 1 block or more; received: 0"),
    ],
)
def test_wrong_arguments_are_named(fcn: kit.FCN, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        overprovision(fcn, **arguments)
