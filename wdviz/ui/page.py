"""What all pages do alike: title, stage, sidebar and words, around a scene of their own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from wdviz.experiments.overfitting import SUGGESTED
from wdviz.pool import PoolFull
from wdviz.settings import Settings
from wdviz.ui import address, controls, faults, live, prose, stage
from wdviz.ui.contents import PAGES, Entry
from wdviz.ui.live import Following
from wdviz.ui.shared import Shared
from wdviz.ui.stage import Ask, Hold, Scene

SOON_S = 0.3  # after which a browser asks again for a picture that is being made
IN_LINE_S = 2.0  # after which a browser asks again whether there is room
LATER_S = 5.0  # and whether the repetitions that were left out can be afforded
MOST_SCENES, MOST_SCENE_BYTES = 1000, 192 * 2**20  # kept of all sessions, with the results that they show
A_SCENE = 2**16  # bytes of one without its results
CROWDED = "Many people are training now, so this shows {} of {} seeds. The others follow by themselves."


_scenes: Shared[Scene] = Shared(MOST_SCENES, MOST_SCENE_BYTES)


def scene(make: Callable[..., Scene], *wanted: Hashable, **options: Hashable) -> Scene:
    """The scene that `make` gives for these arguments, a `Following` among them; it may be one that was made for another session."""
    (following,) = (given for given in wanted if isinstance(given, Following))
    key = make, wanted, tuple(options.items())
    return _scenes.get(key, lambda: make(*wanted, **options), lambda _: _held(key, following))


def _held(key: Hashable, following: Following) -> dict[Hashable, int]:
    """Of a scene: its pictures, and the results that they are drawn from."""
    return {key: A_SCENE} | {job: result.nbytes for job, result in following.results.items()}


def drawn(entry: Entry, settings: Settings, plan: Any, following: Following) -> Scene:
    """What the page shows of these jobs, with its options as it opens."""
    return scene(entry.scene, *entry.wanted(settings, plan), following, **entry.options)


def show(name: str, compose: Callable[[Settings, Any], Scene] | None = None, *, beneath: Callable[[Settings], None] | None = None) -> None:
    """Draw a page.

    Arguments:
        name: as in `wdviz.ui.contents`, and of its text in assets/text.
        compose: (settings, plan) -> the scene, as far as it is known now, where that takes more than to follow the page's jobs; called
            again whenever the browser asks for a change or for more. An error that it raises is said in place of a new picture.
        beneath: draws what belongs to the settings and stands under the stage.
    """
    entry = PAGES[name]
    table, compose = entry.table, compose or partial(_follow, entry)
    notice, embedded = prose.notice(name), bool(st.context.is_embedded)
    steps = ["", *(settings for _, settings in notice)]

    def on_ask(ask: Ask) -> None:
        live.answer(ask, steps)

    def asked() -> tuple[tuple[Settings, list[str]], tuple[Any, list[str]]]:
        return controls.settings(), controls.plan(table) if table else (None, [])

    said = [asked()]  # before the sidebar, whose controls take only what they offer

    @st.fragment
    def lab() -> None:
        (chosen, notes), (plan, more_notes) = said.pop() if said else asked()
        now = live.wishes()
        if not now.moving:
            controls.to_address(chosen)
        affordable = live.as_far_as_crowded(chosen)
        crowded = (CROWDED.format(affordable.seeds, chosen.seeds),) if affordable != chosen else ()
        try:
            scene = compose(affordable, plan)
            everything = replace(
                scene,
                more=(scene.more or bool(crowded)) and not now.moving,
                again=0 if scene.more else LATER_S,
                only=now.picked if now.moving or scene.more else None,
                notes=(*live.notes_for(chosen), *notes, *more_notes, *scene.notes, *crowded),
                notice=("The page as it opens", *(words for words, _ in notice)),
                step=_step(steps),
                shown=controls.all_shown(),
                embedded=embedded,
            )
            stage.show(everything, key="stage", on_ask=on_ask)  # this draws the figures
        except Exception as error:
            stage.show(_instead(error), key="stage", on_ask=on_ask)
            return
        finally:
            live.drawn()
        if beneath and not embedded and not controls.shown("present"):
            beneath(chosen)

    if not embedded:
        st.title(entry.question, anchor=False)
        prose.in_short(name)
        # Before the stage: a browser sends all controls' values with each ask, so it must have those that one set before the next.
        controls.sidebar(SUGGESTED, table)
    lab()
    if not embedded:
        prose.sections(name, controls.put)


def _step(steps: Sequence[str]) -> int | None:
    """The step of the presentation whose settings, as queries, are those of the address."""
    wanted = (address.START | address.parse(step) for step in steps)
    return next((k for k, values in enumerate(wanted) if all(address.known(name) == value for name, value in values.items())), None)


def _follow(entry: Entry, chosen: Settings, plan: Any) -> Scene:
    following = live.follow(entry.work(chosen, plan), finely=entry.finely, what=entry.what)
    return drawn(entry, chosen, plan, following)


def _instead(error: Exception) -> Hold:
    """What the stage says where there is no new picture."""
    if isinstance(error, live.NotYet):
        return Hold(status=str(error), again=SOON_S if str(error) else None)
    if isinstance(error, PoolFull):
        return Hold(status=f"The server is full. Your place in the line is {error.place}; the page goes on by itself.", again=IN_LINE_S)
    if isinstance(error, ValueError):
        return Hold(trouble=f"Nothing was trained: {error}.")
    return Hold(trouble=faults.sentence(error, "a page"))
