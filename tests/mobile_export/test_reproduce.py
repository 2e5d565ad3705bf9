"""An experiment goes from training to its table, and its figures come from the run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mobile_export.experiments import EXPERIMENTS, Results, Settings, Target, find
from mobile_export.experiments import pta_camvid as experiment
from mobile_export.runtime import Bundle
from mobile_export.runtime.command_line import main
from tests.mobile_export.block_folder import TINY, write_blocks

ROUNDS = 2

# A busy machine took 3 minutes for what takes one.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and the folder of the experiment's networks."""
    return (
        write_blocks(tmp_path_factory.mktemp("data") / "blocks", train=12),
        tmp_path_factory.mktemp("runs") / "pta",
    )


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path]) -> Results:
    """The experiment at a tiny scale."""
    data, out = folders
    scale = experiment.Scale(TINY, calibration_images=4, min_agreement=0.0, rounds=ROUNDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(experiment.SCALES, "quick", scale)
        return find("pta_camvid")(Settings(out=out, scale="quick", seed=3, data=str(data)))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_can_be_run(name: str) -> None:
    assert callable(find(name))


def test_the_rows_are_plain_and_the_tiers_as_the_bundles_say(
    found: Results, folders: tuple[Path, Path]
) -> None:
    _, out = folders
    names = ("camvid_plain", "camvid")
    tiers = [
        entry for name in names for entry in Bundle.open(out / f"{name}.tflite").metadata["tiers"]
    ]
    assert [row["tier"] for row in found.rows] == [entry["name"] for entry in tiers]
    assert len(found.rows) == 3
    plain = found.rows[0]
    for row, entry in zip(found.rows, tiers, strict=True):
        assert row["macs"] == entry["macs"]
        assert row["parameters"] == entry["parameters"]
        assert (row["int8_miou"], row["int8_dice"]) == (entry["miou"], entry["dice"])
        assert row["int8_ms"] == entry["latency_ms"]
        assert row["float32_ms"] > 0
        assert row["dice_to_plain"] == pytest.approx(row["int8_dice"] - plain["int8_dice"])
        assert row["latency_to_plain"] == pytest.approx(row["int8_ms"] / plain["int8_ms"], abs=1e-4)


def test_both_networks_had_the_same_number_of_steps(found: Results) -> None:
    steps = {name: made["optimizer_steps"] for name, made in found.about["training"].items()}
    assert steps == {"camvid_plain": 3, "camvid": 3}


def test_what_it_must_reach_is_computed_from_the_rows(found: Results) -> None:
    got = {target.name: target for target in found.targets}
    _, *tiers = found.rows
    heavy, light = tiers[-1], tiers[0]
    ratio = got["latency of the heaviest / the lightest tier, int8"]
    assert ratio.got == pytest.approx(heavy["int8_ms"] / light["int8_ms"], abs=1e-4)
    assert ratio.met == (ratio.got >= 4)
    drop = got["largest loss of mIoU by int8, points"]
    assert drop.got == pytest.approx(
        max(100 * (row["float_miou"] - row["int8_miou"]) for row in tiers), abs=1e-3
    )
    size = got["size of the bundle / the largest single tier"]
    sizes = found.about["size_bytes"]
    assert size.got == pytest.approx(sizes["camvid"] / sizes["largest_single_tier"], abs=1e-4)
    assert sizes["largest_single_tier"] < sizes["camvid"]


def test_the_files_tell_how_they_were_made(found: Results, tmp_path: Path) -> None:
    paths = found.save(tmp_path)
    assert [path.name for path in paths] == [
        f"pta_camvid.{suffix}" for suffix in ("json", "md", "png")
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    told = json.loads(paths[0].read_text())
    assert told["seed"] == 3
    assert told["command"].startswith("tierseg reproduce pta_camvid --scale quick --seed 3 --data ")
    assert told["machine"]["threads"] == 1
    assert "keras" in told["versions"]
    assert told["rows"] == [dict(row) for row in found.rows]
    assert len(told["details"]["camvid"]["int8"]) == 2
    markdown = paths[1].read_text()
    assert told["command"] in markdown
    heavy = found.rows[-1]
    (line,) = [line for line in markdown.splitlines() if line.startswith("| heavy ")]
    assert f"{100 * heavy['int8_dice']:.1f}" in line
    assert f"{heavy['int8_ms']:.2f}" in line
    with Image.open(paths[2]) as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_a_finished_training_is_used_again(
    found: Results, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = folders
    recipe = replace(
        experiment._recipe("camvid", experiment.Scale(TINY), Settings(out)), data=str(data)
    )
    monkeypatch.setattr("keras.Model.fit", lambda *_, **__: pytest.fail("trained again"))
    again = experiment.train(recipe, out / "camvid", seed=3, resume=True)
    assert again.wall_s == found.about["training"]["camvid"]["wall_s"]


def test_targets() -> None:
    assert Target.at_least("a", 4.0, 4.0) == Target("a", ">= 4", 4.0, True)
    assert not Target.at_least("a", 4.0, 3.999).met
    assert Target.at_most("a", 1.1, 1.1).met
    assert not Target.at_most("a", 1.1, 1.101).met


# === The verb ===


def test_the_verb_prints_and_saves(
    found: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[Settings] = []
    monkeypatch.setattr(experiment, "run", lambda settings: given.append(settings) or found)
    words = ["--scale", "quick", "--seed", "5", "--out", str(tmp_path / "out")]
    assert main(["reproduce", "pta_camvid", *words]) == 0
    assert given == [Settings(tmp_path / "out", "quick", 5, None)]
    assert (tmp_path / "out" / "pta_camvid.png").is_file()
    shown = capsys.readouterr()
    assert shown.out.rstrip() == found.text()
    last = shown.err.splitlines()[-1]
    assert last.startswith(f"Wrote {tmp_path / 'out' / 'pta_camvid.json'}, ")
    assert "Next: tierseg reproduce pta_camvid  (" in last
    assert (
        main(["reproduce", "pta_camvid", *words, "--results", str(tmp_path / "r"), "--json"]) == 0
    )
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "r" / "pta_camvid.json").read_text())


def test_an_unknown_name_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "nothing"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing" in line
    assert all(name in line for name in EXPERIMENTS)


def test_missing_data_are_one_line_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert main(["reproduce", "pta_camvid", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere" in line
    assert not (tmp_path / "out").exists()
