"""The app: a bundle and a picture on the left, and pages that look at them."""

import streamlit as st

from demo_app.workspace import choose_workspace

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 3.2rem; padding-bottom: 2rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; }
</style>"""


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


app()
