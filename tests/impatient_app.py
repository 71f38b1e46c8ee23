"""The app, on a server that drops the runs of a browser that has been silent for two seconds, so that a test need not wait for longer."""

import streamlit as st

from wdviz.serving import assembly
from wdviz.ui import live

live.LEASE_S = 2.0
app = st.App(assembly.ROUTER, **assembly.around())
