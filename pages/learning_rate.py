"""Does decay fight with the learning rate?"""

import streamlit as st

from wdviz.experiments import conventions
from wdviz.plans import Landscape
from wdviz.settings import Settings
from wdviz.ui import live, page
from wdviz.ui.scenes import learning_rate as scenes
from wdviz.ui.stage import Scene


def compose(chosen: Settings, plan: Landscape) -> Scene:
    """The maps cell by cell, and what follows the sliders."""
    return page.scene(scenes.scene, chosen, plan, live.follow(scenes.groups(chosen, plan), finely=True))


def code(chosen: Settings) -> None:
    """The optimiser in three conventions, made when it is opened."""
    part = st.expander("Your optimiser as code: optax, PyTorch, the paper", key="code", on_change="rerun")
    if part.open:
        for name, lines in conventions.code(chosen).items():
            part.caption(name)
            part.code(lines, language="python")


page.show("learning-rate", "Does decay fight with the learning rate?", compose, Landscape, beneath=code)
