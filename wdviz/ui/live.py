"""What a page follows in one session: its runs while they finish, and what the visitor last asked the stage for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from wdviz import runs
from wdviz.pool import PoolFull
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.sweeps import Job, Sweep
from wdviz.ui import address, controls
from wdviz.ui.stage import Ask, Progress
from wdviz.ui.turns import Turns

TOGETHER_S = 0.3  # a page waits so long for further repetitions before it shows those it has
LONGEST_S = 0.6  # and so long for a group of jobs of which it can show a part
PATIENT_S = 3.0  # and so long at all: a browser that is told nothing for longer asks again
STEP_S = 0.1  # so often it looks whether the visitor wants something else meanwhile
LEASE_S = 15.0  # what a page has started is dropped if its browser does not ask for more within that time: it has gone
CROWDED_S, CALM_S = 5.0, 1.0  # work that waits, in seconds, from which on, and until which, repetitions are left out
FEWER = 2  # repetitions while the server is crowded


_turns = Turns()


class NotYet(Exception):
    """There is no new picture. The text says to the visitor what is waited for; empty where the visitor's next wish is there already."""


@dataclass
class Wishes:
    """What holds from one run of the fragment to the next."""

    moving: bool = False  # a control or a point is being dragged
    picked: dict[str, str] = field(default_factory=dict)  # the view that each panel shows
    film: str = ""  # the scene of which a film is wanted
    stopped: bool = False  # the long sweep under way is not to go on
    fewer: bool = False  # repetitions are left out, because the server is crowded
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


@dataclass(frozen=True, eq=False)
class Following:
    """What is finished of some jobs, and how many there are. Equal ones look the same."""

    results: dict[Any, Any]
    total: int
    seconds_left: float | None
    stopped: bool = False
    what: str = "trainings"  # what the jobs are called
    place: int = 0  # in the line, where the rest of the jobs finds the server full
    moving: bool = False  # the visitor drags: only the first group is wanted

    @cached_property
    def _seen(self) -> tuple[Any, ...]:
        return frozenset(self.results), self.total, self.more, self.progress

    def __hash__(self) -> int:
        return hash(self._seen)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Following) and self._seen == other._seen

    @property
    def done(self) -> bool:
        """Whether all are finished."""
        return len(self.results) == self.total

    @property
    def more(self) -> bool:
        """Whether there will be more, if the browser asks for it."""
        return not self.done and not self.stopped and not self.moving

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
        if self.place:
            said += f"; the server is full, place {self.place} in the line"
        return Progress(len(self.results), self.total, f"{said}, stopped" if self.stopped else said + self.time_left, self.stopped)


def follow(groups: Sequence[Sequence[Job]], *, finely: bool = False, what: str = "trainings") -> Following:
    """Start jobs and wait for some of them; at least the first group is whole.

    A first call starts the first group alone, before all that other visitors' pictures do not need at once. Each further call with the
    same jobs starts the rest and waits until one more group is whole, and a little longer if that gives all of them. Other jobs drop
    those of the last call that have not started. While the visitor drags, only the first group is ever started; once stopped, none is.
    When it returns it is this thread's turn to draw, until `drawn`.

    Arguments:
        finely: a page that can show part of a group; then no call waits much longer than `LONGEST_S` for a whole one.
        what: the jobs as they are called in words.

    Raises:
        NotYet: if the first group is not whole in good time, or the visitor wants something else meanwhile.
        PoolFull: if the first group finds the server full.
        ValueError: if a job cannot be done.
    """
    now, tally = wishes(), _Tally(groups)
    known: tuple[tuple[Job, ...], Sweep] | None = st.session_state.get("_sweep")
    same = known is not None and known[0] == tally.planned
    again = same and not now.moving
    now.stopped = now.stopped and same
    tally.start(again=again)
    _wait_for_news(tally, st.session_state.get("_shown", (0, 0)) if again else (0, 0), TOGETHER_S if again else 0, finely=finely)
    if not tally.begun:
        raise NotYet(_busy())
    _turns.take(urgent=not again)
    _check_in()
    _wait(tally.sweep, 0)  # what came meanwhile is shown as well
    results, sweep = tally.results, tally.sweep
    st.session_state["_shown"] = tally.whole, len(results)
    left = sweep.seconds_left if sweep else None
    return Following(results, len(set(tally.planned)), left, now.stopped, what, tally.place, now.moving)


class _Tally:
    """What is finished of groups of jobs: what was at first, and what the sweep under way has given since."""

    def __init__(self, groups: Sequence[Sequence[Job]]) -> None:
        self.planned = tuple(job for group in groups for job in group)
        self.sweep: Sweep | None = None
        self.place = 0  # in the line
        self._groups, self._at_once = groups, runs.finished(self.planned)

    @property
    def results(self) -> dict[Any, Any]:
        return self._at_once | (self.sweep.results if self.sweep else {})

    @property
    def whole(self) -> int:
        """How many groups are."""
        results = self.results
        return sum(all(job in results for job in group) for group in self._groups)

    @property
    def begun(self) -> bool:
        """Whether the first group is whole."""
        results = self.results
        return all(job in results for job in self._groups[0])

    def start(self, *, again: bool) -> None:
        """Start all, or the first group alone where it is not there yet or a page asks for the first time. Raises `PoolFull`."""
        begun = self.begun
        try:
            self.sweep = _under_way(self.planned, self.planned if again and begun else self._groups[0], urgent=not begun)
        except PoolFull as full:
            if not begun:
                raise
            self.place = full.place  # the first picture is there; the rest is asked for again and again


def _wait_for_news(tally: _Tally, before: tuple[int, int], together: float, *, finely: bool) -> None:
    """Until there is more to show than `before`, (whole groups, jobs), and for `together` seconds at least; or patience ends."""
    started = time.monotonic()
    while True:
        _check_in()
        passed = time.monotonic() - started
        more = finely and passed > LONGEST_S and len(tally.results) > before[1]
        enough = tally.begun and (more or tally.whole > before[0])
        left = together - passed
        ended = (tally.sweep and tally.sweep.done) or wishes().stopped
        if ended or (enough and left <= 0) or passed > PATIENT_S:
            return
        _wait(tally.sweep, min(max(left, 0), STEP_S) if enough else STEP_S)


def drawn() -> None:
    """The picture is on its way: others may draw."""
    _turns.end()


def _under_way(planned: tuple[Job, ...], jobs: Sequence[Job], *, urgent: bool) -> Sweep:
    """The sweep of `jobs`, the part of what is planned that is wanted now: the one that goes on already, or a new one in its place."""
    known: tuple[tuple[Job, ...], Sweep] | None = st.session_state.get("_sweep")
    if known and known[0] == planned:
        _wait(known[1], 0)  # learns whether it was dropped meanwhile
        same = known[1].total == len(set(jobs)) and not known[1].cancelled
        if wishes().stopped or same:
            return known[1]
    if known:
        known[1].cancel()
    _check_in()
    sweep = runs.sweep(jobs, session=_session(), urgent=urgent)
    st.session_state["_sweep"] = (planned, sweep)
    return sweep


def _check_in() -> None:
    """Say that this session's jobs are still wanted.

    Raises:
        NotYet: if the visitor wants something else already: that, then, is what the cores are for.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context:
        runs.pool().lease(context.session_id, LEASE_S)
    requests = context.script_requests if context else None
    # Streamlit itself would go on: a fragment that is asked to run once more runs to its end first.
    if requests and requests._state != ScriptRequestType.CONTINUE:
        raise NotYet


def _wait(sweep: Sweep | None, seconds: float) -> None:
    """Until something is finished, or for so long."""
    if sweep is None:
        time.sleep(seconds)
        return
    try:
        sweep.wait(seconds)
    except CancelledError:  # dropped while the browser was silent for long
        sweep.cancel()


def _busy() -> str:
    before = runs.pool().place(_session()) - 1
    ahead = f"{before} visitor{'s' * (before > 1)} before you" if before > 0 else "your picture comes next"
    return f"The server is busy: {ahead}. The page goes on by itself."


def filmed(wanted: Sequence[Run]) -> dict[Run, History]:
    """Those runs, recorded: waits for them. Raises as `follow`, but not for the time it takes."""
    _turns.end()
    sweep = runs.sweep(wanted, session=_session(), urgent=True)
    while not sweep.done:
        _check_in()
        _wait(sweep, STEP_S)
    _turns.take(urgent=True)
    return sweep.results


def as_far_as_crowded(chosen: Settings) -> Settings:
    """The settings, with fewer repetitions while many visitors' work waits: each then has a picture soon, and nobody a wide spread."""
    now, state = wishes(), runs.pool().state()
    many = state.sessions > 2 * state.workers
    now.fewer = many and state.backlog > (CALM_S if now.fewer else CROWDED_S)
    return replace(chosen, seeds=min(chosen.seeds, FEWER)) if now.fewer else chosen


def _session() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def name_of(*shown: Any) -> str:
    """A short name of what is shown, such as settings and how many runs are finished: equal for equal ones, on any server."""
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()


def name_of_film(settings: Settings) -> str:
    """A short name of the first repetition alone, which is what a film shows."""
    return name_of(replace(settings, seeds=1), 0)
