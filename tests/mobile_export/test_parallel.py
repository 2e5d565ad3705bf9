"""Trainings side by side: results in order, one thread each, errors told."""

import operator
import os

import pytest

from mobile_export.experiments.parallel import side_by_side


def test_results_come_in_the_order_of_the_jobs() -> None:
    assert side_by_side(operator.truediv, [(6, 2), (1, 4), (9, 3)]) == [3.0, 0.25, 3.0]


def test_each_process_has_one_thread_and_the_environment_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    names = ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
    assert side_by_side(os.getenv, [(name,) for name in names]) == ["1", "1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


def test_an_error_of_a_job_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(operator.truediv, [(1, 1), (1, 0)])
