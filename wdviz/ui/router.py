"""The script that each visit runs: the list of pages and what they share."""

from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]

st.set_page_config(page_title="Weight decay lab", layout="wide", initial_sidebar_state="auto")
st.html(f"<style>{(ROOT / 'assets' / 'page.css').read_text(encoding='utf-8')}</style>")
page = st.navigation([st.Page(ROOT / "pages" / "overfitting.py", title="What it does", url_path="overfitting", default=True)])
st.sidebar.markdown("**Weight decay lab**")
page.run()
