"""The script that each visit runs: the pages (see `wdviz.ui.contents`) and what they share."""

import streamlit as st

from wdviz.ui import controls, live
from wdviz.ui.contents import PAGES
from wdviz.ui.home import HOME

pages = [
    st.Page(HOME / "pages" / f"{name.replace('-', '_')}.py", title=entry.title, url_path=name, default=name == next(iter(PAGES)))
    for name, entry in PAGES.items()
]
page = st.navigation(pages, position="hidden" if st.context.is_embedded else "sidebar")
live.open_address(page.url_path)
bare = controls.shown("present") or st.context.is_embedded
st.set_page_config(page_title="Weight decay lab", layout="wide", initial_sidebar_state="collapsed" if bare else "auto")
st.html(f"<style>{(HOME / 'assets' / 'page.css').read_text(encoding='utf-8')}</style>")
if not st.context.is_embedded:
    st.sidebar.markdown("**Weight decay lab**")
page.run()
if page != pages[-1] and not st.context.is_embedded:
    following = pages[pages.index(page) + 1]
    with st.container(key="following"):
        st.page_link(following, label=f"Next: {following.title}")
