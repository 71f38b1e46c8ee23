"""Entry point of the server: `streamlit run app.py`. Its parts are in wdviz/serving, the pages' common script is wdviz/ui/router.py."""

import streamlit as st

from wdviz.serving import assembly

# Streamlit looks for this very call in the source of this file.
app = st.App(assembly.ROUTER, **assembly.around())
