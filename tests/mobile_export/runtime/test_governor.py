"""The governor on a segmenter: frames, slowed ones too, and the tier that they run."""

import threading
import time
from pathlib import Path

import pytest

from mobile_export.runtime import Governor, Segmenter, TiersegError
from tests.tiny_bundle import MIOU, TIERS, scene


@pytest.fixture
def segmenter(tiny_bundle: Path) -> Segmenter:
    return Segmenter(tiny_bundle, threads=1, warm_up="load")


def test_frames_run_the_best_tier_that_fits(segmenter: Segmenter) -> None:
    governor = Governor(segmenter, target_ms=1000)
    best = max(TIERS, key=lambda tier: MIOU[tier])
    results = [governor(scene()) for _ in range(3)]
    assert [result.tier for result in results] == [best] * 3
    assert (results[0].mask == segmenter(scene(), best).mask).all()


def test_a_slowed_device_runs_a_faster_tier_and_recovers(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    times = {tier: float(place + 1) for place, tier in enumerate(TIERS)}
    monkeypatch.setattr(segmenter, "measured", lambda: times)
    run = segmenter.__class__.__call__

    def timed(self: Segmenter, image: object, tier: str, *, native: bool = False) -> object:
        result = run(self, image, tier, native=native)
        now[0] += 0.033
        object.__setattr__(result, "latency_ms", times[tier])
        object.__setattr__(result, "total_ms", times[tier] + 0.1)
        return result

    monkeypatch.setattr(Segmenter, "__call__", timed)
    target = 1.2 * max(times.values())
    governor = Governor(segmenter, target, clock=lambda: now[0])
    calm = [governor(scene()) for _ in range(5)]
    slowed = [governor(scene(), slowdown=3.0) for _ in range(20)]
    again = [governor(scene()) for _ in range(120)]
    assert calm[-1].total_ms <= target < slowed[0].total_ms
    assert slowed[0].total_ms == pytest.approx(3 * (times[slowed[0].tier] + 0.1))
    assert slowed[-1].total_ms <= target
    assert MIOU[slowed[-1].tier] < MIOU[calm[-1].tier]
    assert again[-1].tier == calm[-1].tier


def test_only_the_tiers_given_are_run(segmenter: Segmenter) -> None:
    governor = Governor(segmenter, target_ms=1000, tiers=("light", "medium"))
    assert governor.budget.tiers == ("light", "medium")
    assert governor(scene()).tier == "medium"


def test_a_slowed_frame_takes_so_much_longer(segmenter: Segmenter) -> None:
    governor = Governor(segmenter, target_ms=1000)
    start = time.perf_counter()
    result = governor(scene(), slowdown=20.0)
    assert 1000 * (time.perf_counter() - start) >= 0.9 * result.total_ms


def test_threads_may_share_it(segmenter: Segmenter) -> None:
    governor = Governor(segmenter, target_ms=1000)
    tiers: list[str] = []
    threads = [
        threading.Thread(target=lambda: tiers.extend(governor(scene()).tier for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tiers) == 80


def test_bad_input_is_refused(segmenter: Segmenter) -> None:
    with pytest.raises(TiersegError, match="`target_ms` must be above 0"):
        Governor(segmenter, target_ms=-1)
    with pytest.raises(TiersegError, match="`tier` must be one of light"):
        Governor(segmenter, target_ms=10, tiers=("lightest",))
    with pytest.raises(TiersegError, match="`slowdown` must be 1 or more"):
        Governor(segmenter, target_ms=10)(scene(), slowdown=0.5)
