"""What all pages do alike: title, stage, sidebar and words, around a scene of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from wdviz.experiments.overfitting import SUGGESTED
from wdviz.pool import PoolFull
from wdviz.settings import Checked, Settings
from wdviz.ui import controls, live, prose, stage
from wdviz.ui.stage import Ask, Scene


def show(
    name: str,
    title: str,
    compose: Callable[[Settings, Any], Scene],
    table: type[Checked] | None = None,
    *,
    beneath: Callable[[Settings], None] | None = None,
) -> None:
    """Draw a page.

    Arguments:
        name: as in `wdviz.ui.contents`, and of its text in assets/text.
        title: the question that it answers.
        compose: (settings, plan) -> the scene, as far as it is known now; called again whenever the browser asks for a change or for
            more. A ValueError or PoolFull that it raises is said in place of a new picture.
        table: of the page's own controls, whose values are the plan.
        beneath: draws what belongs to the settings and stands under the stage.
    """
    notice, embedded = prose.notice(name), bool(st.context.is_embedded)

    def on_ask(ask: Ask) -> None:
        live.answer(ask, ["", *(settings for _, settings in notice)])

    @st.fragment
    def lab() -> None:
        chosen, notes = controls.settings()
        plan, more_notes = controls.plan(table) if table else (None, [])
        now = live.wishes()
        if not now.moving:
            controls.to_address(chosen)
        try:
            scene = compose(chosen, plan)
        except (ValueError, PoolFull) as error:
            stage.show(f"Nothing was trained: {error}.", key="stage", on_ask=on_ask)
            return
        everything = replace(
            scene,
            more=scene.more and not now.moving,
            only=now.picked if now.moving or scene.more else None,
            notes=(*live.notes_for(chosen), *notes, *more_notes, *scene.notes),
            notice=("The page as it opens", *(words for words, _ in notice)),
            shown=controls.all_shown(),
            embedded=embedded,
        )
        stage.show(everything, key="stage", on_ask=on_ask)
        if beneath and not embedded and not controls.shown("present"):
            beneath(chosen)

    if not embedded:
        st.title(title, anchor=False)
    lab()
    if not embedded:
        controls.sidebar(SUGGESTED, table)
        prose.sections(name, controls.put)
