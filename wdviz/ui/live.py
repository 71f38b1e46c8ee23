"""What a page follows in one session: its runs while they finish, and what the visitor last asked the stage for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from wdviz import runs
from wdviz.results import History
from wdviz.runs import Job, Run, Sweep
from wdviz.settings import Settings
from wdviz.ui import address, controls
from wdviz.ui.stage import Ask, Progress

TOGETHER_S = 0.3  # a page waits so long for further repetitions before it shows those it has
LONGEST_S = 0.6  # and so long for a group of jobs of which it can show a part


@dataclass
class Wishes:
    """What holds from one run of the fragment to the next."""

    moving: bool = False  # a control or a point is being dragged
    picked: dict[str, str] = field(default_factory=dict)  # the view that each panel shows
    film: str = ""  # the scene of which a film is wanted
    stopped: bool = False  # the long sweep under way is not to go on
    notes: list[str] = field(default_factory=list)
    notes_on: Settings | None = None  # the settings that the notes are about


def wishes() -> Wishes:
    """This session's."""
    if "_wishes" not in st.session_state:
        st.session_state["_wishes"] = Wishes()
    return st.session_state["_wishes"]


def open_address(page: str) -> None:
    """Take settings from the address if it has changed by other hands than the app's; its notes stay until a setting changes."""
    if notes := address.take(page):
        _say(notes)


def answer(ask: Ask, notice: Sequence[str]) -> None:
    """Carry out what the visitor did on the stage. `notice`: the settings of each step of the presentation, as queries."""
    now = wishes()
    now.moving, now.picked, now.film = ask.live, ask.picked, ask.film
    if ask.stop is not None:
        now.stopped = ask.stop
    if ask.stop and "_sweep" in st.session_state:
        st.session_state["_sweep"][1].cancel()  # at once: the cores are free for others after the jobs under way
    if notes := controls.put_texts(ask.put):
        _say(notes)
    if ask.notice is not None and 0 <= ask.notice < len(notice):
        controls.put(address.START | address.parse(notice[ask.notice]))
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


@dataclass(frozen=True)
class Following:
    """What is finished of some jobs, and how many there are."""

    results: dict[Any, Any]
    total: int
    seconds_left: float | None
    stopped: bool = False
    what: str = "trainings"  # what the jobs are called

    @property
    def done(self) -> bool:
        """Whether all are finished."""
        return len(self.results) == self.total

    @property
    def more(self) -> bool:
        """Whether there will be more, if the browser asks for it."""
        return not self.done and not self.stopped and not wishes().moving

    @property
    def time_left(self) -> str:
        """`, 3 s left`, or nothing where it is short or not known yet."""
        left = self.seconds_left
        return f", {left:.0f} s left" if left is not None and left >= 1.5 and not self.stopped else ""

    @property
    def progress(self) -> Progress | None:
        """For the stage; None when all is done."""
        if self.done:
            return None
        said = f"{len(self.results)} of {self.total} {self.what}"
        return Progress(len(self.results), self.total, f"{said}, stopped" if self.stopped else said + self.time_left, self.stopped)


def follow(groups: Sequence[Sequence[Job]], *, finely: bool = False, what: str = "trainings") -> Following:
    """Start jobs and wait for some of them; at least the first group is whole.

    A first call starts the first group alone, so that nothing competes with the first picture. Each further call with the same jobs
    starts the rest and waits until one more group is whole, and a little longer if that gives all of them. Other jobs drop those of
    the last call that have not started. While the visitor drags, only the first group is ever started; once stopped, none is.

    Arguments:
        finely: a page that can show part of a group; then no call waits much longer than `LONGEST_S` for a whole one.
        what: the jobs as they are called in words.

    Raises:
        PoolFull: if too many jobs of all visitors wait already.
        ValueError: if a job cannot be done.
    """
    now, planned = wishes(), tuple(job for group in groups for job in group)
    known: tuple[tuple[Job, ...], Sweep] | None = st.session_state.get("_sweep")
    again = known is not None and known[0] == planned and not now.moving
    now.stopped = now.stopped and known is not None and known[0] == planned
    total = len(set(planned))
    if known and again and (now.stopped or (known[1].total == total and not known[1].cancelled)):
        sweep = known[1]
    else:
        if known:
            known[1].cancel()
        sweep = runs.sweep(planned if again else groups[0], session=_session())
        st.session_state["_sweep"] = (planned, sweep)
    shown, before = st.session_state.get("_shown", (0, 0)) if again else (0, 0)
    started, at_once = time.monotonic(), runs.finished(planned)
    while True:
        results = at_once | sweep.results
        whole = sum(all(job in results for job in group) for group in groups)
        passed = time.monotonic() - started
        begun = all(job in results for job in groups[0])
        enough = begun and (whole > shown or (finely and passed > LONGEST_S and len(results) > before))
        left = (TOGETHER_S if again else 0) - passed
        if sweep.done or now.stopped or (enough and left <= 0):
            break
        sweep.wait(max(left, 0) if enough else LONGEST_S if finely else None)
    st.session_state["_shown"] = whole, len(results)
    return Following(results, total, sweep.seconds_left, now.stopped, what)


def filmed(wanted: Sequence[Run]) -> dict[Run, History]:
    """Those runs, recorded: waits for them."""
    return runs.sweep(wanted, session=_session()).wait_all()


def _session() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def name_of(*shown: Any) -> str:
    """A short name of what is shown, such as settings and how many runs are finished: equal for equal ones, on any server."""
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()


def name_of_film(settings: Settings) -> str:
    """A short name of the first repetition alone, which is what a film shows."""
    return name_of(replace(settings, seeds=1), 0)
