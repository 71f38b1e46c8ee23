"""Entry point of the server: `streamlit run app.py`. The router is wdviz/ui/router.py."""

import streamlit as st

from wdviz.ui import server

app = st.App(server.ROUTER, lifespan=server.lifespan, routes=server.routes(), middleware=server.middleware)
