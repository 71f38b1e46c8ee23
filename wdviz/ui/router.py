"""The script that each visit runs: the list of pages and what they share."""

from pathlib import Path

import streamlit as st

from wdviz.ui import controls, live

ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # file and address -> what the navigation calls it; the first one opens
    "overfitting": "What it does",
}

page = st.navigation(
    [
        st.Page(ROOT / "pages" / f"{name.replace('-', '_')}.py", title=title, url_path=name, default=name == "overfitting")
        for name, title in PAGES.items()
    ]
)
live.open_address(page.url_path)
bare = controls.shown("present") or st.context.is_embedded
st.set_page_config(page_title="Weight decay lab", layout="wide", initial_sidebar_state="collapsed" if bare else "auto")
st.html(f"<style>{(ROOT / 'assets' / 'page.css').read_text(encoding='utf-8')}</style>")
if not st.context.is_embedded:
    st.sidebar.markdown("**Weight decay lab**")
page.run()
