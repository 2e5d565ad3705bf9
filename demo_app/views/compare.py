"""The page *Compare*: two tiers on one picture, side by side, and where they differ."""

import streamlit as st

from demo_app.agreement import agreement, class_table, disagreement_map
from demo_app.figures import percent
from demo_app.mask_view import ShownMask, mask_view
from demo_app.workspace import Workspace, fault, workspace
from mobile_export.runtime import TiersegError


@st.fragment
def compare(work: Workspace) -> None:
    """Draws the page."""
    try:
        _compare(work)
    except TiersegError as error:
        fault(error)


def _compare(work: Workspace) -> None:
    segmenter = work.segmenter
    tiers = segmenter.tiers
    sides = []
    for column, title, place in zip(
        st.columns(2), ("Left", "Right"), (0, len(tiers) - 1), strict=True
    ):
        tier = column.selectbox(title, tiers, index=place, key=f"{title} of {work.key}")
        sides.append(segmenter(work.image, tier))
    first, second = sides
    left, right = st.columns(2, gap="large")
    with left:
        shown = [ShownMask(side.tier, side.mask, side.latency_ms) for side in sides]
        mask_view(work.url, shown, segmenter.labels, key="compared")
    with right:
        differ = disagreement_map(work.image, first.mask, second.mask)
        st.image(differ, width="stretch", output_format="JPEG")
        st.caption("Pixels to which the two give different classes.")
    figures = st.columns(3)
    figures[0].metric("Agree on", percent(agreement(first.mask, second.mask)), border=True)
    for column, side in zip(figures[1:], sides, strict=True):
        column.metric(side.tier, f"{side.latency_ms:.1f} ms", border=True)
    st.dataframe(
        class_table(first.mask, second.mask, segmenter.labels),
        hide_index=True,
        column_config={
            "class": st.column_config.TextColumn("Class"),
            "first": st.column_config.NumberColumn(f"Share, {first.tier}", format="percent"),
            "second": st.column_config.NumberColumn(f"Share, {second.tier} ", format="percent"),
            "iou": st.column_config.ProgressColumn("IoU of the two", min_value=0, max_value=1),
        },
    )


if (found := workspace()) is not None:
    compare(found)
