"""What does weight decay do to a network that memorises?"""

import streamlit as st

from wdviz.experiments import overfitting
from wdviz.pool import PoolFull
from wdviz.ui import controls, live, prose, stage
from wdviz.ui.scenes import overfitting as scenes

NOTICE = prose.notice("overfitting")
EMBEDDED = bool(st.context.is_embedded)


def on_ask(ask: stage.Ask) -> None:
    live.answer(ask, ["", *(settings for _, settings in NOTICE)])


@st.fragment
def lab() -> None:
    """The stage: its controls, the runs they ask for, and their pictures."""
    chosen, changed = controls.settings()
    now = live.wishes()
    if not now.moving:
        controls.to_address(chosen)
    try:
        following = live.follow(overfitting.pairs(chosen))
        scene = scenes.scene(
            overfitting.compare(chosen, following.results),
            notes=(*live.notes_for(chosen), *changed),
            time_left=following.time_left,
            moving=now.moving,
            picked=now.picked,
            notice=[words for words, _ in NOTICE],
            shown=controls.all_shown(),
            embedded=EMBEDDED,
            filmed=live.filmed(overfitting.film_pair(chosen)) if now.film == live.name_of_film(chosen) else None,
        )
    except (ValueError, PoolFull) as error:
        scene = f"Nothing was trained: {error}."
    stage.show(scene, key="stage", on_ask=on_ask)


if not EMBEDDED:
    st.title("What does weight decay do to a network that memorises?", anchor=False)
lab()
if not EMBEDDED:
    controls.sidebar(overfitting.SUGGESTED)
    prose.sections("overfitting", controls.put)
