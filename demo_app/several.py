"""At which exit each of several pictures leaves, and what that saves."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import altair as alt
import streamlit as st

from demo_app import sources
from demo_app.choice import Choice, exit_title
from demo_app.sources import Source
from mobile_export.runtime import Segmenter, Step, TiersegError

_CAPTION = (
    "Each picture ran through every stage once, just now and on this machine. An exit's time is "
    "that of the stages up to it, so that the threshold can be moved without running them anew."
)


def leaves_at(steps: Sequence[Step], thresholds: Mapping[str, float]) -> int:
    """The place of the step at which a run leaves.

    Args:
        steps: every exit of one picture, in order.
        thresholds: the confidence (0-1) at which each exit leaves.
    """
    last = len(steps) - 1
    sure = (place for place, step in enumerate(steps) if step.confidence >= thresholds[step.tier])
    return next(sure, last)


def shares(runs: Sequence[Sequence[Step]], thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    """How many of several pictures leave at each exit.

    Args:
        runs: every exit of each picture.
        thresholds: the confidence (0-1) at which each exit leaves, in order.

    Returns:
        Rows of `tier`, `pictures` (count) and `share` (0-1), one for each exit.
    """
    left = [steps[leaves_at(steps, thresholds)].tier for steps in runs]
    return [
        {"tier": tier, "pictures": left.count(tier), "share": left.count(tier) / len(runs)}
        for tier in thresholds
    ]


def mean_ms(runs: Sequence[Sequence[Step]], thresholds: Mapping[str, float]) -> tuple[float, float]:
    """Mean time of a picture that leaves where it may, and of one that goes to the end.

    Args:
        runs: every exit of each picture.
        thresholds: the confidence (0-1) at which each exit leaves.

    Returns:
        The two means, milliseconds.
    """
    left = [sum(s.latency_ms for s in run[: leaves_at(run, thresholds) + 1]) for run in runs]
    return fmean(left), fmean(sum(step.latency_ms for step in run) for run in runs)


def share_chart(rows: Sequence[Mapping[str, Any]], accent: str) -> alt.LayerChart | alt.FacetChart:
    """Draws the share of the pictures that leave at each exit.

    Args:
        rows: what `shares` gives, with the `exit` that the page names.
        accent: colour of the bars.
    """
    scale, axis = (
        alt.Scale(domain=(0, 1.12)),
        alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
    )
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("share:Q", title="share of the pictures", scale=scale, axis=axis),
        y=alt.Y("exit:N", sort=None, title=None),
    )
    counts = base.encode(text="pictures:Q").mark_text(align="left", dx=6, fontSize=12)
    return alt.layer(base.mark_bar(color=accent, cornerRadius=3), counts)


def over_several(segmenter: Segmenter, choice: Choice, key: str, accent: str) -> None:
    """Draws the section: pictures to run over, the share that leaves at each exit, the time.

    Args:
        segmenter: the bundle's segmenter.
        choice: an adaptive run.
        key: tells one bundle's section from another's.
        accent: colour of the bars.
    """
    with st.expander("Over several pictures", icon=":material/photo_library:"):
        uploaded = st.file_uploader(
            "The sample pictures, and a folder of your own",
            list(sources.PICTURE_TYPES),
            accept_multiple_files=True,
            key=f"pictures of {key}",
        )
        pictures = [*sources.samples(), *(Source.upload(file) for file in uploaded)]
        place = f"runs of {key}, {choice.configuration}"
        names = [picture.key for picture in pictures]
        pressed = st.button(
            f"Run over {len(pictures)} pictures", disabled=not pictures, key=f"button of {place}"
        )
        if pressed:
            try:
                st.session_state[place] = names, _runs(segmenter, choice, pictures)
            except TiersegError as error:
                st.error(str(error), icon=":material/error:")
                return
        kept, runs = st.session_state.get(place, ((), ()))
        if runs and kept == names:
            _outcome(segmenter, choice, runs, accent)


def _runs(
    segmenter: Segmenter, choice: Choice, pictures: Sequence[Source]
) -> list[tuple[Step, ...]]:
    """Every exit of each picture."""
    runs = []
    bar = st.progress(0.0)
    for picture in pictures:
        image = sources.open_picture(picture)
        runs.append(segmenter.anytime(image, float("inf"), choice.configuration).steps)
        bar.progress(len(runs) / len(pictures))
    bar.empty()
    return runs


def _outcome(
    segmenter: Segmenter, choice: Choice, runs: Sequence[Sequence[Step]], accent: str
) -> None:
    """Shares and times of what was run."""
    thresholds = choice.thresholds(segmenter)
    rows = [{"exit": exit_title(segmenter, row["tier"]), **row} for row in shares(runs, thresholds)]
    adaptive_ms, whole_ms = mean_ms(runs, thresholds)
    left, right = st.columns([7, 3], gap="large")
    left.altair_chart(share_chart(rows, accent), height=70 + 40 * len(rows))
    right.metric(
        "Mean time, adaptive",
        f"{adaptive_ms:.1f} ms",
        f"{whole_ms / adaptive_ms:.2f} × as fast as to the end",
        delta_arrow="off",
        border=True,
    )
    right.metric("Mean time, always to the end", f"{whole_ms:.1f} ms", border=True)
    left.caption(_CAPTION)
