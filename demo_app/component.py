"""Components of the page that the browser draws: HTML, CSS and JavaScript beside the Python."""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


@cache
def component(name: str, html: str) -> Any:
    """The component of `NAME.css` and `NAME.js`, registered once for all visitors.

    Args:
        name: of the two files.
        html: its elements.
    """
    css, js = ((_HERE / f"{name}.{ending}").read_text("utf-8") for ending in ("css", "js"))
    return st.components.v2.component(f"tierseg_{name}", html=html, css=css, js=js)
