"""Shares and times of several pictures."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from demo_app.choice import Choice
from demo_app.several import leaves_at, mean_ms, share_chart, shares
from mobile_export.runtime import Segmenter, Step
from tests.tiny_bundle import EXITS, HEIGHT, WIDTH, clear_from

Page = Callable[[], AppTest]


def _run(*confidences: float) -> tuple[Step, ...]:
    """One picture through three exits of 1, 2 and 4 ms."""
    exits = zip("abc", confidences, (1.0, 2.0, 4.0), strict=True)
    return tuple(Step(tier, confidence, spent) for tier, confidence, spent in exits)


THRESHOLDS = {"a": 0.7, "b": 0.8, "c": 0.0}
RUNS = [_run(0.7, 0, 0), _run(0.69, 0.8, 1), _run(0.1, 0.79, 0), _run(1, 1, 1)]


def test_each_picture_is_counted_at_the_first_exit_that_is_sure() -> None:
    assert [leaves_at(run, THRESHOLDS) for run in RUNS] == [0, 1, 2, 0]
    assert shares(RUNS, THRESHOLDS) == [
        {"tier": "a", "pictures": 2, "share": 0.5},
        {"tier": "b", "pictures": 1, "share": 0.25},
        {"tier": "c", "pictures": 1, "share": 0.25},
    ]


def test_the_means_are_of_the_stages_that_would_run() -> None:
    assert mean_ms(RUNS, THRESHOLDS) == ((1 + 3 + 7 + 1) / 4, 7)
    assert mean_ms(RUNS, dict.fromkeys("abc", 0.0)) == (1, 7)


@pytest.mark.parametrize("threshold", [None, 0.0, 0.2, 0.9, 1.0])
def test_pictures_leave_where_the_segmenter_lets_them(
    tiny_bundle: Path, threshold: float | None
) -> None:
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    noise = np.random.default_rng(1).integers(0, 256, (6, HEIGHT, WIDTH, 3)).astype(np.uint8)
    thresholds = Choice("heavy", None, threshold).thresholds(segmenter)
    for image in (*(clear_from(tier) for tier in EXITS), *noise):
        steps = segmenter.anytime(image, float("inf")).steps
        left = segmenter.adaptive(image, threshold=threshold).tier
        assert steps[leaves_at(steps, thresholds)].tier == left


def test_the_chart_has_a_bar_for_each_exit() -> None:
    rows = [{"exit": "exit 1", "pictures": 3, "share": 0.75}]
    drawn = share_chart(rows, "#123456").to_dict()
    bars, counts = drawn["layer"]
    assert drawn["data"]["values"] == rows
    assert bars["mark"]["color"] == "#123456"
    assert bars["encoding"]["x"]["field"] == "share"
    assert counts["encoding"]["text"]["field"] == "pictures"


def _adaptive(page: Page) -> AppTest:
    test = page()
    test.segmented_control[2].set_value("adaptive").run()
    return test


def _press(test: AppTest) -> AppTest:
    (button,) = test.button
    button.click().run()
    assert not test.exception
    assert not test.error
    return test


def _shown(test: AppTest) -> dict[str, int]:
    """Pictures by exit, as the page's chart of shares has them."""
    for chart in test.get("vega_lite_chart"):
        rows = pa.ipc.open_stream(chart.proto.data.data).read_all().to_pylist()
        if "pictures" in rows[0]:
            return {row["exit"]: row["pictures"] for row in rows}
    return {}


def _times(test: AppTest) -> dict[str, float]:
    return {
        metric.label: float(metric.value.split()[0])
        for metric in test.metric
        if metric.label.startswith("Mean time")
    }


def test_the_sample_pictures_are_counted_and_the_threshold_moves_them(exit_page: Page) -> None:
    test = _adaptive(exit_page)
    assert test.expander[0].label == "Over several pictures"
    assert test.button[0].label == "Run over 3 pictures"
    assert not _times(test)
    _press(test)
    assert _shown(test) == {"exit 1": 1, "exit 2": 1, "final": 1}
    times = _times(test)
    assert 0 < times["Mean time, adaptive"] <= times["Mean time, always to the end"]
    test.toggle[0].set_value(False).run()
    for percent, counts in ((0, [3, 0, 0]), (100, [0, 2, 1])):
        test.slider[0].set_value(percent).run()
        assert list(_shown(test).values()) == counts
    assert _times(test)["Mean time, always to the end"] == times["Mean time, always to the end"]


def _png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def _uploader(test: AppTest, label: str) -> Any:
    (found,) = [uploader for uploader in test.file_uploader if label in uploader.label]
    return found


def _upload(test: AppTest, *contents: bytes) -> None:
    files: Any = [(f"own{k}.png", content, "image/png") for k, content in enumerate(contents)]
    _uploader(test, "a folder of your own").set_value(files).run()


def test_own_pictures_count_beside_the_samples(exit_page: Page) -> None:
    test = _press(_adaptive(exit_page))
    _upload(test, *[_png(clear_from("heavy_exit2"))] * 4, _png(clear_from("heavy")))
    assert test.button[0].label == "Run over 8 pictures"
    assert _shown(test) == {}  # what was run is of other pictures
    _press(test)
    assert _shown(test) == {"exit 1": 1, "exit 2": 5, "final": 2}


def test_a_bad_picture_is_one_error(exit_page: Page) -> None:
    test = _adaptive(exit_page)
    _upload(test, b"no picture")
    test.button[0].click().run()
    assert not test.exception
    assert [error.value.startswith("own0.png must be a whole image") for error in test.error] == [
        True
    ]
    assert len(test.metric) == 1  # the rest of the page stands


def test_without_pictures_there_is_nothing_to_press(exit_page: Page, assets: Path) -> None:
    for path in (assets / "samples").iterdir():
        path.unlink()
    test = exit_page()
    own = ("own.png", _png(clear_from("heavy")), "image/png")
    _uploader(test, "your own picture").set_value(own).run()
    test.segmented_control[2].set_value("adaptive").run()
    assert test.button[0].disabled
