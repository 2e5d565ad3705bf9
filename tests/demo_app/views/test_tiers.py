"""The page *Tiers*, without a browser."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from mobile_export.runtime import Segmenter
from tests.tiny_bundle import MIOU, PLAIN_TIERS, TIERS

VIEW = "views/tiers.py"
TIMES = {tier: 1.0 + place for place, tier in enumerate(TIERS)}


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device of known speed; how often it was measured, and how long."""
    measured: list[int] = []

    def measure(self: Segmenter, runs: int = 5) -> dict[str, float]:
        measured.append(runs)
        self._measured = {tier: TIMES[tier] for tier in self.tiers}
        return self._measured

    monkeypatch.setattr(Segmenter, "measure", measure)
    return measured


def test_every_tier_has_a_row_with_its_time(page: Callable[[], AppTest]) -> None:
    test = page().switch_page(VIEW).run()
    assert not test.exception
    table = test.dataframe[0].value
    assert list(table["tier"]) == list(PLAIN_TIERS)
    assert list(table["latency_ms"]) == [TIMES[tier] for tier in PLAIN_TIERS]
    assert "dice" not in table


@pytest.mark.parametrize("budget_ms", [1.0, 2.5, 6.0])
def test_the_budget_chooses_what_fastest_within_gives(
    page: Callable[[], AppTest], budget_ms: float
) -> None:
    test = page().switch_page(VIEW).run()
    test.slider[0].set_value(budget_ms).run()
    fitting = [tier for tier in PLAIN_TIERS if TIMES[tier] <= budget_ms]
    best = max(fitting, key=lambda tier: MIOU[tier])
    assert f"**{best}**" in test.success[0].value
    assert f"mIoU {100 * MIOU[best]:.1f} %" in test.success[0].value


def test_no_tier_fits_names_the_fastest(page: Callable[[], AppTest]) -> None:
    test = page().switch_page(VIEW).run()
    test.slider[0].set_value(0.3).run()
    assert test.warning[0].value == "No tier is so fast; the fastest, light, takes 1.0 ms."
    assert not test.success
    assert len(test.dataframe) == 1


def test_the_device_is_measured_once_and_anew_when_asked(
    page: Callable[[], AppTest], times: list[int]
) -> None:
    test = page().switch_page(VIEW).run()
    test.slider[0].set_value(2.0).run()
    assert len(times) == 1
    test.button[0].click().run()
    assert times[1:] == [10]


def test_the_table_of_a_bundle_with_exits_is_grouped(exit_page: Callable[[], AppTest]) -> None:
    table = exit_page().switch_page(VIEW).run().dataframe[0].value
    assert list(table["configuration"]) == ["light", "light_24x32", "medium", *["heavy"] * 3]
    assert list(table["exit"]) == [*["final"] * 3, "exit 1", "exit 2", "final"]
