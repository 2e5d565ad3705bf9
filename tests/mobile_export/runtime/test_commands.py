"""The verb `segment`."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mobile_export.runtime import Segmenter, TiersegError, load_image
from mobile_export.runtime.commands import segment
from tests.tiny_bundle import COLORS, EXITS, TIERS, clear_from, expected_mask, scene

RUN = """
import importlib.metadata, sys
from mobile_export.runtime import command_line
point = importlib.metadata.EntryPoint("segment", "mobile_export.runtime.commands:segment", "")
command_line.entry_points = lambda group: [point]
"""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "street.png"
    Image.fromarray(scene(96, 128)).save(path)
    return path


def _segment(*arguments: object) -> Result:
    result = CliRunner().invoke(segment, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_segment_writes_a_palette_mask_and_an_overlay(
    tiny_bundle: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = _segment(tiny_bundle, picture, "--tier", "light", "--out", out)
    assert result.exit_code == 0
    assert _left(out) == {"street_mask.png", "street_overlay.png"}
    with Image.open(out / "street_mask.png") as mask:
        assert mask.mode == "P"
        assert (np.asarray(mask) == expected_mask(96, 128)).mean() > 0.9
        assert np.asarray(mask.convert("RGB"))[0, 0].tolist() == list(COLORS[0])
    assert load_image(out / "street_overlay.png").shape == (96, 128, 3)
    assert re.search(r"street_mask\.png  tier light  confidence \d\.\d\d  [\d.]+ ms", result.stdout)


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_json_says_which_tier_ran_and_what_it_found(
    tiny_bundle: Path, picture: Path, tmp_path: Path, tier: str | None
) -> None:
    chosen = ["--tier", tier] if tier else []
    result = _segment(tiny_bundle, picture, *chosen, "--out", tmp_path / "out", "--json")
    report = json.loads(result.stdout)
    assert report["tier"] == (tier or "heavy")
    assert result.stderr.splitlines()[-1] == (
        f"Wrote 2 files into {tmp_path / 'out'}. Next: tierseg demo {tiny_bundle}"
    )
    (row,) = report["images"]
    assert row["tier"] == report["tier"]
    assert row["exit"] == {"heavy_exit1": 1, "heavy_exit2": 2}.get(row["tier"])
    assert row["steps"] == []
    assert set(row["shares"]) == {"brick", "grass", "water", "snow"}
    assert sum(row["shares"].values()) == pytest.approx(1, abs=0.001)
    assert Path(row["mask"]).is_file()
    assert Path(row["overlay"]).is_file()
    assert 0 < row["latency_ms"] <= row["total_ms"]


def test_within_chooses_the_tier(
    tiny_bundle: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = []
    monkeypatch.setattr(
        Segmenter, "fastest_within", lambda self, budget: budgets.append(budget) or "medium"
    )
    arguments = (tiny_bundle, picture, "--within", "12.5", "--out", tmp_path / "out", "--json")
    assert json.loads(_segment(*arguments).stdout)["tier"] == "medium"
    assert budgets == [12.5]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """One picture that leaves at each exit, named after it."""
    paths = [tmp_path / f"{tier}.png" for tier in EXITS]
    for path in paths:
        Image.fromarray(clear_from(path.stem)).save(path)
    return paths


def test_adaptive_says_where_each_image_left(
    tiny_bundle: Path, pictures: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lines = _segment(tiny_bundle, *pictures, "--adaptive", "--out", out).stdout.splitlines()
    assert [re.search(r"left at (.*?)  confidence", line)[1] for line in lines] == [
        "exit 1 of 3, heavy_exit1",
        "exit 2 of 3, heavy_exit2",
        "exit 3 of 3, heavy",
    ]
    segmenter = Segmenter(tiny_bundle)
    for path in pictures:
        with Image.open(out / f"{path.stem}_mask.png") as mask:
            assert (np.asarray(mask) == segmenter(load_image(path), path.stem).mask).all()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), EXITS),
        (("--threshold", "0"), ("heavy_exit1",) * 3),
        (("--configuration", "heavy"), EXITS),
    ],
)
def test_adaptive_json_has_the_exit_and_the_steps(
    tiny_bundle: Path, pictures: list[Path], tmp_path: Path, options: tuple[str, ...], left: tuple
) -> None:
    arguments = ("--adaptive", *options, "--out", tmp_path, "--json")
    report = json.loads(_segment(tiny_bundle, *pictures, *arguments).stdout)
    assert "tier" not in report
    assert report["adaptive"] is True
    assert report["threshold"] == (0 if "--threshold" in options else None)
    assert report["configuration"] == "heavy"
    assert [row["tier"] for row in report["images"]] == list(left)
    for row in report["images"]:
        depth = EXITS.index(row["tier"]) + 1
        assert row["exit"] == (depth if depth < 3 else None)
        assert [step["tier"] for step in row["steps"]] == list(EXITS[:depth])
        assert row["confidence"] == pytest.approx(row["steps"][-1]["confidence"], abs=1e-4)
        assert row["latency_ms"] == pytest.approx(
            sum(step["latency_ms"] for step in row["steps"]), abs=1e-3
        )


def test_opacity_reaches_the_overlay(tiny_bundle: Path, picture: Path, tmp_path: Path) -> None:
    _segment(tiny_bundle, picture, "--out", tmp_path, "--opacity", 0)
    assert (load_image(tmp_path / "street_overlay.png") == scene(96, 128)).all()


def test_wrong_use_is_refused_before_anything_is_written(
    tiny_bundle: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    twin = tmp_path / "copies" / "street.jpg"
    cases = [
        (
            (tiny_bundle, picture, "--tier", "ligth"),
            r"`tier` must be one of light, .*; got 'ligth'",
        ),
        ((tiny_bundle, picture, "--tier", "light", "--within", 5), "exclude each other"),
        (
            (tiny_bundle, picture, "--tier", "heavy", "--adaptive"),
            "`--tier` and `--adaptive` exclude each other; expected one, got 2",
        ),
        ((tiny_bundle, picture, "--within", 5, "--adaptive"), "`--within` and `--adaptive` ex"),
        ((tiny_bundle, picture, "--threshold", 0.5), "`--threshold` needs `--adaptive`; got"),
        (
            (tiny_bundle, picture, "--tier", "heavy", "--configuration", "heavy"),
            "`--configuration` needs `--adaptive`; got `--configuration heavy` alone",
        ),
        (
            (tiny_bundle, picture, "--adaptive", "--configuration", "light"),
            r"`configuration` must be one with stages \(heavy\).*got 'light'",
        ),
        (
            (tiny_bundle, picture, twin),
            r"name of its own each.*got .*street\.png and .*street\.jpg",
        ),
        ((tiny_bundle, tmp_path / "gone.png"), r"gone\.png must be an image .*no such file"),
        ((tmp_path / "gone.tflite", picture), r"gone\.tflite must be a bundle .*no such file"),
        ((picture, picture), r"street\.png is not a bundle"),
        ((tiny_bundle, tiny_bundle), r"tiny\.tflite must be a whole image"),
    ]
    for arguments, message in cases:
        with pytest.raises(TiersegError, match=message):
            _segment(*arguments, "--out", out)
    assert not out.exists()


def test_a_bad_image_leaves_the_finished_ones_whole(
    tiny_bundle: Path, picture: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    with pytest.raises(TiersegError, match=r"bad\.jpg must be a whole image"):
        _segment(tiny_bundle, picture, bad, "--out", tmp_path / "out")
    assert _left(tmp_path / "out") == {"street_mask.png", "street_overlay.png"}


def _process(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN + code, "segment", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tiny_bundle: Path, picture: Path, tmp_path: Path
) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
    code += "sys.exit(command_line.main())"
    process = _process(code, tiny_bundle, picture, "--out", tmp_path / "out")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    lines = [line for line in error.splitlines() if not line.startswith("INFO: ")]
    assert lines == [f"Error: {tmp_path / 'out' / 'street_mask.png'}: File too large"]
    assert _left(tmp_path / "out") == set()


def test_ctrl_c_ends_with_130_and_leaves_only_whole_files(
    tiny_bundle: Path, picture: Path, tmp_path: Path
) -> None:
    images = []
    for place in range(400):
        images.append(tmp_path / f"image{place}.png")
        images[-1].symlink_to(picture)
    out = tmp_path / "out"
    # As at a terminal: what a shell starts in the background ignores the signal, and so would this.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "sys.exit(command_line.main())"
    process = _process(code, tiny_bundle, *images, "--out", out)
    deadline = time.monotonic() + 60
    while not (out / "image0_mask.png").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "Interrupted." in error
    names = _left(out)
    assert 1 <= len(names) < 2 * len(images)
    assert not [name for name in names if name.endswith(".partial")]
    for name in names:
        load_image(out / name)
