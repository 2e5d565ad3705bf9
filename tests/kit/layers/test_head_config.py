"""The grammar of heads' names."""

import itertools

import pytest

from kit.errors import InputError
from kit.layers import HeadConfig


def test_the_search_space_has_every_head_once() -> None:
    space = HeadConfig.search_space()
    assert len(set(space)) == len(space) == 42
    expected = set()
    for head, reduction, blocks, dilate in itertools.product(
        ("fcn", "deeplab"), (1, 2, 4), (0, 1, 2, 3), (False, True)
    ):
        if blocks or not dilate:
            expected.add((head, reduction, blocks, dilate))
    assert {(h.head, h.reduction, h.blocks, h.dilate) for h in space} == expected


@pytest.mark.parametrize("config", HeadConfig.search_space(), ids=str)
def test_a_name_is_read_as_it_was_written(config: HeadConfig) -> None:
    assert HeadConfig.parse(config.name) == config
    assert str(config) == config.name
    assert HeadConfig.parse(config) is config


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("fcn", HeadConfig()),
        ("deeplab", HeadConfig("deeplab")),
        ("fcn-r8", HeadConfig("fcn", reduction=8)),
        ("fcn-b2", HeadConfig("fcn", blocks=2)),
        ("deeplab-r2-b3d", HeadConfig("deeplab", reduction=2, blocks=3, dilate=True)),
    ],
)
def test_names_say_what_differs_from_the_plainest_head(name: str, config: HeadConfig) -> None:
    assert HeadConfig.parse(name) == config
    assert config.name == name


@pytest.mark.parametrize(
    "name", ["", "unet", "fcn-", "fcn-b", "fcn-b1-r2", "fcn-r0", "fcn-d", "fcn-b1dd", "FCN", "fcn "]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"a head is named .*fcn-r2-b1d\); received: ") as error:
        HeadConfig.parse(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head": "unet"}, "`head` must be fcn or deeplab; received: 'unet'"),
        ({"reduction": 3}, "`reduction` must be 1, 2, 4 or 8; received: 3"),
        ({"reduction": 0}, "`reduction` must be 1, 2, 4 or 8; received: 0"),
        ({"blocks": 4}, "`blocks` must be 0 to 3; received: 4"),
        ({"blocks": -1}, "`blocks` must be 0 to 3; received: -1"),
        ({"dilate": True}, "`dilate` needs one block or more; received: 0 blocks"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        HeadConfig(**arguments)


@pytest.mark.parametrize("name", ["fcn-r16", "fcn-b4", "fcn-b0d"])
def test_a_name_that_fits_the_grammar_may_still_be_out_of_range(name: str) -> None:
    with pytest.raises(InputError, match="received: "):
        HeadConfig.parse(name)
