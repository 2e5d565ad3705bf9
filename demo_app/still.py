"""One picture: the switch of the tier, and what the chosen one gives."""

import numpy as np
import streamlit as st

from demo_app.choice import Choice, choose, exit_title
from demo_app.figures import QUALITIES, percent, short
from demo_app.markup import facts, legend
from demo_app.mask_view import ShownMask, mask_view
from demo_app.several import over_several
from demo_app.workspace import ACCENT, fault
from mobile_export.runtime import Result, Segmenter, TiersegError

_ROUNDS = 3


@st.fragment
def still(segmenter: Segmenter, image: np.ndarray, url: str, key: str) -> None:
    """Draws the part that a switch of the tier draws anew; it stands on its own.

    Args:
        segmenter: the bundle's segmenter.
        image: uint8 `(height, width, 3)`, RGB.
        url: the same as the browser takes it.
        key: tells one bundle's controls from another's.
    """
    try:
        _still(segmenter, image, url, key)
    except TiersegError as error:
        fault(error)


def _still(segmenter: Segmenter, image: np.ndarray, url: str, key: str) -> None:
    choice = choose(segmenter, key)
    left, right = st.columns([7, 3], gap="large")
    result = choice.run(segmenter, image)
    with left:
        shown = ShownMask(result.tier, result.mask, result.latency_ms)
        mask_view(url, [shown], segmenter.labels, key="mask")
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
        over_several(segmenter, choice, key, ACCENT)


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
