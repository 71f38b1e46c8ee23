"""The script that each visit runs: the pages (see `wdviz.ui.contents`) and what they share."""

from pathlib import Path

import streamlit as st

from wdviz.ui import controls, live
from wdviz.ui.contents import PAGES

ROOT = Path(__file__).resolve().parents[2]

page = st.navigation(
    [
        st.Page(ROOT / "pages" / f"{name.replace('-', '_')}.py", title=title, url_path=name, default=name == next(iter(PAGES)))
        for name, title in PAGES.items()
    ],
    position="hidden" if st.context.is_embedded else "sidebar",
)
live.open_address(page.url_path)
bare = controls.shown("present") or st.context.is_embedded
st.set_page_config(page_title="Weight decay lab", layout="wide", initial_sidebar_state="collapsed" if bare else "auto")
st.html(f"<style>{(ROOT / 'assets' / 'page.css').read_text(encoding='utf-8')}</style>")
if not st.context.is_embedded:
    st.sidebar.markdown("**Weight decay lab**")
page.run()
