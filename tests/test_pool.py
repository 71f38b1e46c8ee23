"""The pool is fair between sessions and bounded, does equal jobs once, and survives what its calls and threads do."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any

import pytest

from wdviz import pool as pools
from wdviz.pool import FairPool, PoolFull

PATIENCE = 30  # seconds after which a test that waits has failed; a test that passes does not wait


class Held:
    """A pool of one worker that is held up, so that everything submitted meanwhile waits."""

    def __init__(self, **limits: int) -> None:
        self.pool = FairPool(1, lambda job: job.execute(), lambda job: None, **limits)
        self.order: list[str] = []
        self._busy, self._go = threading.Event(), threading.Event()
        self._holder = self.pool.for_session("holder").submit(self._hold)
        assert self._busy.wait(PATIENCE)

    def _hold(self) -> None:
        self._busy.set()
        assert self._go.wait(PATIENCE)

    def submit(self, session: str, name: str | None = None) -> Future[Any]:
        return self.pool.for_session(session).submit(self.order.append, name or session)

    def release(self) -> None:
        """Let the worker go, and wait until it has done all that waits."""
        self._go.set()
        self.pool.shutdown()


def holders() -> Iterator[Callable[..., Held]]:
    """Makes such pools, and lets them all go in the end."""
    made: list[Held] = []

    def make(**limits: int) -> Held:
        made.append(Held(**limits))
        return made[-1]

    yield make
    for each in made:
        each.release()


held = pytest.fixture(holders, name="held")


# The pool as an executor


def test_pool_is_an_executor():
    with FairPool(2) as pool:
        assert isinstance(pool, Executor)
        assert isinstance(pool.for_session("a"), Executor)
        assert pool.submit(divmod, 7, 2).result(PATIENCE) == (3, 1)
        assert pool.submit(int, "11", base=2).result(PATIENCE) == 3
        assert list(pool.map(pow, (2, 3), (5, 2))) == [32, 9]
        assert list(pool.for_session("a").map(str, range(20))) == [str(i) for i in range(20)]
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(int)


def test_leaving_the_pool_waits_for_what_is_queued(held):
    one = held()
    futures = [one.submit("a", str(i)) for i in range(5)]
    one.release()
    assert all(f.done() for f in futures)
    assert one.order == list("01234")


def test_session_executor_does_not_close_the_pool():
    with FairPool(1) as pool:
        with pool.for_session("a") as session:
            assert session.submit(int, "1").result(PATIENCE) == 1
        assert pool.submit(int, "2").result(PATIENCE) == 2


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_worker_survives_a_call_that_raises(error):
    def fail() -> None:
        raise error("from the call")

    with FairPool(1) as pool:
        first, second = pool.submit(fail), pool.submit(int, "5")
        with pytest.raises(error, match="from the call"):
            first.result(PATIENCE)
        assert second.result(PATIENCE) == 5


def test_all_workers_work_at_once():
    meeting = threading.Barrier(3)
    with FairPool(3) as pool:
        places = list(pool.map(lambda _: meeting.wait(PATIENCE), range(3)))
    assert sorted(places) == [0, 1, 2]


def test_pool_has_a_worker_a_core():
    with FairPool() as pool:
        assert pool.workers == os.cpu_count()


# Fairness


def test_one_call_waits_for_at_most_one_of_a_long_queue(held):
    one = held()
    for _ in range(100):
        one.submit("a")
    one.submit("b")
    one.release()
    assert len(one.order) == 101
    assert one.order.index("b") <= 1


def test_sessions_take_turns(held):
    one = held()
    for session, count in (("a", 5), ("b", 3), ("c", 4)):
        for i in range(count):
            one.submit(session, f"{session}{i}")
    one.release()
    assert one.order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2", "a3", "c3", "a4"]


def test_a_cancelled_call_does_not_use_up_the_turn(held):
    one = held()
    dead = [one.submit("a") for _ in range(10)]
    one.submit("a", "a alive")
    for _ in range(10):
        one.submit("b")
    for future in dead:
        assert future.cancel()
    one.release()
    assert one.order[0] == "a alive"


# Bounds


def test_session_limit_queues_nothing_beyond_it(held):
    one = held(session_limit=3)
    for _ in range(3):
        one.submit("a")
    with pytest.raises(PoolFull, match="3 runs wait"):
        one.submit("a", "too much")
    assert one.pool.waiting("a") == 3
    one.submit("b")
    assert one.pool.waiting() == 4
    one.release()
    assert sorted(one.order) == ["a", "a", "a", "b"]


def test_queue_limit_counts_all_sessions(held):
    one = held(queue_limit=3)
    for session in "abc":
        one.submit(session)
    with pytest.raises(PoolFull):
        one.submit("d", "too much")
    one.release()
    assert sorted(one.order) == ["a", "b", "c"]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_cancelled_calls_do_not_count_against_the_session(held, which):
    one = held(session_limit=3)
    futures = [one.submit("a", str(i)) for i in range(3)]
    assert futures[which].cancel()
    assert one.pool.waiting("a") == one.pool.waiting() == 2
    one.submit("a", "new")
    with pytest.raises(PoolFull):
        one.submit("a", "too much")
    one.release()
    assert one.order == [str(i) for i in range(3) if i != which] + ["new"]


def test_cancelled_calls_of_one_session_make_room_for_another(held):
    one = held(queue_limit=2)
    for future in [one.submit("a") for _ in range(2)]:
        future.cancel()
    one.submit("b")
    one.release()
    assert one.order == ["b"]


def test_there_is_room_again_once_calls_have_run(held):
    one = held(session_limit=1)
    first = one.submit("a", "first")
    one._go.set()
    first.result(PATIENCE)
    one.submit("a", "second").result(PATIENCE)
    assert one.order == ["first", "second"]


def test_a_running_call_cannot_be_cancelled(held):
    one = held()
    assert not one._holder.cancel()


def test_whoever_waits_for_a_cancelled_call_is_told(held):
    one = held(session_limit=2)
    dead, live = one.submit("a"), one.submit("a")
    dead.cancel()
    one.submit("a")  # full but for the cancelled one, which is dropped here
    assert wait([dead], PATIENCE).done == {dead}
    assert not live.done()


def test_shutdown_that_cancels_runs_nothing_more_and_tells_those_who_wait(held):
    one = held()
    futures = [one.submit(session) for session in "aabb"]
    one.pool.shutdown(wait=False, cancel_futures=True)
    assert len(list(as_completed(futures, PATIENCE))) == 4
    with pytest.raises(CancelledError):
        futures[0].result()
    with pytest.raises(RuntimeError):
        one.submit("a")
    one.release()
    assert one.order == []


def test_many_threads_submit_and_cancel_and_nothing_is_lost():
    ran: list[int] = []
    with FairPool(4) as pool:

        def visitor(session: int) -> tuple[int, list[Future[None]]]:
            executor = pool.for_session(str(session))
            futures = [executor.submit(ran.append, session) for _ in range(200)]
            return sum(f.cancel() for f in futures[::3]), futures

        with ThreadPoolExecutor(8) as visitors:
            outcome = list(visitors.map(visitor, range(8)))
        futures = [f for _, each in outcome for f in each]
        assert not wait(futures, PATIENCE).not_done
        assert pool.waiting() == 0
    assert len(ran) == 8 * 200 - sum(cancelled for cancelled, _ in outcome)


# First pictures


class Job:
    """Waits for the test before it ends, and is equal to others of its name."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log
        self.begun, self.go = threading.Event(), threading.Event()

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.name == self.name

    def execute(self) -> str:
        self.log.append(self.name)
        self.begun.set()
        assert self.go.wait(PATIENCE)
        return self.name


@pytest.fixture
def log() -> list[str]:
    return []


def quick(log: list[str], *names: str) -> list[Job]:
    jobs = [Job(name, log) for name in names]
    for job in jobs:
        job.go.set()
    return jobs


def finish(pool: FairPool, *held: Job) -> None:
    for job in held:
        job.go.set()
    pool.shutdown()


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end


def begin(pool: FairPool, log: list[str], name: str = "first") -> Job:
    """A job that runs until `finish`."""
    job = Job(name, log)
    pool.start([job], "holder")
    assert job.begun.wait(PATIENCE)
    return job


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is ever long, so no spare thread stands in."""
    monkeypatch.setattr(pools, "LONG_S", PATIENCE)


def test_first_pictures_come_before_all_sweeps_and_take_turns_too(log, patient):
    pool = FairPool(1)
    first = begin(pool, log)
    pool.start(quick(log, "a1", "a2"), "a")
    pool.start(quick(log, "b1", "b2"), "b", urgent=True)
    pool.start(quick(log, "c1"), "c", urgent=True)
    assert [pool.place(session) for session in "abc"] == [0, 1, 2]
    finish(pool, first)
    assert log == ["first", "b1", "c1", "b2", "a1", "a2"]


def test_a_spare_worker_stands_in_where_all_are_busy_for_long(log, monkeypatch):
    monkeypatch.setattr(pools, "LONG_S", 0.01)
    pool = FairPool(1)
    first = begin(pool, log)
    (waits,) = pool.start(quick(log, "sweep"), "a")
    (urgent,) = pool.start(quick(log, "picture"), "b", urgent=True)
    assert urgent.result(PATIENCE) == "picture"
    assert not waits.done()
    assert log == ["first", "picture"]
    finish(pool, first)


def test_spare_workers_are_as_many_as_workers_and_serve_first_pictures_alone(log, monkeypatch):
    monkeypatch.setattr(pools, "LONG_S", 0.0)
    pool = FairPool(2)
    sweep, pictures = [Job(name, log) for name in "abc"], [Job(name, log) for name in "def"]
    pool.start(sweep, "sweep")
    assert all(job.begun.wait(PATIENCE) for job in sweep[:2])
    pool.start(pictures, "picture", urgent=True)
    assert all(job.begun.wait(PATIENCE) for job in pictures[:2])
    assert pool.state().running == 4
    assert not sweep[2].begun.is_set()
    assert not pictures[2].begun.is_set()
    finish(pool, *sweep, *pictures)
    assert sorted(log) == sorted("abcdef")


def test_more_workers_take_up_what_waits_and_fewer_leave_what_runs(log, patient):
    pool = FairPool(1)
    held = [Job(name, log) for name in "abc"]
    futures = pool.start(held, "a")
    assert held[0].begun.wait(PATIENCE)
    pool.resize(3)
    assert all(job.begun.wait(PATIENCE) for job in held)
    pool.resize(1)
    (later,) = pool.start(quick(log, "later"), "a")
    for job in held[:2]:
        job.go.set()
    assert wait(futures[:2], PATIENCE).done == set(futures[:2])
    assert not later.done()  # one is still running, and there is one worker
    held[2].go.set()
    assert later.result(PATIENCE) == "later"
    assert pool.state().workers == 1
    until(lambda: len(pool._threads) == 2)  # the worker and a spare one
    pool.shutdown()


# Equal jobs


def test_equal_jobs_that_run_at_the_same_time_are_done_once(log, patient):
    pool = FairPool(2)
    original = begin(pool, log, "same")
    (own,) = pool.start([Job("same", log)], "a")
    (twin,) = pool.start([Job("same", log)], "b", urgent=True)
    (other,) = pool.start(quick(log, "other"), "c")
    assert other.result(PATIENCE) == "other"  # whoever waits for a twin keeps no worker
    finish(pool, original)
    assert own.result(PATIENCE) == twin.result(PATIENCE) == "same"
    assert log == ["same", "other"]


def test_one_of_two_that_want_the_same_may_leave(log, patient):
    pool = FairPool(1)
    first = begin(pool, log)
    (gone,) = pool.start(quick(log, "same"), "a")
    (stays,) = pool.start(quick(log, "same"), "b")
    assert gone.cancel()
    finish(pool, first)
    assert stays.result(PATIENCE) == "same"


def test_a_twin_fails_as_the_original_does(log, patient):
    class Fails(Job):
        def execute(self) -> str:
            super().execute()
            raise FloatingPointError("out of range")

    pool = FairPool(2)
    original = Fails("same", log)
    futures = pool.start([original], "a")
    assert original.begun.wait(PATIENCE)
    futures += pool.start([Fails("same", log)], "b")
    assert not wait(futures, 0.0).done
    pool.start(quick(log, "x"), "b")[0].result(PATIENCE)  # b's first had its turn
    finish(pool, original)
    for future in futures:
        with pytest.raises(FloatingPointError):
            future.result(PATIENCE)
    assert log.count("same") == 1
    assert pool.state().failed == 1


def test_what_was_done_before_is_not_done_again(log):
    pool = FairPool(1, known=lambda job: "known" if job.name == "a" else None)
    known, computed = pool.start(quick(log, "a", "b"), "s")
    assert (known.result(PATIENCE), computed.result(PATIENCE)) == ("known", "b")
    pool.shutdown()
    assert log == ["b"]
    assert pool.state().finished == 1  # only what was computed counts


# Visitors who leave


def test_what_nobody_wants_any_more_is_dropped_and_said_to_be(log, patient, monkeypatch):
    now = 100.0
    monkeypatch.setattr(pools.time, "monotonic", lambda: now)
    pool = FairPool(1)
    first = begin(pool, log)
    gone = pool.start(quick(log, "a1", "a2"), "a")
    here = pool.start(quick(log, "b1", "b2"), "b")
    (always,) = pool.start(quick(log, "c"), "c")
    pool.lease("a", 10)
    pool.lease("b", 10)
    now = 109.0
    pool.lease("b", 10)
    now = 115.0
    finish(pool, first)
    assert log == ["first", "b1", "c", "b2"]
    assert not wait([*gone, *here, always], PATIENCE).not_done
    assert all(future.cancelled() for future in gone)


def test_leases_of_sessions_long_gone_are_forgotten(monkeypatch):
    now = 0.0
    monkeypatch.setattr(pools.time, "monotonic", lambda: now)
    pool = FairPool(1, session_limit=10)
    for i in range(1000):
        now = float(i)
        pool.lease(str(i), 5)
    assert len(pool._leases) <= 12
    pool.shutdown()


# A full pool


def test_sweeps_do_not_keep_first_pictures_out(held):
    one = held(queue_limit=3)
    for _ in range(3):
        one.submit("a")
    with pytest.raises(PoolFull):
        one.submit("b")
    log: list[str] = []
    one.pool.start(quick(log, "picture"), "b", urgent=True)
    one.release()
    assert log == ["picture"]


def test_jobs_are_queued_all_or_none(held):
    one, log = held(session_limit=4), []
    with pytest.raises(PoolFull):
        one.pool.start(quick(log, *"abcde"), "s")
    assert one.pool.waiting() == 0
    one.pool.start(quick(log, *"abcd"), "s")
    one.release()
    assert log == list("abcd")


def test_those_who_wait_in_the_line_come_in_by_their_place(held, patient):
    one, log = held(urgent_limit=2), []

    def ask(session: str) -> int:
        """The place in the line, 0 if let in."""
        try:
            one.pool.start(quick(log, session), session, urgent=True)
        except PoolFull as full:
            return full.place
        return 0

    assert [ask(session) for session in "abcde"] == [0, 0, 1, 2, 3]
    assert [ask(session) for session in "edc"] == [3, 2, 1]
    assert one.pool.state().line == 3
    one.pool._lanes[True].popitem()  # one place is free
    assert [ask(session) for session in "fed"] == [4, 3, 2]
    assert [ask(session) for session in "cdef"] == [0, 1, 2, 3]
    one.release()
    assert log == ["a", "c"]


def test_whoever_does_not_ask_again_loses_the_place(held, patient, monkeypatch):
    one = held(urgent_limit=1)
    now = 0.0
    monkeypatch.setattr(pools.time, "monotonic", lambda: now)
    log: list[str] = []
    one.pool.start(quick(log, "a"), "a", urgent=True)
    for session in "bc":
        with pytest.raises(PoolFull):
            one.pool.start(quick(log, session), session, urgent=True)
    now = pools.LINE_S - 1
    with pytest.raises(PoolFull, match="place in the line is 2"):
        one.pool.start(quick(log, "c"), "c", urgent=True)
    now = pools.LINE_S + 1
    with pytest.raises(PoolFull, match="place in the line is 1"):
        one.pool.start(quick(log, "c"), "c", urgent=True)


# Faults


def test_a_thread_that_dies_is_replaced_and_its_call_fails(log, monkeypatch):
    pool = FairPool(1)

    class Dies(BaseException):
        """Not of the call, but of the thread around it."""

    original, died, reported = FairPool._do, [], queue.SimpleQueue[str]()
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.put(args.thread.name))

    def do(self: FairPool, call: Any) -> None:
        if call.job and call.job.name.startswith("dies"):
            died.append(threading.current_thread().name)
            raise Dies
        original(self, call)

    monkeypatch.setattr(FairPool, "_do", do)
    *dead, alive = pool.start(quick(log, *(f"dies {i}" for i in range(6)), "b"), "s")
    assert alive.result(PATIENCE) == "b"
    for future in dead:
        with pytest.raises(Dies):
            future.result(PATIENCE)
    assert len(set(died)) == 6  # each time another thread
    assert sorted(reported.get(timeout=PATIENCE) for _ in died) == sorted(died)  # threads that end at the same time report in any order
    assert pool.start(quick(log, "d"), "s")[0].result(PATIENCE) == "d"
    pool.shutdown()
    assert pool.state().running == 0


def test_state_counts_what_is_there_and_what_was_done(log, patient):
    pool = FairPool(1)
    first = begin(pool, log)
    pool.start(quick(log, "a", "b"), "s")
    pool.start(quick(log, "c"), "t", urgent=True)
    state = pool.state()
    assert (state.workers, state.running, state.urgent, state.waiting, state.sessions, state.finished) == (1, 1, 1, 2, 3, 0)
    finish(pool, first)
    state = pool.state()
    assert (state.running, state.urgent, state.waiting, state.sessions, state.finished, state.failed) == (0, 0, 0, 0, 4, 0)
    bounds, counts = zip(*state.took, strict=True)
    assert bounds == (*pools.BOUNDS_S, float("inf"))
    assert counts[-1] == 4
    assert list(counts) == sorted(counts)
    assert state.computed_seconds > 0


def test_backlog_is_what_waits_at_the_pace_of_recent_runs(log, patient, monkeypatch):
    now = 0.0
    monkeypatch.setattr(pools.time, "monotonic", lambda: now)
    pool = FairPool(1)
    held = begin(pool, log)
    now = 2.0
    second = Job("second", log)
    pool.start([second, *quick(log, "a", "b", "c")], "s")
    held.go.set()
    assert second.begun.wait(PATIENCE)
    assert pool.state().backlog == 3 * 2.0
    finish(pool, second)
