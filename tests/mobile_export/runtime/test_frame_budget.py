"""The rule of the governor, on replayed traces of devices that heat up."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from mobile_export.runtime import FrameBudget, TiersegError
from tests.mobile_export.runtime.throttling import (
    NOMINAL_MS,
    QUALITY,
    TARGET_MS,
    TRACES,
    Frame,
    replay,
)

NOISES = [0.0, 0.05, 0.1]
STEADY = ["cool", "at the edge", "past the edge"]
RECORDED = Path(__file__).with_name("governor_traces.json")


def budget(target_ms: float = TARGET_MS) -> FrameBudget:
    return FrameBudget(NOMINAL_MS, QUALITY, target_ms)


def held(frames: list[Frame]) -> float:
    """Share of the frames within the budget, of those that the fastest tier could hold."""
    possible = [f for f in frames if 1.1 * NOMINAL_MS["light"] * f.slowdown < TARGET_MS]
    return sum(f.total_ms <= TARGET_MS for f in possible) / len(possible)


def switch_times(frames: list[Frame]) -> list[float]:
    return [after.now_s for before, after in pairwise(frames) if before.tier != after.tier]


@pytest.mark.parametrize("spikes", [0.0, 0.02], ids=["", "spikes"])
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("trace", TRACES)
def test_nineteen_of_twenty_frames_hold_the_budget(trace: str, noise: float, spikes: float) -> None:
    for seed in range(2):
        frames = replay(budget(), TRACES[trace], noise, seed=seed, spikes=spikes)
        assert held(frames) >= 0.95


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("trace", STEADY)
def test_a_steady_device_makes_no_oscillation(trace: str, noise: float) -> None:
    for seed in range(2):
        frames = replay(budget(), TRACES[trace], noise, seconds=120, seed=seed)
        times = switch_times(frames)
        assert all(later - earlier >= 1 for earlier, later in pairwise(times))
        assert len([time for time in times if time > 60]) <= 2


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("trace", [*STEADY, "ramp", "ramp down", "spell"])
def test_the_best_tier_that_fits_is_run(trace: str, noise: float) -> None:
    """Of the quality that an oracle would reach, 90 % at the least."""
    frames = replay(budget(), TRACES[trace], noise)
    fitting = [
        max(q for t, q in QUALITY.items() if (NOMINAL_MS[t] + 1) * f.slowdown < 0.95 * TARGET_MS)
        for f in frames
    ]
    assert sum(QUALITY[f.tier] for f in frames) >= 0.9 * sum(fitting)


def test_a_sudden_slowdown_is_met_within_four_frames() -> None:
    frames = replay(budget(), TRACES["step"], noise=0.0)
    slow = [f for f in frames if f.slowdown > 1]
    missed = [place for place, f in enumerate(slow) if f.total_ms > TARGET_MS]
    assert missed == [0, 1, 2, 3]
    noisy = [f for f in replay(budget(), TRACES["step"], noise=0.1) if f.slowdown > 1]
    assert "heavy" in {f.tier for f in noisy[:4]}
    assert "heavy" not in {f.tier for f in noisy[4:]}


def test_a_device_that_is_fast_again_gets_its_best_tier_back() -> None:
    frames = replay(budget(), TRACES["spell"], noise=0.05)
    assert {f.tier for f in frames if f.now_s < 15} == {"heavy"}
    assert {f.tier for f in frames if 16 < f.now_s < 35} == {"medium"}
    assert {f.tier for f in frames if f.now_s > 35 + 2} == {"heavy"}


def test_slow_frames_now_and_then_count_for_nothing() -> None:
    found = budget()
    for place in range(400):
        slow = place % 20 < 1
        found.observe(NOMINAL_MS["heavy"] * (5 if slow else 1), now_s=place / 30)
    assert found.switches == 0


def test_a_tier_that_fails_again_and_again_waits_longer_each_time() -> None:
    """What the tier takes does not follow from what the faster one takes."""
    found = FrameBudget({"light": 10, "heavy": 20}, {"light": 1, "heavy": 2}, target_ms=25)
    rises, now = [], 0.0
    while now < 120:
        now += 0.033
        tier = found.tier
        found.observe(10 if tier == "light" else 40, now)
        if (tier, found.tier) == ("light", "heavy"):
            rises.append(now)
    gaps = [later - earlier for earlier, later in pairwise(rises)]
    assert len(rises) >= 4
    assert gaps == sorted(gaps)
    assert gaps[-1] > 4 * gaps[0]


def test_a_tier_that_a_faster_one_beats_is_never_run() -> None:
    found = FrameBudget({"a": 5, "b": 9, "c": 12}, {"a": 0.5, "b": 0.4, "c": 0.6}, target_ms=100)
    assert found.tiers == ("a", "c")
    assert found.tier == "c"


def test_overhead_counts_but_does_not_scale_with_the_tier() -> None:
    found = budget()
    for place in range(60):
        found.observe(NOMINAL_MS[found.tier], now_s=place / 30, overhead_ms=16.0)
    assert found.expected_ms("light") == pytest.approx(NOMINAL_MS["light"] + 16)
    assert found.tier == "medium"


def test_no_tier_fits_runs_the_fastest() -> None:
    found = budget(target_ms=2.0)
    assert found.tier == "light"
    for place in range(90):
        assert found.observe(8.0, now_s=place / 30) == "light"
    assert found.switches == 0


def test_a_new_target_is_followed() -> None:
    found = budget()
    assert found.tier == "heavy"
    found.target_ms = 12.0
    for place in range(3):
        found.observe(NOMINAL_MS[found.tier], now_s=place / 30)
    assert found.tier == "medium"
    found.target_ms = 100.0
    for place in range(60):
        found.observe(NOMINAL_MS[found.tier], now_s=1 + place / 30)
    assert found.tier == "heavy"


@pytest.mark.parametrize(
    ("nominal", "quality", "target", "message"),
    [
        ({}, {}, 10, "`quality` must be of the tiers of `nominal_ms` (none)"),
        ({"a": 1}, {"b": 1}, 10, "`quality` must be of the tiers of `nominal_ms` (a), one or more"),
        ({"a": 0}, {"a": 1}, 10, "`nominal_ms` of a must be above 0, got 0"),
        ({"a": 1}, {"a": 1}, 0, "`target_ms` must be above 0, got 0"),
        ({"a": 1}, {"a": 1}, float("nan"), "`target_ms` must be above 0, got nan"),
    ],
)
def test_bad_input_is_refused(
    nominal: dict[str, float], quality: dict[str, float], target: float, message: str
) -> None:
    with pytest.raises(TiersegError) as caught:
        FrameBudget(nominal, quality, target)
    assert message in str(caught.value)


@pytest.mark.parametrize("recorded", json.loads(RECORDED.read_text()), ids=lambda r: r["name"])
def test_recorded_traces_give_the_recorded_tiers(recorded: dict) -> None:
    """The same file is replayed by clients in other languages."""
    found = FrameBudget(recorded["nominal_ms"], recorded["quality"], recorded["target_ms"])
    tiers = [found.tier]
    for now_s, ratio, overhead_ms in recorded["frames"]:
        latency_ms = recorded["nominal_ms"][found.tier] * ratio
        tiers.append(found.observe(latency_ms, now_s, overhead_ms))
    runs = [[tiers[0], 0]]
    for place, tier in enumerate(tiers):
        if tier != runs[-1][0]:
            runs.append([tier, place])
    assert runs == recorded["runs"]
