"""The segmenter: tiers, times, threads, and what it refuses."""

import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.runtime.interpreter import Interpreter
from tests.tiny_bundle import (
    HEIGHT,
    MIOU,
    STAGES,
    TIERS,
    WIDTH,
    expected_mask,
    packed,
    scene,
    stripes,
    tiny_metadata,
)

TIMES = {
    "light": 1.0,
    "light_24x32": 0.5,
    "medium": 2.0,
    "heavy_exit1": 1.8,
    "heavy_exit2": 3.0,
    "heavy": 4.0,
}


@pytest.fixture
def segmenter(tiny_bundle: Path) -> Segmenter:
    return Segmenter(tiny_bundle, threads=1, warm_up="none")


def _with_metadata(model: bytes, **changes: Any) -> Bundle:
    return Bundle.from_bytes(packed(model, {**tiny_metadata(model), **changes}), "changed.tflite")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (97, 131), (24, 30), (480, 640)])
def test_every_tier_segments_images_of_every_size(
    segmenter: Segmenter, tier: str, size: tuple[int, int]
) -> None:
    result = segmenter(scene(*size), tier)
    assert result.mask.shape == size
    assert result.mask.dtype == np.uint8
    assert (result.mask == expected_mask(*size)).mean() > 0.9
    assert result.tier == tier
    assert 0.85 < result.confidence <= 1
    assert 0 < result.latency_ms <= result.total_ms


def test_native_mask_keeps_the_size_of_the_network(segmenter: Segmenter) -> None:
    result = segmenter(scene(97, 131), "light", native=True)
    assert result.mask.shape == segmenter.image_size == (HEIGHT, WIDTH)


def test_tiers_come_lightest_first_and_stages_are_none(segmenter: Segmenter) -> None:
    assert segmenter.tiers == TIERS
    assert segmenter.default_tier == "heavy"
    assert segmenter(scene()).tier == "heavy"
    assert [label.name for label in segmenter.labels] == ["brick", "grass", "water", "snow"]


def test_tiers_differ_in_their_masks(segmenter: Segmenter) -> None:
    masks = {tier: segmenter(stripes(4), tier).mask.tobytes() for tier in ("light", "heavy")}
    assert masks["light"] != masks["heavy"]


def test_info_gives_sizes_and_figures_of_a_tier(segmenter: Segmenter) -> None:
    info = segmenter.info("light_24x32")
    assert (info.input_size, info.mask_size) == ((24, 32), (HEIGHT, WIDTH))
    assert info.figure("miou") == MIOU["light_24x32"]
    assert info.figure("parameters") == 2000
    assert info.figure("dice") is None


def test_confidence_is_the_share_of_sure_pixels(segmenter: Segmenter) -> None:
    unsure = np.full((HEIGHT, WIDTH, 3), 140, np.uint8)
    half = scene()
    half[:, : WIDTH // 2] = 140
    assert segmenter(unsure, "light").confidence == 0
    assert segmenter(half, "light").confidence == pytest.approx(0.5, abs=0.1)


def test_a_mask_outlives_the_next_call(segmenter: Segmenter) -> None:
    first = segmenter(scene(), "light").mask
    before = first.copy()
    segmenter(scene()[::-1], "light")
    assert_array_equal(first, before)


@pytest.mark.parametrize("warm_up", ["background", "load", "none"])
def test_every_warm_up_prepares_each_tier_once_before_it_serves(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, warm_up: Any
) -> None:
    calls: list[str] = []
    call = Interpreter._call

    def counted(self: Interpreter, key: str, *arguments: Any) -> Any:
        calls.append(key)
        return call(self, key, *arguments)

    monkeypatch.setattr(Interpreter, "_call", counted)
    segmenter = Segmenter(tiny_bundle, threads=1, warm_up=warm_up)
    _join_warm_up()
    assert calls == ([] if warm_up == "none" else [*TIERS, *STAGES])
    segmenter(scene(), "medium")
    assert calls.count("medium") == 2


def test_the_first_call_does_not_wait_for_all_warm_ups(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, gates = Interpreter._call, {key: threading.Event() for key in (*TIERS, *STAGES)}
    warming = threading.Event()

    def gated(self: Interpreter, key: str, *arguments: Any) -> Any:
        if threading.current_thread().name == "tierseg-warm-up":
            warming.set()
            gates[key].wait(10)
        return call(self, key, *arguments)

    monkeypatch.setattr(Interpreter, "_call", gated)
    segmenter = Segmenter(tiny_bundle, threads=1, warm_up="background")
    results = []
    caller = threading.Thread(target=lambda: results.append(segmenter(scene(), "heavy")))
    assert warming.wait(10)
    caller.start()
    deadline = time.monotonic() + 10
    while not segmenter._interpreter._turn.locked() and time.monotonic() < deadline:
        time.sleep(0.001)  # until the caller stands in line behind the tier that warms up
    gates["light"].set()  # the other tiers' warm-ups stay held up
    caller.join(10)
    assert [result.tier for result in results] == ["heavy"]
    for gate in gates.values():
        gate.set()
    _join_warm_up()


def _join_warm_up() -> None:
    for thread in threading.enumerate():
        if thread.name == "tierseg-warm-up":
            thread.join(10)


def test_threads_share_one_segmenter(tiny_bundle: Path) -> None:
    segmenter = Segmenter(tiny_bundle, threads=1)
    images = [scene(), scene()[::-1].copy(), scene()[:, ::-1].copy()]
    expected = {
        (tier, place): segmenter(image, tier).mask
        for tier in TIERS
        for place, image in enumerate(images)
    }
    wrong: list[tuple[str, int]] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            key = TIERS[rng.integers(len(TIERS))], int(rng.integers(len(images)))
            if not np.array_equal(segmenter(images[key[1]], key[0]).mask, expected[key]):
                wrong.append(key)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_latencies_are_running_medians_of_the_tiers_that_ran(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert segmenter.latencies() == {}
    run, times = Interpreter.run, iter([9.0, 1.0, 2.0, 50.0])
    monkeypatch.setattr(Interpreter, "run", lambda *given: (run(*given)[0], next(times)))
    for tier in ("light", "light", "light", "heavy"):
        segmenter(scene(), tier)
    assert segmenter.latencies() == {"light": 2.0, "heavy": 50.0}


def _timed(monkeypatch: pytest.MonkeyPatch, times: dict[str, float]) -> list[str]:
    """Makes each tier take a known time; returns the log of runs."""
    runs: list[str] = []

    def run(self: Interpreter, signature: str, inputs: Any) -> Any:
        runs.append(signature)
        return {}, times[signature]

    monkeypatch.setattr(Interpreter, "run", run)
    return runs


@pytest.mark.parametrize(
    ("budget_ms", "tier"),
    [(100, "heavy"), (4, "heavy"), (3.9, "heavy_exit2"), (2.9, "medium"), (1, "light")],
)
def test_fastest_within_names_the_best_measured_tier_that_fits(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, budget_ms: float, tier: str
) -> None:
    _timed(monkeypatch, TIMES)
    assert segmenter.fastest_within(budget_ms) == tier


def test_fastest_within_trusts_quality_above_cost(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = tiny_metadata(tiny_model_bytes)["tiers"]
    odd = [{**tier, "miou": 0.9 if tier["name"] == "medium" else 0.5} for tier in tiers]
    segmenter = Segmenter(_with_metadata(tiny_model_bytes, tiers=odd), warm_up="none")
    _timed(monkeypatch, TIMES)
    assert segmenter.fastest_within(100) == "medium"


def test_fastest_within_falls_back_to_dice_then_to_the_order_of_the_metadata(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = tiny_metadata(tiny_model_bytes)["tiers"]
    _timed(monkeypatch, TIMES)
    for tier in tiers:
        tier["dice"] = 0.9 if tier["name"] == "medium" else 0.5
    tiers[0].pop("miou")
    dice = Segmenter(_with_metadata(tiny_model_bytes, tiers=tiers), warm_up="none")
    assert dice.fastest_within(100) == "medium"
    tiers[0].pop("dice")
    order = Segmenter(_with_metadata(tiny_model_bytes, tiers=tiers), warm_up="none")
    assert order.fastest_within(100) == "heavy"
    assert order.fastest_within(1) == "light_24x32"


def test_fastest_within_takes_the_slowest_where_the_file_tells_nothing(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(Bundle.from_bytes(tiny_model_bytes), warm_up="none")
    _timed(monkeypatch, TIMES)
    assert segmenter.fastest_within(100) == "heavy"
    assert segmenter.fastest_within(3) == "heavy_exit2"


def test_fastest_within_measures_once_and_in_turns(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _timed(monkeypatch, TIMES)
    segmenter.fastest_within(100)
    assert runs == list(TIERS) * 5
    segmenter.fastest_within(1)
    assert len(runs) == 5 * len(TIERS)


def test_fastest_within_names_the_nearest_when_none_fits(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    _timed(monkeypatch, TIMES)
    message = r"`budget_ms` must be at least 0\.50, .*\(light_24x32\).*; got 0\.1"
    with pytest.raises(TiersegError, match=message):
        segmenter.fastest_within(0.1)


def test_measure_really_runs_the_tiers(segmenter: Segmenter) -> None:
    measured = segmenter.measure(runs=3)
    assert tuple(measured) == TIERS
    assert all(0 < value < 1000 for value in measured.values())
    assert segmenter.latencies() == {}


def test_a_bundle_without_metadata_runs_with_what_its_signatures_tell(
    tiny_model_bytes: bytes,
) -> None:
    segmenter = Segmenter(Bundle.from_bytes(tiny_model_bytes), warm_up="none")
    assert set(segmenter.tiers) == set(TIERS)
    assert segmenter.default_tier in TIERS
    assert segmenter.labels == ()
    assert (segmenter(scene(), "light").mask == expected_mask()).mean() > 0.9


def test_metadata_may_name_a_tier_otherwise_than_its_signature(tiny_model_bytes: bytes) -> None:
    tiers = [{"name": "small", "signature": "light"}, {"name": "large", "signature": "heavy"}]
    bundle = _with_metadata(tiny_model_bytes, tiers=tiers, default_tier="small")
    segmenter = Segmenter(bundle, warm_up="none")
    assert segmenter.tiers == ("small", "large")
    assert_array_equal(
        segmenter(scene(), "large").mask,
        Segmenter(Bundle.from_bytes(tiny_model_bytes))(scene(), "heavy").mask,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiers": [{"name": "huge"}]}, "lists a tier that the model lacks.*light.*got 'huge'"),
        ({"tiers": ["light"]}, "lists a tier that the model lacks.*got None"),
        ({"tiers": []}, "must list the tiers .*light.*; got none"),
        ({"default_tier": "huge"}, "`tier` must be one of light.*changed.tflite; got 'huge'"),
    ],
)
def test_metadata_that_does_not_fit_the_model_is_refused(
    tiny_model_bytes: bytes, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TiersegError, match=message):
        Segmenter(_with_metadata(tiny_model_bytes, **changes), warm_up="none")


def test_an_unknown_tier_is_refused_with_the_valid_names(
    segmenter: Segmenter, tiny_bundle: Path
) -> None:
    names = ", ".join(TIERS)
    message = f"`tier` must be one of {names} in {tiny_bundle}; got 'ligth'"
    with pytest.raises(TiersegError, match=re.escape(message)):
        segmenter(scene(), "ligth")


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros((4, 4, 3), np.float32), r"got float32 \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"got uint8 \(0, 4, 3\)"),
        ("street.jpg", "got str"),
    ],
)
def test_what_is_no_image_is_refused(segmenter: Segmenter, image: Any, received: str) -> None:
    with pytest.raises(TiersegError, match=rf"`image` must be a uint8 array .*{received}"):
        segmenter(image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "`threads` must be an integer from 1, got 0"),
        ({"warm_up": "later"}, "`warm_up` must be one of background, load, none; got 'later'"),
    ],
)
def test_wrong_arguments_are_refused(
    tiny_bundle: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TiersegError, match=message):
        Segmenter(tiny_bundle, **arguments)


def test_measure_needs_a_run(segmenter: Segmenter) -> None:
    with pytest.raises(TiersegError, match="`runs` must be an integer from 1, got 0"):
        segmenter.measure(runs=0)
