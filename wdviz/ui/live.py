"""What a page follows in one session: its runs while they finish, and what the visitor last asked the stage for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from wdviz import runs
from wdviz.results import History
from wdviz.runs import Run, Sweep
from wdviz.settings import Settings
from wdviz.ui import address, controls
from wdviz.ui.stage import Ask

TOGETHER_S = 0.3  # a page waits so long for further repetitions before it shows those it has


@dataclass
class Wishes:
    """What holds from one run of the fragment to the next."""

    moving: bool = False  # a control or a point is being dragged
    picked: dict[str, str] = field(default_factory=dict)  # the view that each panel shows
    film: str = ""  # the scene of which a film is wanted
    notes: list[str] = field(default_factory=list)
    notes_on: Settings | None = None  # the settings that the notes are about


def wishes() -> Wishes:
    """This session's."""
    if "_wishes" not in st.session_state:
        st.session_state["_wishes"] = Wishes()
    return st.session_state["_wishes"]


def open_address() -> None:
    """Take settings from the address if it has changed by other hands than the app's; its notes stay until a setting changes."""
    if notes := address.take():
        _say(notes)


def answer(ask: Ask, notice: Sequence[str]) -> None:
    """Carry out what the visitor did on the stage. `notice`: the settings of each step of the presentation, as queries."""
    now = wishes()
    now.moving, now.picked, now.film = ask.live, ask.picked, ask.film
    if notes := controls.put_texts(ask.put):
        _say(notes)
    if ask.notice is not None and 0 <= ask.notice < len(notice):
        controls.put(address.SETTINGS | address.parse(notice[ask.notice]))
    if ask.notice is not None or ask.put.keys() & {"present", *controls.IN_SIDEBAR}:
        st.rerun()  # the whole page: the sidebar and its controls must follow


def _say(notes: list[str]) -> None:
    now = wishes()
    now.notes, now.notes_on = notes, None


def notes_for(chosen: Settings) -> list[str]:
    """Notes on what was asked for, as long as the settings stay those that came of it."""
    now = wishes()
    now.notes_on = now.notes_on or chosen
    if now.notes_on != chosen:
        now.notes = []
    return now.notes


def follow(groups: Sequence[Sequence[Run]]) -> tuple[dict[Run, History], Sweep]:
    """What is finished of some runs, and the sweep that is under way; at least the first group is whole.

    A first call starts the first group alone, so that nothing competes with the first picture. Each further call with the same runs
    starts the rest and waits until one more group is whole, and a little longer if that gives all of them. Other runs drop those of
    the last call that have not started. While the visitor drags, only the first group is ever started.

    Raises:
        PoolFull: if too many runs of all visitors wait already.
    """
    planned = tuple(run for group in groups for run in group)
    known: tuple[tuple[Run, ...], Sweep] | None = st.session_state.get("_sweep")
    again = known is not None and known[0] == planned and not wishes().moving
    if known and again and known[1].total == len(set(planned)):
        sweep = known[1]
    else:
        if known:
            known[1].cancel()
        sweep = runs.sweep(planned if again else groups[0], session=_session())
        st.session_state["_sweep"] = (planned, sweep)
    shown = st.session_state.get("_shown", 0) if again else 0
    until = time.monotonic() + (TOGETHER_S if again else 0)
    while True:
        results = runs.finished(planned) | sweep.results
        whole = sum(all(run in results for run in group) for group in groups)
        enough = whole > shown and all(run in results for run in groups[0])
        left = until - time.monotonic()
        if sweep.done or (enough and left <= 0):
            break
        sweep.wait(left if enough else None)
    st.session_state["_shown"] = whole
    return results, sweep


def filmed(wanted: Sequence[Run]) -> dict[Run, History]:
    """Those runs, recorded: waits for them."""
    return runs.sweep(wanted, session=_session()).wait_all()


def _session() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def time_left(sweep: Sweep) -> str:
    """`, 3 s left`, or nothing where it is short or not known yet."""
    left = sweep.seconds_left
    return f", {left:.0f} s left" if left is not None and left >= 1.5 else ""


def name_of(settings: Settings, seeds: int) -> str:
    """A short name of what is shown: equal for equal settings and seeds finished, on any server."""
    return hashlib.blake2b(repr((settings, seeds)).encode(), digest_size=8).hexdigest()


def name_of_film(settings: Settings) -> str:
    """A short name of the first repetition alone, which is what a film shows."""
    return name_of(replace(settings, seeds=1), 0)
