"""The figures of a bundle's tiers as people read them: a table, and a chart of the trade."""

from collections.abc import Mapping
from typing import Any

import altair as alt

from demo_app.choice import exit_title, has_exits
from mobile_export.runtime import Segmenter

QUALITIES = {"miou": "mIoU", "dice": "Dice"}
"""Name of a quality in the metadata -> its name on the page."""


def short(number: float | None) -> str:
    """A count in three digits, e.g. `3.41 M`; a dash where there is none."""
    if number is None:
        return "–"
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"


def percent(share: float | None) -> str:
    """A share in percent, e.g. `61.3 %`; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def tier_table(segmenter: Segmenter, times: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row per tier: its time on this machine, and what the bundle says of it.

    Args:
        segmenter: the bundle's segmenter.
        times: time of each tier, milliseconds.

    Returns:
        Rows of `tier`, `latency_ms`, `parameters` (millions), `macs` (billions) and the qualities
        (0-1); a figure that no tier has is left out. Where there are early exits, also of
        `configuration` and `exit`, grouped by configuration with the shallowest exit first.
    """
    tiers, grouped = segmenter.tiers, has_exits(segmenter)
    if grouped:
        tiers = tuple(t for name in segmenter.configurations for t in segmenter.exits(name))
    rows = []
    for tier in tiers:
        info = segmenter.info(tier)
        row: dict[str, Any] = {"tier": tier}
        if grouped:
            row |= {"configuration": info.configuration, "exit": exit_title(segmenter, tier)}
        row["latency_ms"] = times[tier]
        for name, unit in {"parameters": 1e6, "macs": 1e9, **dict.fromkeys(QUALITIES, 1)}.items():
            figure = info.figure(name)
            row[name] = None if figure is None else figure / unit
        rows.append(row)
    known = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in known} for row in rows]


def measured_on(segmenter: Segmenter) -> str:
    """On what the bundle's qualities were measured, e.g. `camvid test, 233 images`, or nothing."""
    found = []
    for tier in segmenter.tiers:
        origin = segmenter.info(tier).figures.get("measured_on")
        if isinstance(origin, dict) and "data" in origin:
            images = f", {origin['images']} images" if "images" in origin else ""
            found.append(f"{origin['data']} {origin.get('split', '')}".strip() + images)
    return "; ".join(dict.fromkeys(found))


def front(rows: list[dict[str, Any]], quality: str) -> list[dict[str, Any]]:
    """The rows that no other beats in both latency and quality, fastest first.

    Args:
        rows: what `tier_table` gives.
        quality: one of `QUALITIES`.
    """
    best: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["latency_ms"], -row[quality])):
        if not best or row[quality] > best[-1][quality]:
            best.append(row)
    return best


def chart(
    rows: list[dict[str, Any]], current: str | None, accent: str, budget_ms: float | None = None
) -> alt.LayerChart | alt.FacetChart:
    """Draws quality against latency, or latency alone where no quality was measured.

    Args:
        rows: what `tier_table` gives.
        current: tier to highlight.
        accent: colour of the highlight.
        budget_ms: where to draw a limit, milliseconds.
    """
    quality = next((name for name in QUALITIES if name in rows[0]), None)
    color = alt.condition(alt.datum.tier == current, alt.value(accent), alt.value("#9ca3af"))
    longest = max(row["latency_ms"] for row in rows)
    scale = alt.Scale(domain=(0, 1.15 * longest))
    latency = alt.X("latency_ms:Q", title="latency, ms", scale=scale)
    base = alt.Chart(alt.Data(values=rows)).encode(x=latency)
    if quality is None:
        bars = base.encode(y=alt.Y("tier:N", sort=None, title=None), color=color)
        return alt.layer(bars.mark_bar(cornerRadius=3), *_limit(budget_ms))
    scale, axis = alt.Scale(zero=False, padding=24), alt.Axis(format=".0%", tickCount=5)
    height = alt.Y(f"{quality}:Q", title=QUALITIES[quality], scale=scale, axis=axis)
    base = base.encode(y=height, color=color)
    names = base.encode(text="tier:N").mark_text(dy=-14, fontSize=12)
    marks = base.mark_circle(size=130, opacity=1)
    return alt.layer(_front_line(rows, quality, latency, height), marks, names, *_limit(budget_ms))


def _front_line(
    rows: list[dict[str, Any]], quality: str, latency: alt.X, height: alt.Y
) -> alt.Chart:
    """The Pareto front: faster tiers than its own are worse."""
    line = alt.Chart(alt.Data(values=front(rows, quality))).encode(x=latency, y=height)
    return line.mark_line(color="#9ca3af", strokeDash=[4, 4], interpolate="step-after")


def _limit(budget_ms: float | None) -> list[alt.Chart]:
    """A line at a time budget."""
    if budget_ms is None:
        return []
    line = alt.Chart(alt.Data(values=[{"latency_ms": budget_ms}])).encode(x="latency_ms:Q")
    return [line.mark_rule(color="#9ca3af", strokeWidth=1.5)]


def exit_chart(
    rows: list[dict[str, Any]], current: str | None, accent: str, budget_ms: float | None = None
) -> alt.LayerChart | alt.FacetChart:
    """Draws many tiers: a line for each configuration, a colour for each exit.

    Args:
        rows: what `tier_table` gives for a bundle with early exits.
        current: tier to ring. Names of 24 tiers would cover each other: a name stands at each
            configuration's deepest exit, the rest is told under the pointer.
        accent: colour of the highlight, and of the final exit.
        budget_ms: where to draw a limit, milliseconds.
    """
    quality = next((name for name in QUALITIES if name in rows[0]), None)
    titles = {row["exit"] for row in rows}
    exits = sorted(titles, key=lambda title: (title == "final", len(title), title))
    early = [f"hsl(32, {85 - 8 * k}%, {72 - 10 * k}%)" for k in range(len(exits) - 1)]
    color = alt.Color(
        "exit:N",
        title=None,
        scale=alt.Scale(domain=exits, range=[*early, accent]),
        legend=alt.Legend(orient="top"),
    )
    scale = alt.Scale(domain=(0, 1.15 * max(row["latency_ms"] for row in rows)))
    tips = [alt.Tooltip("tier:N"), alt.Tooltip("latency_ms:Q", title="latency, ms", format=".1f")]
    if quality is not None:
        tips.append(alt.Tooltip(f"{quality}:Q", title=QUALITIES[quality], format=".1%"))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("latency_ms:Q", title="latency, ms", scale=scale), tooltip=tips
    )
    chosen = alt.condition(alt.datum.tier == current, alt.value(1), alt.value(0.45))
    if quality is None:
        bars = base.encode(
            y=alt.Y("configuration:N", sort=None, title=None),
            yOffset=alt.YOffset("exit:N", sort=exits),
            color=color,
            opacity=chosen,
        )
        return alt.layer(bars.mark_bar(cornerRadius=2), *_limit(budget_ms))
    height = alt.Y(
        f"{quality}:Q",
        title=QUALITIES[quality],
        scale=alt.Scale(zero=False, padding=24),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    base = base.encode(y=height)
    lines = base.encode(detail="configuration:N").mark_line(color="#9ca3af", strokeWidth=1)
    ring = base.transform_filter(alt.datum.tier == current)
    deepest = {row["configuration"]: row["tier"] for row in rows}  # the last of each
    ends = base.transform_filter(alt.FieldOneOfPredicate("tier", list(deepest.values())))
    return alt.layer(
        lines,
        base.encode(color=color).mark_circle(size=90, opacity=1),
        ring.mark_point(size=260, strokeWidth=2, color=accent),
        ends.encode(text="configuration:N").mark_text(dy=-14, fontSize=12),
        *_limit(budget_ms),
    )
