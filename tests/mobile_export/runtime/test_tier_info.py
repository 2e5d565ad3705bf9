"""What metadata and names tell of configuration, exit, stages and thresholds."""

from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import Bundle, TierInfo, TiersegError
from mobile_export.runtime.signature import Signature, Tensor
from mobile_export.runtime.tier_info import read_tiers

OUTPUTS = {
    "mask": Tensor((1, 8, 6), np.dtype(np.uint8)),
    "confidence": Tensor((1,), np.dtype(np.uint8)),
}


def _signatures(*names: str) -> dict[str, Signature]:
    """Tiers of 8 x 6 pixels, or 4 x 3 where the name says so, and stages."""
    found = {}
    for name in names:
        size = (4, 3) if "4x3" in name else (8, 6)
        image = Tensor((1, *size, 3), np.dtype(np.uint8))
        states = {"state_1": image} if "_stage" in name else {}
        found[name] = Signature(name, {"image": image}, {**OUTPUTS, **states})
    return found


def _read(names: tuple[str, ...], *entries: dict[str, Any]) -> list[TierInfo]:
    metadata = {"tiers": list(entries)} if entries else None
    return list(read_tiers(Bundle("x.tflite", b"", metadata), _signatures(*names)))


def test_metadata_tells_configuration_exit_stages_and_threshold() -> None:
    entry = {
        "name": "quick",
        "signature": "a_exit1",
        "configuration": "b",
        "exit": 2,
        "stages": ["s", "t"],
        "thresholds": {"pixel": 0.5, "image": 0.75},
    }
    (info,) = _read(("a_exit1", "a"), entry)
    assert (info.name, info.signature, info.configuration) == ("quick", "a_exit1", "b")
    assert (info.exit, info.stages, info.image_threshold) == (2, ("s", "t"), 0.75)
    assert info.figures is entry


def test_what_metadata_leaves_out_the_name_of_the_signature_tells() -> None:
    early, final = _read(
        ("a_exit12", "a", "a_stage1"), {"name": "q", "signature": "a_exit12"}, {"name": "a"}
    )
    assert (early.configuration, early.exit, early.stages) == ("a", 12, ())
    assert (final.configuration, final.exit, final.image_threshold) == ("a", None, None)


def test_another_input_size_is_a_configuration_of_its_own() -> None:
    names = ("light", "light_4x3", "light_4x3_exit1")
    entries = [{"name": name, "configuration": "light"} for name in names]
    for infos in (_read(names, *entries), _read(names)):
        assert [info.configuration for info in infos] == ["light", "light_4x3", "light_4x3"]
        assert [info.exit for info in infos] == [None, None, 1]
        assert [info.input_size for info in infos] == [(8, 6), (4, 3), (4, 3)]


def test_without_metadata_stages_are_those_that_the_names_ask_for() -> None:
    names = ("a_exit1", "a_exit2", "a", "a_stage1", "a_stage2", "a_stage3", "b", "b_exit2")
    infos = {info.name: info for info in _read((*names, "b_stage1"))}
    assert "a_stage1" not in infos
    assert infos["a_exit1"].stages == ("a_stage1",)
    assert infos["a_exit2"].stages == ("a_stage1", "a_stage2")
    assert infos["a"].stages == ("a_stage1", "a_stage2", "a_stage3")
    assert infos["b_exit2"].stages == ()  # its second one is missing
    assert all(info.figures == {} for info in infos.values())


@pytest.mark.parametrize("thresholds", [{}, {"pixel": 0.6}, {"image": None}])
def test_no_threshold_is_none(thresholds: dict[str, Any]) -> None:
    (info,) = _read(("a",), {"name": "a", "thresholds": thresholds})
    assert info.image_threshold is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"configuration": 3}, "`configuration` of the tier a must be a name; got 3"),
        ({"exit": 0}, "`exit` of the tier a must be an integer from 1, or null .*; got 0"),
        ({"exit": True}, "`exit` .*; got True"),
        ({"exit": "2"}, "`exit` .*; got '2'"),
        ({"stages": "a_stage1"}, "`stages` of the tier a must be a list of .*; got 'a_stage1'"),
        ({"stages": [1]}, r"`stages` .*; got \[1\]"),
        ({"stages": None}, "`stages` .*; got None"),
        ({"thresholds": 0.5}, "`thresholds` of the tier a must be an object .* 0-1; got 0.5"),
        ({"thresholds": {"image": 1.5}}, "`thresholds` .*; got {'image': 1.5}"),
        ({"thresholds": {"image": "0.5"}}, "`thresholds` .*; got {'image': '0.5'}"),
    ],
)
def test_wrong_metadata_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TiersegError, match=rf"^x\.tflite: metadata\.json: {message}$"):
        _read(("a",), {"name": "a", **changes})
