"""An exit as data: what it may be, and that it survives being written down."""

import json

import pytest

from kit.errors import InputError
from kit.layers import HeadConfig
from kit.networks.exit import Exit
from kit.search import ExitPolicy

WHOLE = {
    "after": 7,
    "head": "deeplab-r4-b2d",
    "policy": {"measure": "entropy", "pixel_threshold": 0.8, "edge_aware": True},
}


def test_what_is_left_out_takes_its_default() -> None:
    assert Exit(3) == Exit(3, HeadConfig("fcn", 1, 0, False), ExitPolicy("top1", 0.5, False))
    assert Exit.parse({"after": 3}) == Exit(3)
    assert Exit.parse({"after": 3, "policy": {}}) == Exit(3)


def test_a_head_may_be_named() -> None:
    assert Exit(2, "fcn-r2-b1").head == HeadConfig("fcn", reduction=2, blocks=1)  # type: ignore[arg-type]
    assert Exit.parse({"after": 2, "head": "deeplab"}).head == HeadConfig("deeplab")


@pytest.mark.parametrize("content", [WHOLE, Exit(1).to_dict()], ids=["whole", "default"])
def test_plain_data_there_and_back(content: dict) -> None:
    exit_ = Exit.parse(json.loads(json.dumps(content)))
    assert exit_.to_dict() == content
    assert Exit.parse(exit_) is exit_
    assert hash(Exit.parse(content)) == hash(exit_)


@pytest.mark.parametrize(
    ("exit_", "name"),
    [(Exit(13), "exit_13_fcn"), (Exit.parse(WHOLE), "exit_7_deeplab_r4_b2d")],
)
def test_layers_are_named_after_place_and_head(exit_: Exit, name: str) -> None:
    assert exit_.name == name


def test_a_policy_makes_no_other_layers() -> None:
    assert Exit(7, HeadConfig.parse("deeplab-r4-b2d")).name == Exit.parse(WHOLE).name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "an exit must have `after`, .* received: nothing"),
        ({"head": "fcn"}, "an exit must have `after`, .* received: head"),
        ({"after": 3, "heads": "fcn"}, "received: after, heads"),
        ({"after": 0}, "`after` must be 1 block or more; received: 0"),
        ({"after": -2}, "`after` must be 1 block or more; received: -2"),
        ({"after": "3"}, "`after` must be 1 block or more; received: '3'"),
        ({"after": 2.5}, "`after` must be 1 block or more; received: 2.5"),
        ({"after": 3, "head": "unet"}, "a head is named .* received: 'unet'"),
        ({"after": 3, "policy": {"measure": "margin"}}, "`measure` must .* received: 'margin'"),
        ({"after": 3, "policy": {"pixel_threshold": 1}}, "`pixel_threshold` .* received: 1"),
        ({"after": 3, "policy": {"image_threshold": 0.5}}, "received: image_threshold"),
    ],
)
def test_what_is_wrong_is_named(content: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Exit.parse(content)
