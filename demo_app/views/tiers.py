"""The page *Tiers*: quality against latency on this machine, and the tier for a time budget."""

import math
from collections.abc import Mapping
from typing import Literal

import streamlit as st

from demo_app.choice import has_exits
from demo_app.figures import QUALITIES, chart, exit_chart, measured_on, percent, tier_table
from demo_app.workspace import ACCENT, Workspace, fault, workspace
from mobile_export.runtime import TiersegError

_RUNS = 10


@st.fragment
def tiers(work: Workspace) -> None:
    """Draws the page."""
    try:
        _tiers(work)
    except TiersegError as error:
        fault(error)


def _tiers(work: Workspace) -> None:
    segmenter = work.segmenter
    left, right = st.columns([7, 3], gap="large", vertical_alignment="bottom")
    again = right.button("Measure again", icon=":material/timer:", width="stretch")
    with st.spinner("Measuring every tier …"):
        times = segmenter.measure(_RUNS) if again else segmenter.measured()
    slowest = max(times.values())
    budget_ms = left.slider(
        "Time for a frame, ms",
        0.0,
        math.ceil(12 * slowest) / 10,
        math.ceil(10 * slowest) / 10,
        step=0.1,
        key=f"budget of {work.key}",
        help="The best tier whose inference fits is what `fastest_within` gives.",
    )
    fastest = min(times, key=times.__getitem__)
    chosen = None
    if budget_ms >= times[fastest]:
        chosen = segmenter.fastest_within(budget_ms)
    if chosen is None:
        st.warning(
            f"No tier is so fast; the fastest, {fastest}, takes {times[fastest]:.1f} ms.",
            icon=":material/timer_off:",
        )
    else:
        info = segmenter.info(chosen)
        known = [
            f"{title} {percent(info.figure(name))}"
            for name, title in QUALITIES.items()
            if info.figure(name) is not None
        ]
        told = ", ".join([f"{times[chosen]:.1f} ms", *known])
        st.success(f"Within {budget_ms:.1f} ms: **{chosen}** – {told}", icon=":material/check:")
    _table_and_chart(work, times, chosen, budget_ms)


def _table_and_chart(
    work: Workspace, times: Mapping[str, float], chosen: str | None, budget_ms: float
) -> None:
    """Every tier in a table and in a chart; the chosen one stands out."""
    segmenter = work.segmenter
    rows, grouped = tier_table(segmenter, times), has_exits(segmenter)
    draw = exit_chart if grouped else chart
    st.altair_chart(draw(rows, chosen, ACCENT, budget_ms), height=460 if grouped else 320)
    columns = {
        "tier": None if grouped else st.column_config.TextColumn("Tier"),
        "configuration": st.column_config.TextColumn("Configuration"),
        "exit": st.column_config.TextColumn("Exit"),
        "latency_ms": st.column_config.ProgressColumn(
            "Median on this machine",
            format="%.1f ms",
            min_value=0,
            max_value=max(times.values()),
        ),
        "parameters": st.column_config.NumberColumn("Parameters", format="%.2f M"),
        "macs": st.column_config.NumberColumn("Multiply-adds", format="%.2f G"),
        **{
            name: st.column_config.NumberColumn(title, format="percent")
            for name, title in QUALITIES.items()
        },
    }
    height: Literal["auto", "content"] = "content" if grouped else "auto"
    st.dataframe(rows, hide_index=True, column_config=columns, height=height)
    origin = measured_on(segmenter)
    if origin:
        st.caption(f"Quality of the int8 tiers, measured on {origin}.")


if (found := workspace()) is not None:
    tiers(found)
