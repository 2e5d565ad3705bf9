"""Projections of complexity: known distributions, hand-computed lines, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

from kit.data.complexity_projection import PROJECTIONS, ComplexityProjection
from kit.errors import InputError


def fit(scores: Any, kind: str) -> ComplexityProjection:
    return ComplexityProjection.fit(np.asarray(scores, float), kind, digest="d")


def test_maxwell_boltzmann_finds_the_parameter_of_its_own_distribution() -> None:
    scores = 30 * np.linalg.norm(np.random.default_rng(0).normal(size=(4000, 3)), axis=1)
    projection = fit(scores, "maxwell_boltzmann")
    assert projection.parameters[0] == pytest.approx(30, rel=0.02)
    uniform = np.sort(projection(scores))
    np.testing.assert_allclose(uniform, np.linspace(0, 1, 4000), atol=0.03)


def test_maxwell_boltzmann_is_the_documented_formula() -> None:
    projection = ComplexityProjection("maxwell_boltzmann", (2.0,), "d")
    x = 3.0
    want = math.erf(x / (math.sqrt(2) * 2))
    want -= math.sqrt(2 / math.pi) * x / 2 * math.exp(-(x**2) / 8)
    assert projection(x) == pytest.approx(want)
    assert projection(0.0) == 0
    assert projection(1e3) == 1


def test_maxwell_boltzmann_is_of_least_squares() -> None:
    scores = np.array([1.0, 2.0, 2.5, 6.0, 9.0])
    shares = (np.arange(5) + 0.5) / 5
    (best,) = fit(scores, "maxwell_boltzmann").parameters

    def error(a: float) -> float:
        values = ComplexityProjection("maxwell_boltzmann", (a,), "d")(scores)
        return float(((values - shares) ** 2).sum())

    assert error(best) <= min(error(best * factor) for factor in (0.3, 0.9, 0.999, 1.001, 1.1, 3))


def test_a_line_by_hand() -> None:
    # Shares 1/8, 3/8, 5/8, 7/8: slope 1/8, 0 at 0 and 1 at 8.
    projection = fit([7, 1, 5, 3], "linear")
    assert projection.parameters == pytest.approx((0, 8))
    np.testing.assert_allclose(projection([1, 4, 9]), [1 / 8, 1 / 2, 1])


def test_ranks_by_hand() -> None:
    projection = fit([4, 1, 2, 2], "empirical")
    np.testing.assert_allclose(projection([0, 1, 1.5, 2, 4, 5]), [0, 1 / 8, 1 / 4, 1 / 2, 7 / 8, 1])


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_a_projection_ascends_from_0_to_1_and_survives_as_plain_data(kind: str) -> None:
    projection = fit(np.random.default_rng(1).gamma(4, 5, 50), kind)
    values = projection(np.linspace(0, 200, 401))
    assert values.min() >= 0
    assert values.max() == pytest.approx(1)
    assert (np.diff(values) >= 0).all()
    assert ComplexityProjection(**projection.to_dict()) == projection


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0, 0, 0], r"must differ between images .* got 3 of 0 \(constant images\)"),
        ([5, 5], "must differ between images .* got 2 of 5$"),
        ([], "must be finite"),
        ([1, np.nan], "must be finite"),
        ([1, -1], "0 or more"),
    ],
)
def test_scores_that_tell_nothing_are_refused(kind: str, scores: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(scores, kind)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("maxwell_boltzmann", (0,)),
        ("maxwell_boltzmann", (1, 2)),
        ("linear", (2, 1)),
        ("empirical", (2, 1)),
        ("empirical", ()),
        ("linear", (0, math.inf)),
    ],
)
def test_parameters_of_another_kind_are_refused(kind: str, parameters: tuple) -> None:
    with pytest.raises(InputError, match="`parameters` must be"):
        ComplexityProjection(kind, parameters, "d")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"`projection` must be one of .* got 'sigmoid'"):
        fit([1, 2], "sigmoid")


@pytest.mark.parametrize("other", [("e", "sobel_mean"), ("d", "sobel_std")])
def test_a_projection_of_other_data_is_refused(other: tuple[str, str]) -> None:
    projection = fit([1, 2], "linear")
    projection.check("d", "sobel_mean")
    with pytest.raises(InputError, match="fitted on the data set that it is used for; expected"):
        projection.check(*other)
