"""A plan as text and picture says what its figures say."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from kit import Exit, Tier
from kit.search import ExitPlan, ExitTable, SearchGoal, plan_exits, reported
from mobile_export.exit_plan_report import draw_plan, plan_text
from tests.kit.search.exit_tables import random_table

POINTS, HEADS = (0, 0, 1, 2), ("fcn-r2", "fcn", "deeplab", "fcn")
NETWORK: Any = SimpleNamespace(
    name="made_up",
    configurations={"light": "l", "heavy": "h"},
    default_tier=Tier("heavy"),
    exits=tuple(Exit(5 * (point + 1), head) for point, head in zip(POINTS, HEADS, strict=True)),
    exit_heads=[],
    weights=[],
)


def table(name: str, seed: int) -> ExitTable:
    return replace(random_table(POINTS, images=40, seed=seed), configuration=name, heads=HEADS)


def planned(goal: SearchGoal, without: tuple[str, ...] = ()) -> ExitPlan:
    tables = {}
    for name, seed in (("light", 1), ("heavy", 2)):
        whole = table(name, seed)
        costs = {key: cost for key, cost in whole.costs.items() if key not in without}
        tables[name] = replace(whole, costs=costs)
    return plan_exits(NETWORK, tables, goal)


LEAVING = SearchGoal("cost", max_drop=4.0, settings=("input-dependent",))


def test_the_table_has_a_row_for_each_set_of_images() -> None:
    plan = planned(LEAVING)
    plan = reported(plan, "test", table(plan.configuration, 3), table("heavy", 4))
    lines = plan_text(plan).splitlines()
    titles = [line.split("  ")[0] for line in lines[1:5]]
    assert titles == [
        "final-only heavy, first half",
        f"chosen {plan.configuration}, first half",
        f"chosen {plan.configuration}, second half",
        f"chosen {plan.configuration}, test",
    ]
    figures = lines[3].removeprefix(titles[2]).split()
    told = plan.report["second_half"]
    assert figures[0] == f"{100 * told.miou:.1f}"
    assert figures[1] == f"{told.drop:+.2f}"
    assert figures[2] == f"{told.mean['latency_ms']:.2f}"
    assert figures[6] == f"{told.worst['latency_ms']:.2f}"
    assert figures[7:] == " / ".join(f"{100 * share:.1f}" for share in told.shares).split()


def test_each_exit_is_told_with_its_policy() -> None:
    plan = planned(LEAVING)
    text = plan_text(plan)
    assert f"\n{plan.configuration}, input-dependent\n" in text
    for place, number in enumerate(plan.chosen.exits, start=1):
        exit_, policy = NETWORK.exits[number - 1], plan.chosen.policies[place - 1]
        assert (
            f"exit {place}: {exit_.head.name} after {exit_.after} blocks (candidate {number}), "
            f"pixels sure from top1 {policy.pixel_threshold:g}, leaves from "
            f"{plan.chosen.image_thresholds[place - 1]:.3f}"
        ) in text


def test_a_long_front_is_thinned_out() -> None:
    plan = planned(SearchGoal("error"))
    front = plan.search["front"]
    assert len(front) > 12
    text = plan_text(plan)
    assert f"front: 12 of {len(front)} of {plan.search['count']} candidates" in text
    rows = text.splitlines()[-12:]
    for row, item in ((rows[0], front[0]), (rows[-1], front[-1])):
        assert row.startswith(item["configuration"])
        assert row.endswith(f"{item['mean']['latency_ms']:.2f}")


def test_without_latencies_the_cost_is_another() -> None:
    plan = planned(SearchGoal("error", settings=("final",)), without=("latency_ms",))
    assert plan.constraints["cost"] == "macs"
    assert "mean M MACs" in plan_text(plan)
    assert "\nheavy, final\n" in plan_text(plan)


@pytest.mark.parametrize("without", [(), ("latency_ms",)])
def test_the_picture_is_written_whole(tmp_path: Path, without: tuple[str, ...]) -> None:
    path = tmp_path / "plan.png"
    draw_plan(planned(SearchGoal("error"), without), path)
    assert [item.name for item in tmp_path.iterdir()] == ["plan.png"]
    with Image.open(path) as picture:
        assert picture.size == (1050, 675)
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert (255, 0, 0) in colors  # the choice
    assert (0, 0, 0) in colors  # final-only
