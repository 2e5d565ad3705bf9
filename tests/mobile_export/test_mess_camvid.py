"""The experiment on early exits goes from training to its table; its figures come from the run."""

from pathlib import Path
from typing import Any

import pytest

from mobile_export.experiments import Results, Settings, find
from mobile_export.experiments import mess_camvid as experiment
from mobile_export.runtime import Bundle, Segmenter
from tests.mobile_export.block_folder import TINY, one_by_one, write_blocks
from tests.mobile_export.blocks import Blocks

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

FAMILY = experiment.Family("DeepLabV3", "camvid_deeplab", "camvid_deeplab_heads", {"width": 0.0625})


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "mess"


@pytest.fixture(scope="module")
def found(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The experiment at a tiny scale, one family."""
    data = write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=12, val=8, test=4)
    # Of the families that exits can be put into the one that is soonest traced.
    tiny = {
        **TINY,
        "family": "fcn_vgg16",
        "width": 0.125,
        "configurations": {},
        "exits": ({"after": 3, "head": "fcn-r2"},),
    }
    scale = experiment.Scale(
        tiny,
        {"exits": ({"after": 2}, {"after": 3}), "heads": ("fcn-r2", "fcn")},
        calibration_images=4,
        min_agreement=0.0,
        rounds=2,
        families=(FAMILY,),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(experiment.SCALES, "quick", scale)
        patch.setattr(experiment, "side_by_side", one_by_one)
        return find("mess_camvid")(Settings(out=out, scale="quick", seed=3, data=str(data)))


def rows(found: Results, kind: str) -> list[dict[str, Any]]:
    return [dict(row) for row in found.rows if row["kind"] == kind]


def test_the_rows_are_what_the_bundles_say(found: Results, out: Path) -> None:
    metadata = Bundle.open(out / "camvid_deeplab.tflite").metadata
    one_shot = [row for row in rows(found, "own") if row["setting"].startswith(("exit", "final"))]
    assert len(one_shot) == len(metadata["tiers"]) >= 2
    for row, entry in zip(one_shot, metadata["tiers"], strict=True):
        assert (row["miou"], row["dice"], row["macs"]) == (
            entry["miou"],
            entry["dice"],
            entry["macs"],
        )
        assert row["ms"] == entry["latency_ms"]
    assert len(rows(found, "without exits")) == len(rows(found, "small, alone")) == 1
    control = rows(found, "without exits")[0]
    for row in found.rows:
        assert row["speed_up"] == pytest.approx(control["ms"] / row["ms"], abs=1e-3)


def test_the_input_dependent_row_is_what_the_runtime_does(found: Results, out: Path) -> None:
    (row,) = [row for row in rows(found, "own") if row["setting"] == "input-dependent"]
    segmenter = Segmenter(out / "camvid_deeplab.tflite", threads=1, warm_up="none")
    test = Blocks("test", 4)
    left = [segmenter.adaptive(test.image(index)).tier for index in range(len(test))]
    shares = [left.count(tier) / len(left) for tier in segmenter.exits("plain")]
    assert row["shares"] == pytest.approx(shares)


def test_what_it_must_reach_is_computed_from_the_rows(found: Results) -> None:
    got = {target.name.partition(": ")[2]: target for target in found.targets}
    own = rows(found, "own")
    final = next(row for row in own if row["setting"] == "final")
    leaving = next(row for row in own if row["setting"] == "input-dependent")
    ratio = got["mean latency input-dependent / final exit"]
    assert ratio.got == pytest.approx(leaving["ms"] / final["ms"], abs=1e-3)
    loss = got["mIoU of the final exit to training without exits, points"]
    assert loss.got == pytest.approx(100 * final["miou_to_control"], abs=1e-2)
    small = rows(found, "small, alone")[0]
    as_fast = [
        row["miou"] for row in own if row["setting"] != "anytime" and row["ms"] <= small["ms"]
    ]
    gain = got["mIoU to a small network of the same latency trained alone, points"]
    assert gain.got == pytest.approx(100 * (max(as_fast, default=0) - small["miou"]), abs=1e-2)


def test_what_was_searched_is_told(found: Results, tmp_path: Path) -> None:
    search = found.details["DeepLabV3"]["search"]
    assert {"deployed", "error, latency <= 1x", "latency, drop <= 1"} <= set(search)
    assert len(search["heads"]) == 4
    assert set(search["deployed"]) <= set(search["heads"])
    assert search["latency, drop <= 1"]["count"] > 4
    assert {path.suffix for path in found.save(tmp_path)} == {".json", ".md", ".png"}
