"""The Kotlin governor's rule chooses, frame for frame, what the Python one chooses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import FrameBudget
from tests.mobile_export.clients.android.kotlin_program import ask

pytestmark = pytest.mark.clients

_RECORDED = Path(__file__).parents[2] / "runtime" / "governor_traces.json"
_SEEDS = range(6)


def _recorded(trace: dict[str, Any]) -> dict[str, Any]:
    """A recorded trace with the time that each frame takes on the tier that ran it."""
    tiers = _tiers(trace)
    frames = [
        {"now_s": now_s, "latency_ms": trace["nominal_ms"][tier] * ratio, "overhead_ms": overhead}
        for tier, (now_s, ratio, overhead) in zip(tiers, trace["frames"], strict=False)
    ]
    return {key: trace[key] for key in ("nominal_ms", "quality", "target_ms")} | {"frames": frames}


def _tiers(trace: dict[str, Any]) -> list[str]:
    """The tier of each frame, of the runs that the trace lists, and of the one after the last."""
    ends = [start for _, start in trace["runs"][1:]] + [len(trace["frames"]) + 1]
    return [
        tier
        for (tier, start), end in zip(trace["runs"], ends, strict=True)
        for _ in range(start, end)
    ]


def _random(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A device of random tiers and speeds, and what the Python rule makes of it."""
    random = np.random.default_rng(seed)
    names = [f"tier{place}" for place in range(random.integers(1, 8))]
    question: dict[str, Any] = {
        "nominal_ms": dict(zip(names, random.uniform(2, 40, len(names)).tolist(), strict=True)),
        "quality": dict(zip(names, random.integers(1, 9, len(names)).tolist(), strict=True)),
        "target_ms": 33.0,
        "frames": [],
    }
    budget = FrameBudget(question["nominal_ms"], question["quality"], 33.0)
    first, tiers, now_s = budget.tier, [], 0.0
    for place in range(1500):
        slow = 1 + 3 * np.sin(place / 80) ** 2 + 2 * (place % 97 == 0)
        latency_ms = question["nominal_ms"][budget.tier] * slow * random.normal(1, 0.05)
        overhead_ms = random.uniform(0, 3)
        now_s += max(0.02, (latency_ms + overhead_ms) / 1000)
        frame = {"now_s": now_s, "latency_ms": latency_ms, "overhead_ms": overhead_ms}
        if place == 700:
            frame["target_ms"] = budget.target_ms = 25.0
        question["frames"].append(frame)
        tiers.append(budget.observe(latency_ms, now_s, overhead_ms))
    expected = {
        "ladder": list(budget.tiers),
        "first": first,
        "tiers": tiers,
        "switches": budget.switches,
        "slowdown": budget.slowdown,
    }
    return question, expected


@pytest.fixture(scope="module")
def traces() -> list[dict[str, Any]]:
    return json.loads(_RECORDED.read_text())


def test_recorded_traces(contract_jar: Path, tmp_path: Path, traces: Any) -> None:
    questions = {"frames": [_recorded(trace) for trace in traces]}
    answers = ask(contract_jar, tmp_path, questions)["frames"]
    for trace, answer in zip(traces, answers, strict=True):
        first, *later = _tiers(trace)
        assert answer["first"] == first
        assert answer["tiers"][: len(later)] == later, trace["name"]
        assert answer["switches"] == len(trace["runs"]) - 1
    assert sum(answer["switches"] for answer in answers) > 20


def test_random_devices(contract_jar: Path, tmp_path: Path) -> None:
    questions, expected = zip(*(_random(seed) for seed in _SEEDS), strict=True)
    assert ask(contract_jar, tmp_path, {"frames": questions})["frames"] == list(expected)
    assert sum(item["switches"] for item in expected) > 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_ms": 0}, "`targetMs` must be above 0, got 0.0"),
        ({"nominal_ms": {"light": 0}}, "`nominalMs` of light must be above 0, got 0.0"),
        (
            {"quality": {"heavy": 1}},
            "`quality` must be of the tiers of `nominalMs` (light), one or more; got heavy",
        ),
    ],
)
def test_bad_input_is_refused(
    change: dict[str, Any], message: str, contract_jar: Path, tmp_path: Path
) -> None:
    right = {"nominal_ms": {"light": 4}, "quality": {"light": 1}, "target_ms": 33, "frames": []}
    assert ask(contract_jar, tmp_path, {"frames": [right | change]})["frames"] == [
        {"error": message}
    ]
