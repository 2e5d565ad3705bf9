"""The page *Bundle*: what the file holds and what it says of itself."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from demo_app.markup import facts
from demo_app.workspace import Workspace, workspace


def bundle(work: Workspace) -> None:
    """Draws the page."""
    segmenter = work.segmenter
    metadata = segmenter.bundle.metadata or {}
    content = work.bundle.read()
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(work.bundle.name, anchor=False)
        st.markdown(facts(_of_file(work, metadata, len(content))), unsafe_allow_html=True)
        st.space("small")
        st.download_button(
            f"Download, {len(content) / 1e6:.2f} MB",
            content,
            work.bundle.name,
            "application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
        )
    with right:
        st.subheader("How it was made", anchor=False)
        st.markdown(facts(_making(metadata)), unsafe_allow_html=True)
    st.subheader(f"{len(segmenter.signatures)} signatures", anchor=False)
    st.dataframe(
        [
            {
                "signature": name,
                "inputs": _tensors(signature.inputs),
                "outputs": _tensors(signature.outputs),
            }
            for name, signature in segmenter.signatures.items()
        ],
        hide_index=True,
        column_config={
            "signature": st.column_config.TextColumn("Signature", pinned=True),
            "inputs": st.column_config.TextColumn("Takes"),
            "outputs": st.column_config.TextColumn("Gives"),
        },
    )
    if metadata:
        st.subheader("metadata.json", anchor=False)
        st.json(metadata, expanded=1)


def _of_file(work: Workspace, metadata: Mapping[str, Any], size: int) -> list[tuple[str, str]]:
    segmenter = work.segmenter
    rows = [
        ("Name", str(metadata.get("name", "without metadata"))),
        ("Version", str(metadata.get("version", "–"))),
        ("Licence", str(metadata.get("license", "not stated"))),
        ("Size", f"{size / 1e6:.2f} MB"),
        ("Tiers", f"{len(segmenter.tiers)}, by default {segmenter.default_tier}"),
        ("Classes", str(len(segmenter.labels)) if segmenter.labels else "not named"),
        ("Image", "{} × {}, RGB, 0–255".format(*segmenter.image_size)),
    ]
    if "sha256" in metadata:
        rows.append(("sha256, checked", str(metadata["sha256"])[:16] + " …"))
    return rows


def _making(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    training, calibration = metadata.get("training") or {}, metadata.get("calibration") or {}
    rows = [
        ("Recipe", training.get("recipe")),
        ("Data set", training.get("dataset")),
        ("Seed", training.get("seed")),
        ("Calibrated on", f"{calibration['count']} images" if "count" in calibration else None),
        *((name, version) for name, version in (metadata.get("versions") or {}).items()),
    ]
    told = [(name, str(value)) for name, value in rows if value is not None]
    return told or [("Recipe", "not stated")]


def _tensors(tensors: Any) -> str:
    return ", ".join(f"{name}: {tensor}" for name, tensor in tensors.items())


if (found := workspace()) is not None:
    bundle(found)
