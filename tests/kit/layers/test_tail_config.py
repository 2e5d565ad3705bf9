"""What a tail is made of, and the sizes that it fits."""

from typing import Any

import pytest

from kit.errors import InputError
from kit.layers import TailConfig


@pytest.mark.parametrize(("scale", "levels"), [(2, 1), (4, 2), (8, 3), (16, 4)])
def test_each_level_doubles(scale: int, levels: int) -> None:
    config = TailConfig.between((16, 24), (16 * scale, 24 * scale), depthwise=True)
    assert config == TailConfig(scale, depthwise=True)
    assert config.levels == levels
    assert TailConfig.parse(config.to_dict()) == TailConfig.parse(config) == config


def test_a_file_of_before_there_were_kinds_is_a_learned_one() -> None:
    assert TailConfig.parse({"scale": 8, "depthwise": True}).kind == "learned"


@pytest.mark.parametrize("size", [(16, 16), (48, 48), (256, 128), (512, 512), (250, 250)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError) as error:
        TailConfig.between((16, 16), size)
    assert str(error.value) == (
        f"`output_size` must be 2, 4, 8 or 16 times the images' (16, 16); received: {size}"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"scale": 3}, "`scale` must be one of 2, 4, 8, 16; received: 3"),
        ({}, "`tail` must hold `scale`"),
        ({"scale": 2, "width": 1}, "`tail` must hold .* received: .*width"),
        ({"scale": 2, "kind": "nearest"}, "`kind` must be one of learned, .* received: 'nearest'"),
        (
            {"scale": 2, "kind": "bilinear", "depthwise": True},
            "`depthwise` must be off unless `kind` is learned; received: 'bilinear'",
        ),
    ],
)
def test_wrong_arguments_are_named(value: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TailConfig.parse(value)
