"""What a candidate accepts, and that it round-trips as plain data."""

import json
from typing import Any

import pytest

from kit.errors import InputError
from kit.search import Candidate, ExitPolicy

POLICY = ExitPolicy()
CANDIDATES = [
    Candidate("final"),
    Candidate("budgeted", (3,)),
    Candidate("anytime", (1, 3), miou=0.6, dice=0.7, drop=1.5, shares=(0, 0, 1), deadline_miou=0.4),
    Candidate(
        "input-dependent",
        (2,),
        (ExitPolicy("entropy", 0.25, edge_aware=True),),
        (0.1,),
        miou=0.1 + 0.2,
        dice=0.5,
        drop=-0.5,
        shares=(0.25, 0.75),
        mean={"latency_ms": 2.5},
        worst={"latency_ms": 4.0},
    ),
]


@pytest.mark.parametrize("candidate", CANDIDATES[2:], ids=lambda candidate: candidate.setting)
def test_a_scored_candidate_comes_back(candidate: Candidate) -> None:
    assert Candidate.from_dict(json.loads(json.dumps(candidate.to_dict()))) == candidate


@pytest.mark.parametrize("candidate", CANDIDATES[:2], ids=lambda candidate: candidate.setting)
def test_a_choice_without_figures_comes_back(candidate: Candidate) -> None:
    content = json.loads(json.dumps(candidate.to_dict()))
    assert "miou" not in content
    again = Candidate.from_dict(content)
    assert (again.setting, again.exits) == (candidate.setting, candidate.exits)


def test_quality_is_that_over_deadlines_where_there_is_one() -> None:
    assert CANDIDATES[2].quality == 0.4
    assert CANDIDATES[3].quality == CANDIDATES[3].miou


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dynamic",), "`setting` must be one of final, budgeted, input-dependent, anytime"),
        (("final", (1,)), "`exits` must be none of the early exits"),
        (("budgeted",), "`exits` must be one of the early exits"),
        (("budgeted", (1, 2)), r"`exits` must be one .*received: \(1, 2\)"),
        (("anytime",), "`exits` must be one or more of the early exits"),
        (("anytime", (2, 1)), "`exits` must be .*ascending"),
        (("anytime", (1, 1)), "`exits` must be .*ascending"),
        (("anytime", (0, 1)), "`exits` must be .*numbered from 1"),
        (("input-dependent",), "`exits` must be one or more of the early exits"),
        (("input-dependent", (1,)), r"`policies` must hold 1 for the exits \(1,\)"),
        (("input-dependent", (1,), (POLICY,), (0.5, 0.5)), "`image_thresholds` must hold 1 for"),
        (("budgeted", (1,), (POLICY,)), "`policies` must hold 0 for"),
        (("input-dependent", (1,), (POLICY,), (1.5,)), r"from 0 to 1; received: \[1.5\]"),
        (("input-dependent", (1,), (POLICY,), (-0.1,)), r"from 0 to 1; received: \[-0.1\]"),
        (("input-dependent", (1,), (POLICY,), (float("nan"),)), "from 0 to 1; received"),
    ],
)
def test_wrong_choices_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Candidate(*arguments)


@pytest.mark.parametrize("content", [{}, {"setting": "final", "exit": 1}, {"policies": [1]}])
def test_wrong_content_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="`content` must be what Candidate"):
        Candidate.from_dict(content)
