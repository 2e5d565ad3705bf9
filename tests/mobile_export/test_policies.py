"""Words that name exit policies."""

import pytest

from kit.search import ExitPolicy
from mobile_export.policies import POLICIES, THRESHOLDS, parse_policies
from mobile_export.runtime import TiersegError


def test_a_word_names_a_grid() -> None:
    assert parse_policies(["top1+edges:0.8,0.9"]) == (
        ExitPolicy("top1", 0.8, True),
        ExitPolicy("top1", 0.9, True),
    )
    assert parse_policies(["entropy"]) == tuple(
        ExitPolicy("entropy", threshold) for threshold in THRESHOLDS["entropy"]
    )


def test_what_is_named_twice_counts_once() -> None:
    assert parse_policies(["top1:0.5", "entropy:0.5", "top1:0.50,.5"]) == (
        ExitPolicy("top1", 0.5),
        ExitPolicy("entropy", 0.5),
    )


def test_the_default_tries_everything() -> None:
    assert len(POLICIES) == 2 * (6 + 5) == len(set(POLICIES))
    assert {(policy.measure, policy.edge_aware) for policy in POLICIES} == {
        (measure, edges) for measure in ("top1", "entropy") for edges in (False, True)
    }
    assert ExitPolicy() in POLICIES


@pytest.mark.parametrize("word", ["", "top2", "top1+", "top1:", "edges+top1", "top1:0.5;0.6"])
def test_what_is_no_policy_is_named(word: str) -> None:
    with pytest.raises(TiersegError, match=r"a policy must be MEASURE\[\+edges\]"):
        parse_policies([word])


@pytest.mark.parametrize("word", ["top1:0", "top1:0.5,1.0", "top1:1.5", "top1:0.5,", "top1:0.5.1"])
def test_thresholds_lie_between_0_and_1(word: str) -> None:
    with pytest.raises(TiersegError, match="must be numbers between 0 and 1; got 'top1:"):
        parse_policies([word])
