"""Does decay fight with the learning rate?"""

import streamlit as st

from wdviz.experiments import conventions
from wdviz.settings import Settings
from wdviz.ui import page


def code(chosen: Settings) -> None:
    """The optimiser in three conventions, made when it is opened."""
    part = st.expander("Your optimiser as code: optax, PyTorch, the paper", key="code", on_change="rerun")
    if part.open:
        for name, lines in conventions.code(chosen).items():
            part.caption(name)
            part.code(lines, language="python")


page.show("learning-rate", beneath=code)
