"""The app: a bundle and a picture on the left, and pages that look at them."""

import gc

import streamlit as st

from demo_app.workspace import choose_workspace

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 3.2rem; padding-bottom: 2rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; }
</style>"""


@st.cache_resource(show_spinner=False)
def _spare_the_collector(page: str) -> None:
    """Leaves out of Python's garbage collection what was loaded for a page and stays.

    Streamlit collects at the end of every run, while its last elements wait to be sent: 60 ms
    between a switch of the tier and its mask.
    """
    gc.collect()
    gc.freeze()


def app() -> None:
    """Draws what all pages share, then the page."""
    st.set_page_config(page_title="tierseg", page_icon="🎚️", layout="wide")
    st.html(_STYLE)
    page = st.navigation(
        [
            st.Page("views/live.py", title="Live", icon=":material/play_circle:", default=True),
            st.Page("views/compare.py", title="Compare", icon=":material/compare:"),
            st.Page("views/tiers.py", title="Tiers", icon=":material/scatter_plot:"),
            st.Page("views/bundle.py", title="Bundle", icon=":material/inventory_2:"),
        ],
        position="top",
    )
    st.header("tierseg", anchor=False)
    st.caption("One network, one int8 file, every device tier in it. Switch the tier: it is live.")
    choose_workspace()
    page.run()
    _spare_the_collector(page.title)


app()
