"""The page: choose a bundle and a picture, switch the tier, see mask, time and figures."""

from typing import Literal

import numpy as np
import streamlit as st

from demo_app import sources
from demo_app.choice import Choice, choose, exit_title, has_exits
from demo_app.figures import (
    QUALITIES,
    chart,
    exit_chart,
    measured_on,
    percent,
    short,
    tier_table,
)
from demo_app.markup import facts, legend
from demo_app.several import over_several
from demo_app.sources import Source
from mobile_export.runtime import Result, Segmenter, TiersegError, overlay

_ACCENT = "#0f766e"
_ROUNDS = 3
_NO_BUNDLE = (
    "No bundle was found. Make one with `make quickstart`, start the app with "
    "`tierseg demo FILE.tflite`, or upload one on the left."
)
_NO_PICTURE = "No sample picture was found. Upload a picture on the left."
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 2.2rem; padding-bottom: 2rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; }
</style>"""


def page() -> None:
    """Draws the whole page; a fault of a file becomes one line in its place."""
    st.set_page_config(page_title="tierseg", page_icon="🎚️", layout="wide")
    st.html(_STYLE)
    st.header("tierseg", anchor=False)
    st.caption("One network, one int8 file, every device tier in it. Switch the tier: it is live.")
    bundle = _choice("Bundle", sources.bundles(), ("tflite",))
    about = st.sidebar.empty()
    picture = _choice("Picture", sources.samples(), sources.PICTURE_TYPES)
    if bundle is None or picture is None:
        st.info(_NO_BUNDLE if bundle is None else _NO_PICTURE, icon=":material/info:")
        return
    try:
        segmenter = sources.open_segmenter(bundle)
        image = sources.open_picture(picture)
    except (TiersegError, OSError) as error:
        _fault(error)
        return
    about.caption(_about(segmenter))
    _live(segmenter, image, bundle.key)


def _fault(error: Exception) -> None:
    """What is wrong with a file, in one line."""
    st.error(str(error), icon=":material/error:")


def _choice(title: str, found: list[Source], endings: tuple[str, ...]) -> Source | None:
    """The sidebar's choice of one file: an uploaded one before a chosen one."""
    with st.sidebar:
        st.subheader(title, anchor=False)
        chosen = None
        if found:
            place = st.selectbox(
                title,
                range(len(found)),
                format_func=lambda place: found[place].name,
                key=f"{title} choice",
                label_visibility="collapsed",
            )
            chosen = found[place]
        uploaded = st.file_uploader(f"or upload your own {title.lower()}", list(endings))
    return chosen if uploaded is None else Source.upload(uploaded)


def _about(segmenter: Segmenter) -> str:
    """What the bundle says of itself, in three lines."""
    metadata = segmenter.bundle.metadata or {}
    size_mb = len(segmenter.bundle.model_bytes) / 1e6
    height, width = segmenter.image_size
    lines = (
        f"**{metadata.get('name', 'without metadata')}** {metadata.get('version', '')}",
        f"{len(segmenter.tiers)} tiers in {size_mb:.2f} MB of int8",
        f"{height} × {width} pixels, threads: {segmenter.threads}",
    )
    return "  \n".join(lines)


@st.fragment
def _live(segmenter: Segmenter, image: np.ndarray, key: str) -> None:
    """The part that a switch of the tier draws anew; it stands on its own."""
    try:
        _tiers(segmenter, image, key)
    except TiersegError as error:
        _fault(error)


def _tiers(segmenter: Segmenter, image: np.ndarray, key: str) -> None:
    """The switch of the tier, and what the chosen one gives."""
    choice = choose(segmenter, key)
    left, right = st.columns([7, 3], gap="large")
    with left:
        shown = st.container()
        opacity = st.slider("Opacity of the mask", 0, 100, 55, format="%d %%") / 100
    result = choice.run(segmenter, image)
    painted = overlay(image, result.mask, segmenter.labels, opacity)
    shown.image(painted, width="stretch", output_format="JPEG")
    with left:
        st.markdown(legend(segmenter.labels, result.shares()), unsafe_allow_html=True)
    if len(segmenter.latencies()) < len(segmenter.tiers):
        for other in _ROUNDS * segmenter.tiers:  # so that there are times to compare with
            segmenter(image, other)
    with right:
        if choice.tier is None:
            _exits_passed(segmenter, choice, result)
        else:
            _figures(segmenter, result)
    if choice.tier is None:
        over_several(segmenter, choice, key, _ACCENT)
    _all_tiers(segmenter, result.tier)


def _figures(segmenter: Segmenter, result: Result) -> None:
    """Time of this frame, and the figures of the tier that ran."""
    latencies = segmenter.latencies()
    slowest = max(latencies, key=latencies.__getitem__)
    ratio = latencies[slowest] / latencies[result.tier]
    alone = slowest == result.tier
    st.metric(
        "Latency of this frame",
        f"{result.latency_ms:.1f} ms",
        "the slowest tier" if alone else f"{ratio:.1f} × as fast as {slowest}",
        delta_color="off" if alone else "normal",
        delta_arrow="off",
        border=True,
    )
    info = segmenter.info(result.tier)
    rows = [
        ("Running median", f"{latencies[result.tier]:.1f} ms"),
        ("Confidence", percent(result.confidence)),
        ("Input", "{} × {}".format(*info.input_size)),
        ("Parameters", short(info.figure("parameters"))),
        ("Multiply-adds", short(info.figure("macs"))),
        *((title, percent(info.figure(name))) for name, title in QUALITIES.items()),
    ]
    st.markdown(facts(rows), unsafe_allow_html=True)


def _exits_passed(segmenter: Segmenter, choice: Choice, result: Result) -> None:
    """Where an adaptive run left, and how sure each exit was on the way."""
    thresholds = choice.thresholds(segmenter)
    left = f"left at {exit_title(segmenter, result.tier)}"
    early = len(result.steps) < len(thresholds)
    st.metric(
        "Latency of this frame",
        f"{result.latency_ms:.1f} ms",
        left if early else "went to the end",
        delta_color="normal" if early else "off",
        delta_arrow="off",
        border=True,
    )
    rows = []
    for place, (tier, threshold) in enumerate(thresholds.items()):
        told = "not run"
        if place < len(result.steps):
            step = result.steps[place]
            told = f"sure of {percent(step.confidence)}, {step.latency_ms:.1f} ms"
        needed = "" if place + 1 == len(thresholds) else f" ({_leaves(threshold)})"
        rows.append((exit_title(segmenter, tier) + needed, told))
    info = segmenter.info(result.tier)
    rows += [(title, percent(info.figure(name))) for name, title in QUALITIES.items()]
    st.markdown(facts(rows), unsafe_allow_html=True)


def _leaves(threshold: float) -> str:
    """At what confidence, 0-1, an image leaves."""
    return f"leaves at {percent(threshold)}" if threshold else "always leaves"


def _all_tiers(segmenter: Segmenter, current: str) -> None:
    """Table and chart of every tier."""
    rows, grouped = tier_table(segmenter), has_exits(segmenter)
    st.subheader("Every tier of this bundle, on this machine", anchor=False)
    left, right = st.columns([6, 5] if grouped else [7, 3], gap="large")
    columns = {
        "tier": None if grouped else st.column_config.TextColumn("Tier"),
        "configuration": st.column_config.TextColumn("Configuration"),
        "exit": st.column_config.TextColumn("Exit"),
        "latency_ms": st.column_config.ProgressColumn(
            "Running median",
            format="%.1f ms",
            min_value=0,
            max_value=max(row["latency_ms"] for row in rows),
        ),
        "parameters": st.column_config.NumberColumn("Parameters", format="%.2f M"),
        "macs": st.column_config.NumberColumn("Multiply-adds", format="%.2f G"),
        **{
            name: st.column_config.NumberColumn(title, format="percent")
            for name, title in QUALITIES.items()
        },
    }
    height: Literal["auto", "content"] = "content" if grouped else "auto"
    left.dataframe(rows, hide_index=True, column_config=columns, height=height)
    origin = measured_on(segmenter)
    if origin:
        left.caption(f"Quality of the int8 tiers, measured on {origin}.")
    if grouped:
        right.altair_chart(exit_chart(rows, current, _ACCENT), height=460)
    else:
        right.altair_chart(chart(rows, current, _ACCENT), height=260)


page()
