"""What one session follows: its visitor's wishes, the notes on them, and its runs while they finish."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from tests.test_pool import PATIENCE, until
from wdviz import runs
from wdviz.experiments import overfitting
from wdviz.pool import FairPool, PoolFull
from wdviz.settings import SPECS, Settings
from wdviz.specs import Number
from wdviz.ui import address, controls, live
from wdviz.ui.stage import Ask

NOTICE = ["", "decay=30", "dataset=xor&seed=3"]
QUICK = Settings(steps=20, seeds=3)  # the default program, so nothing is compiled for it


class Rerun(Exception):
    """`st.rerun` was called: the whole page runs again."""


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A session of its own."""

    def rerun() -> None:
        raise Rerun

    session: dict[str, Any] = dict(address.DEFAULTS)
    monkeypatch.setattr(live.st, "session_state", session)
    monkeypatch.setattr(live.st, "rerun", rerun)
    monkeypatch.setattr(live, "PATIENT_S", PATIENCE)
    yield session
    live.drawn()
    if "_sweep" in session:
        session["_sweep"][1].cancel()


def chosen() -> Settings:
    return controls.settings()[0]


# --- asks -------------------------------------------------------------------------------------------------------------------------


def test_an_ask_sets_settings_as_an_address_would(state: dict[str, Any]):
    live.answer(Ask(put={"decay": "5", "learning_rate": "0.1", "edits": "r2~r1", "contrast": "1"}), NOTICE)
    assert chosen() == Settings(decay=5.0, learning_rate=0.1, edits="r1~r2")
    assert state["contrast"] is True
    assert live.notes_for(chosen()) == []


@pytest.mark.parametrize("name", ["present", "n_train"])
def test_what_shows_beside_the_stage_runs_the_whole_page_again(name: str, state: dict[str, Any]):
    with pytest.raises(Rerun):
        live.answer(Ask(put={name: "1" if name == "present" else "60"}), NOTICE)
    assert state[name] == (True if name == "present" else 60)


def test_an_ask_for_more_changes_nothing(state: dict[str, Any]):
    before = dict(state)
    live.answer(Ask(more=True, picked={"curves": "accuracy"}), NOTICE)
    assert {name: state[name] for name in before} == before
    assert live.wishes() == live.Wishes(picked={"curves": "accuracy"})


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_notice_step_sets_every_setting(step: int, state: dict[str, Any]):
    state |= {"decay": 7.0, "width": 16, "edits": "r1", "present": True}
    with pytest.raises(Rerun):
        live.answer(Ask(notice=step), NOTICE)
    assert chosen() == [Settings(), Settings(decay=30.0), Settings(dataset="xor", seed=3)][step]
    assert state["present"] is True  # how it is shown stays


@pytest.mark.parametrize("step", [-1, 3, 10**400])
def test_a_notice_step_that_is_not_there_changes_nothing(step: int, state: dict[str, Any]):
    state["decay"] = 7.0
    with pytest.raises(Rerun):
        live.answer(Ask(notice=step), NOTICE)
    assert chosen() == Settings(decay=7.0)


def test_moving_and_film_hold_for_one_ask(state: dict[str, Any]):
    live.answer(Ask(live=True, film="abc"), NOTICE)
    assert (live.wishes().moving, live.wishes().film) == (True, "abc")
    live.answer(Ask(), NOTICE)
    assert (live.wishes().moving, live.wishes().film) == (False, "")


@pytest.mark.parametrize(
    ("name", "text", "value", "said"),
    [
        ("decay", "1e999", 2.0, "must be a finite number from 0 to 100"),
        ("decay", "-1", 0.0, "must be from 0 to 100"),
        ("decay", "much", 7.0, "must be a number from 0 to 100. Nothing was changed."),
        ("switch_at", "99999", 3000, "from 0 to 3000"),
        ("edits", "__import__", "", "'__import__' is no edit"),
        ("dataset", "\ud800", "moons", "must be one of moons"),
        ("_seat_stage", "1", None, "is not a setting"),
        ("\ud800", "1", None, "is not a setting"),
        ("contrast", "yes", False, "must be 0 or 1"),
    ],
)
def test_a_forged_ask_leaves_valid_settings_and_a_note(name: str, text: str, value: object, said: str, state: dict[str, Any]):
    state["decay"] = 7.0
    with contextlib.suppress(Rerun):  # controls beside the stage must follow
        live.answer(Ask(put={name: text}), NOTICE)
    (note,) = live.notes_for(chosen())
    assert said in note
    note.encode()
    assert state.get(name) == value
    assert set(state) <= {*address.DEFAULTS, "_wishes"}


# --- notes ------------------------------------------------------------------------------------------------------------------------


def test_notes_stay_until_a_setting_changes(state: dict[str, Any]):
    live.answer(Ask(put={"decay": "-1"}), NOTICE)
    notes = live.notes_for(chosen())
    assert len(notes) == 1
    for ask in (Ask(more=True), Ask(picked={"curves": "loss"}), Ask(film="abc")):
        live.answer(ask, NOTICE)
        assert live.notes_for(chosen()) == notes
    state["seed"] = 3  # by a control of the sidebar
    assert live.notes_for(chosen()) == []
    state["seed"] = 0
    assert live.notes_for(chosen()) == []  # gone is gone


def test_a_good_value_takes_the_note_on_a_bad_one_away(state: dict[str, Any]):
    live.answer(Ask(put={"decay": "-1"}), NOTICE)
    live.notes_for(chosen())
    live.answer(Ask(put={"decay": "5"}), NOTICE)
    assert live.notes_for(chosen()) == []


def test_notes_on_the_address_are_given_when_it_was_taken_and_not_again(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    given = iter([["decay is -1."], [], ["seed is x."]])
    monkeypatch.setattr(address, "take", lambda page: next(given))
    live.open_address("overfitting")
    assert live.notes_for(Settings()) == ["decay is -1."]
    live.open_address("overfitting")
    assert live.notes_for(Settings()) == ["decay is -1."]
    live.open_address("overfitting")
    assert live.notes_for(Settings()) == ["seed is x."]


# --- runs -------------------------------------------------------------------------------------------------------------------------


def whole(results: dict, groups: Sequence[Any]) -> int:
    return sum(all(run in results for run in group) for group in groups)


def test_the_first_call_runs_the_first_group_alone_and_further_calls_the_rest(state: dict[str, Any]):
    groups = overfitting.pairs(replace(QUICK, seed=100))
    first = live.follow(groups)
    assert (whole(first.results, groups), len(first.results), first.total, first.more) == (1, 2, 6, True)
    assert state["_sweep"][1].total == 2
    seen = [1]
    while seen[-1] < len(groups):
        following = live.follow(groups)
        assert state["_sweep"][1].total == 6
        seen.append(whole(following.results, groups))
        assert seen[-1] > seen[-2]
    following = live.follow(groups)  # and there it stays
    assert (following.done, following.more, following.progress) == (True, False, None)
    assert whole(following.results, groups) == 3


def test_while_the_hand_moves_only_the_first_group_is_ever_started(state: dict[str, Any]):
    live.wishes().moving = True
    groups = overfitting.pairs(replace(QUICK, seed=200))
    for _ in range(3):
        following = live.follow(groups)
        assert set(following.results) == set(groups[0])
        assert state["_sweep"][1].total == 2
        assert following.more is False
    assert runs.finished([run for group in groups[1:] for run in group]) == {}
    live.wishes().moving = False
    assert whole(live.follow(groups).results, groups) >= 2  # let go: the rest


def test_other_runs_drop_those_that_wait(state: dict[str, Any]):
    groups, others = (overfitting.pairs(replace(QUICK, seed=seed)) for seed in (300, 400))
    live.follow(groups)
    live.follow(groups)
    first = state["_sweep"][1]
    results = live.follow(others).results
    assert first.done  # whether finished or dropped
    assert state["_sweep"][1] is not first
    assert set(others[0]) <= set(results)
    assert not set(groups[0]) & set(results)


def test_what_was_finished_before_is_there_at_once(state: dict[str, Any]):
    groups = overfitting.pairs(replace(QUICK, seed=500))
    runs.sweep([run for group in groups for run in group]).wait_all()
    following = live.follow(groups)
    assert whole(following.results, groups) == 3
    assert following.done


def test_a_full_pool_is_passed_on_and_the_next_call_starts_afresh(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    def full(*args: Any, **kwargs: Any) -> Any:
        raise PoolFull(100, 3)

    groups = overfitting.pairs(replace(QUICK, seed=600))
    with monkeypatch.context() as patched:
        patched.setattr(runs, "sweep", full)
        with pytest.raises(PoolFull):
            live.follow(groups)
    assert whole(live.follow(groups).results, groups) == 1


def test_a_stopped_sweep_keeps_what_is_done_starts_nothing_and_goes_on_when_asked(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "TOGETHER_S", 0.0)
    groups = overfitting.pairs(replace(QUICK, seed=800, seeds=20, steps=1000))
    live.follow(groups)
    live.follow(groups)
    sweep = state["_sweep"][1]
    live.answer(Ask(stop=True), NOTICE)
    assert sweep.done  # at once: nothing more is started
    stopped = live.follow(groups)
    kept = len(stopped.results)
    assert (stopped.stopped, stopped.more, stopped.done) == (True, False, False)
    assert stopped.progress is not None
    assert (stopped.progress.done, stopped.progress.total, stopped.progress.stopped) == (kept, 40, True)
    assert "stopped" in stopped.progress.words
    assert len(live.follow(groups).results) == kept
    assert runs.pool().waiting(live._session()) == 0
    live.answer(Ask(stop=False), NOTICE)
    assert live.follow(groups).stopped is False
    while not (following := live.follow(groups)).done:
        assert len(following.results) > kept


def test_a_stop_holds_for_the_sweep_it_was_meant_for(state: dict[str, Any]):
    groups, others = (overfitting.pairs(replace(QUICK, seed=seed)) for seed in (900, 950))
    live.follow(groups)
    live.answer(Ask(stop=True), NOTICE)
    assert live.follow(groups).stopped is True
    assert live.follow(others).stopped is False
    assert live.follow(groups).stopped is False


def test_a_page_that_can_show_part_of_a_group_does_not_wait_for_all_of_it(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "LONGEST_S", 0.0)
    monkeypatch.setattr(live, "TOGETHER_S", 0.0)
    first, *rest = overfitting.pairs(replace(QUICK, seed=1000, seeds=20))
    groups = [first, [run for pair in rest for run in pair]]
    live.follow(groups, finely=True)
    seen = len(live.follow(groups, finely=True).results)
    assert 2 < seen < 40
    while not (following := live.follow(groups, finely=True)).done:
        assert len(following.results) > seen  # never the same again: an unchanged stage would not ask for more
        seen = len(following.results)


def test_a_film_is_recorded_for_the_runs_that_are_wanted(state: dict[str, Any]):
    pair = overfitting.film_pair(replace(QUICK, seed=700))
    filmed = live.filmed(pair)
    assert set(filmed) == set(pair)
    assert all(history.film_grid is not None for history in filmed.values())


def test_who_has_something_to_draw_has_the_turn_until_it_is_drawn(state: dict[str, Any]):
    live.follow(overfitting.pairs(replace(QUICK, seed=750)))
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(live._turns.take, urgent=True)
        until(lambda: bool(live._turns._waiting[True]))
        live.drawn()
        waiting.result(PATIENCE)
        other.submit(live.drawn).result(PATIENCE)
    assert live._turns._taken is False


# --- a busy server ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The session on a server of its own with one worker, which is busy until `go` is set; `requests` are Streamlit's for the session."""
    pool, go = FairPool(1, runs.result_of), threading.Event()
    holder = pool.for_session("holder").submit(go.wait, PATIENCE)
    context = SimpleNamespace(session_id="me", script_requests=ScriptRequests())
    monkeypatch.setattr(live, "get_script_run_ctx", lambda **_: context)
    monkeypatch.setattr(runs, "pool", lambda: pool)
    yield SimpleNamespace(pool=pool, go=go, holder=holder, requests=context.script_requests)
    go.set()
    pool.shutdown(cancel_futures=True)


def test_a_page_says_who_comes_before_it_and_keeps_its_place(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "PATIENT_S", 0.0)
    groups = overfitting.pairs(replace(QUICK, seed=1100))
    server.pool.start(overfitting.pairs(replace(QUICK, seed=1150))[0], "other", urgent=True)
    for _ in range(2):
        with pytest.raises(live.NotYet, match="1 visitor before you"):
            live.follow(groups)
        assert server.pool.place("me") == 2
    server.go.set()
    monkeypatch.setattr(live, "PATIENT_S", PATIENCE)
    assert whole(live.follow(groups).results, groups) == 1


def test_a_newer_wish_ends_the_wait_for_an_older_one(server: SimpleNamespace):
    groups = overfitting.pairs(replace(QUICK, seed=1200))
    with ThreadPoolExecutor(1) as script:
        waiting = script.submit(live.follow, groups)
        until(lambda: server.pool.waiting("me") == 2)
        server.requests.request_rerun(RerunData(fragment_id="stage"))
        with pytest.raises(live.NotYet) as ended:
            waiting.result(PATIENCE)
    assert str(ended.value) == ""  # nothing to say: the newer one is on its way


def test_a_film_ends_for_a_newer_wish_too(server: SimpleNamespace):
    with ThreadPoolExecutor(1) as script:
        waiting = script.submit(live.filmed, overfitting.film_pair(replace(QUICK, seed=1250)))
        until(lambda: server.pool.waiting("me") > 0)
        server.requests.request_stop()
        with pytest.raises(live.NotYet):
            waiting.result(PATIENCE)


def test_what_a_visitor_who_left_had_started_is_dropped_and_started_anew_when_back(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "PATIENT_S", 0.0)
    monkeypatch.setattr(live, "LEASE_S", 0.0)
    groups = overfitting.pairs(replace(QUICK, seed=1300))
    with pytest.raises(live.NotYet):
        live.follow(groups)
    assert server.pool.waiting("me") == 2
    server.go.set()
    server.pool.for_session("other").submit(int).result(PATIENCE)
    until(lambda: server.pool.waiting() == 0)
    assert runs.finished(groups[0]) == {}
    monkeypatch.setattr(live, "LEASE_S", PATIENCE)
    monkeypatch.setattr(live, "PATIENT_S", PATIENCE)
    assert whole(live.follow(groups).results, groups) == 1


def test_a_session_that_asks_on_keeps_what_it_has_started(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "PATIENT_S", 0.0)
    groups = overfitting.pairs(replace(QUICK, seed=1350))
    with pytest.raises(live.NotYet):
        live.follow(groups)
    assert server.pool._leases["me"] - time.monotonic() > live.LEASE_S / 2


def test_where_only_the_rest_finds_no_room_the_first_picture_stays_and_the_place_is_said(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    server.go.set()
    groups = overfitting.pairs(replace(QUICK, seed=1400))
    live.follow(groups)
    monkeypatch.setattr(live, "PATIENT_S", 0.0)
    monkeypatch.setattr(server.pool, "_limits", {True: 100, False: 0})
    following = live.follow(groups)
    assert whole(following.results, groups) == 1
    assert (following.more, following.place) == (True, 1)
    assert following.progress is not None
    assert "place 1 in the line" in following.progress.words
    monkeypatch.setattr(server.pool, "_limits", {True: 100, False: 100})
    monkeypatch.setattr(live, "PATIENT_S", PATIENCE)
    while not (following := live.follow(groups)).done:
        assert following.place == 0


def test_repetitions_are_left_out_while_the_server_is_crowded_and_come_back(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    state = server.pool.state()
    now = [state]
    monkeypatch.setattr(server.pool, "state", lambda: now[0])

    def seeds(sessions: int, backlog: float) -> int:
        now[0] = replace(state, sessions=sessions, backlog=backlog)
        return live.as_far_as_crowded(Settings(seeds=5)).seeds

    assert seeds(sessions=1, backlog=100.0) == 5  # one visitor's long sweep is no crowd
    assert seeds(sessions=30, backlog=live.CROWDED_S - 1) == 5
    assert seeds(sessions=30, backlog=live.CROWDED_S + 1) == live.FEWER
    assert live.as_far_as_crowded(Settings(seeds=1)).seeds == 1
    assert seeds(sessions=30, backlog=live.CALM_S + 1) == live.FEWER  # not now this, now that
    assert seeds(sessions=30, backlog=live.CALM_S - 0.5) == 5


# --- names ------------------------------------------------------------------------------------------------------------------------


def test_a_name_stands_for_settings_and_seeds():
    names = {live.name_of(s, n) for s in (Settings(), Settings(decay=3.0), Settings(edits="r1")) for n in (1, 2)}
    assert len(names) == 6
    assert live.name_of(Settings(), 1) == live.name_of(Settings(), 1)
    assert all(len(name) == 16 for name in names)


def test_a_film_s_name_changes_with_whatever_its_first_repetition_shows():
    base = Settings()
    other: dict[str, Any] = {name: spec.grid[1] for name, spec in SPECS.items() if isinstance(spec, Number) and spec.grid}
    other |= {"seed": 1, "dataset": "xor", "edits": "r1", "steps": 500, "width": 16, "switch_at": 100, "n_train": 41, "flip": 0.0}
    for name, value in other.items():
        assert live.name_of_film(replace(base, **{name: value})) != live.name_of_film(base), name
    assert live.name_of_film(replace(base, seeds=9)) == live.name_of_film(base)
