"""The script that each visit runs: the list of pages and what they share."""

from pathlib import Path

import streamlit as st

from wdviz.ui import controls, live

ROOT = Path(__file__).resolve().parents[2]

live.open_address()
bare = controls.shown("present") or st.context.is_embedded
st.set_page_config(page_title="Weight decay lab", layout="wide", initial_sidebar_state="collapsed" if bare else "auto")
st.html(f"<style>{(ROOT / 'assets' / 'page.css').read_text(encoding='utf-8')}</style>")
page = st.navigation([st.Page(ROOT / "pages" / "overfitting.py", title="What it does", url_path="overfitting", default=True)])
if not st.context.is_embedded:
    st.sidebar.markdown("**Weight decay lab**")
page.run()
