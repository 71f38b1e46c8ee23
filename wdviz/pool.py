"""A pool of threads, fair between sessions and bounded, that does equal jobs once; a standard `concurrent.futures.Executor` as well."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol

QUEUE_LIMIT = 20_000  # calls waiting over all sessions
URGENT_LIMIT = 2_000  # and those of first pictures, which have a queue of their own
SESSION_LIMIT = 5_000  # calls waiting of one session
LONG_S = 0.25  # a worker busy for longer may be stood in for by a spare one, for a first picture
LINE_S = 10.0  # whoever was told to wait and does not ask again within that time loses the place
BOUNDS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of the histogram of run times
RECENT = 0.05  # weight of the newest run in the mean


class PoolFull(RuntimeError):
    """Too many runs wait already; nothing was queued. `place`: the session's place in the line, from 1."""

    def __init__(self, waiting: int, place: int) -> None:
        super().__init__(f"{waiting} runs wait already; your place in the line is {place}")
        self.place = place


class Work(Protocol):
    """A job: hashable, so that equal ones are done once."""

    def execute(self) -> Any: ...


@dataclass(frozen=True)
class PoolState:
    """What a pool does now, and what it has done since its start."""

    workers: int
    running: int
    urgent: int  # calls waiting for first pictures
    waiting: int  # other calls waiting
    sessions: int  # with waiting or running calls
    line: int  # sessions told to wait because the pool is full
    finished: int
    failed: int
    computed_seconds: float  # of the finished ones
    backlog: float  # seconds that all waiting calls will take, as long as recent ones did
    took: tuple[tuple[float, int], ...]  # (seconds, how many took at most so long), the last bound is infinite


@dataclass(eq=False)
class _Call:
    future: Future[Any]
    run: Callable[[], Any]
    job: Hashable | None = None  # None: never equal to another one
    session: str = ""
    since: float = 0.0
    twins: list[Future[Any]] = field(default_factory=list)  # equal jobs that came to their turn meanwhile


Lane = OrderedDict[str, deque[_Call]]  # a queue for each session, the one whose turn is next first


class FairPool(Executor):
    """A thread pool that serves sessions in turn, and first pictures before all else.

    JAX releases the interpreter lock while it computes, and each program is held to one core, so threads fill the cores. There are two
    lanes: urgent calls, for which a visitor waits, and the rest. In each, sessions take turns, so that one's sweep of hundreds of runs
    delays another by one run at most; and where runs are long, spare threads stand in for busy workers as soon as an urgent call waits.

    `start` queues jobs, `for_session` gives the executor of one session; `submit` on the pool itself is the session named "".

    Arguments:
        workers: calls that run at once; one a core unless given.
        carry: what executes a job.
        known: gives the result of a job that was done before, or None.
    """

    def __init__(
        self,
        workers: int | None = None,
        carry: Callable[[Any], Any] = lambda job: job.execute(),
        known: Callable[[Any], Any] = lambda job: None,
        *,
        queue_limit: int = QUEUE_LIMIT,
        urgent_limit: int = URGENT_LIMIT,
        session_limit: int = SESSION_LIMIT,
    ) -> None:
        self._carry, self._known = carry, known
        self._limits, self._session_limit = {True: urgent_limit, False: queue_limit}, session_limit
        self._lanes: dict[bool, Lane] = {True: OrderedDict(), False: OrderedDict()}  # by urgency
        self._running: set[_Call] = set()
        self._flying: dict[Hashable, _Call] = {}  # the running ones by job
        self._leases: dict[str, float] = {}  # session -> until when its calls are wanted
        self._line: OrderedDict[str, float] = OrderedDict()  # session -> until when its place is kept
        self._change = threading.Condition()
        self._closed = False
        self._finished = self._failed = 0
        self._seconds, self._recent = 0.0, 0.0
        self._took = [0] * (len(BOUNDS_S) + 1)
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self.workers = 0
        self.resize(workers or os.cpu_count() or 1)

    def resize(self, workers: int) -> None:
        """Change how many calls run at once. Those under way run to their end."""
        with self._change:
            self.workers = max(workers, 1)
            self._staff()
            self._change.notify_all()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call. Raises `PoolFull` when too much waits already."""
        return self.for_session("").submit(fn, *args, **kwargs)

    def for_session(self, session: str) -> Executor:
        """An executor whose calls wait in the queue of `session`."""
        return _Session(self, session)

    def start(self, jobs: Sequence[Work], session: str = "", *, urgent: bool = False) -> list[Future[Any]]:
        """Queue jobs, all or none of them; equal ones that run at the same time are done once.

        Raises:
            PoolFull: when too much waits already. The session then has a place in the line as long as it asks again soon, and those
                who came later are not let in before it.
        """
        return self._queue([_Call(Future(), lambda job=job: self._carry(job), job, session) for job in jobs], session, urgent)

    def lease(self, session: str, seconds: float) -> None:
        """Calls of this session are wanted for so long from now, unless that is said again; later they are dropped, not run.

        A session of which this was never said has all the time.
        """
        now = time.monotonic()
        with self._change:
            if len(self._leases) > self._session_limit:
                queued = self._lanes[True].keys() | self._lanes[False].keys()
                self._leases = {name: until for name, until in self._leases.items() if until > now or name in queued}
            self._leases[session] = now + seconds

    def waiting(self, session: str | None = None) -> int:
        """Calls that wait, of one session or of all."""
        with self._change:
            lanes = self._lanes.values()
            queues = [q for lane in lanes for name, q in lane.items() if session in (None, name)]
            return sum(not call.future.cancelled() for queue in queues for call in queue)

    def place(self, session: str) -> int:
        """How many sessions' first pictures are begun no later than this one's, itself counted; 0 if none of its own waits."""
        with self._change:
            names = list(self._lanes[True])
            return names.index(session) + 1 if session in names else 0

    def state(self) -> PoolState:
        """What the pool does now, as plain numbers."""
        with self._change:
            urgent, rest = (sum(map(len, self._lanes[lane].values())) for lane in (True, False))
            sessions = {call.session for call in self._running} | self._lanes[True].keys() | self._lanes[False].keys()
            self._drop_absent()
            return PoolState(
                self.workers, len(self._running), urgent, rest, len(sessions), len(self._line), self._finished, self._failed, self._seconds,
                backlog=self._recent * (urgent + rest) / self.workers,
                took=tuple(zip((*BOUNDS_S, math.inf), itertools.accumulate(self._took), strict=True)),
            )  # fmt: skip

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._change:
            self._closed = True
            if cancel_futures:
                for lane in self._lanes.values():
                    for session in list(lane):
                        _drop(lane.pop(session))
            self._change.notify_all()
        if wait:
            for thread in self._threads:
                thread.join()

    # --- queues -----------------------------------------------------------------------------------------------------------------------

    def _queue(self, calls: Sequence[_Call], session: str, urgent: bool) -> list[Future[Any]]:
        with self._change:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            if calls:
                self._staff()
                self._admit(len(calls), session, urgent)
                self._lanes[urgent].setdefault(session, deque()).extend(calls)
                self._change.notify(len(calls))
        return [call.future for call in calls]

    def _admit(self, count: int, session: str, urgent: bool) -> None:
        """Raises PoolFull if there is no room, or only for those who wait in the line already."""
        self._drop_absent()
        ahead = list(self._line).index(session) if session in self._line else len(self._line)
        if not self._room(count + ahead, session, count, urgent):
            self._drop_cancelled()
        if self._room(count + ahead, session, count, urgent):
            self._line.pop(session, None)
            return
        self._line[session] = time.monotonic() + LINE_S
        if len(self._line) > self._session_limit:
            self._line.popitem()
        raise PoolFull(sum(map(len, self._lanes[urgent].values())), ahead + 1)

    def _room(self, more: int, session: str, own: int, urgent: bool) -> bool:
        lane = self._lanes[urgent]
        return sum(map(len, lane.values())) + more <= self._limits[urgent] and len(lane.get(session, ())) + own <= self._session_limit

    def _drop_absent(self) -> None:
        now = time.monotonic()
        for session in [name for name, until in self._line.items() if until < now]:
            del self._line[session]

    def _drop_cancelled(self) -> None:
        """A superseded sweep leaves cancelled calls behind; they must not count against the limits."""
        for lane in self._lanes.values():
            for session, queue in list(lane.items()):
                live = deque(call for call in queue if not _dropped(call.future))
                if live:
                    lane[session] = live
                else:
                    del lane[session]

    # --- workers ----------------------------------------------------------------------------------------------------------------------

    def _staff(self) -> None:
        """As many living threads as there should be: a spare one for each worker."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < 2 * self.workers and not self._closed:
            self._threads.append(threading.Thread(target=self._work, name=f"run-{next(self._numbers)}", daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        call: _Call | None = None
        try:
            while call := self._take():
                self._do(call)
                call = None
        except BaseException as error:  # not the call's: those are its future's. Others must not wait for ever for a thread that dies
            if call:
                self._land(call, error=error)
            with self._change:
                self._threads.remove(threading.current_thread())
                self._staff()
            raise

    def _take(self) -> _Call | None:
        """The next call, once one may run; None when this thread is to end."""
        with self._change:
            while True:
                if len(self._threads) > 2 * self.workers:
                    self._threads.remove(threading.current_thread())
                    return None
                urgent = bool(self._lanes[True])
                if (urgent or self._lanes[False]) and len(self._running) < self.workers + (self._stuck() if urgent else 0):
                    if call := self._pick(urgent):
                        return call
                    continue
                if self._closed and not urgent and not self._lanes[False]:
                    self._change.notify_all()  # those that waited for a free worker may end too
                    return None
                self._change.wait(LONG_S / 4 if urgent else None)

    def _stuck(self) -> int:
        """How many workers have been busy with one call for long. There are only so many spare ones."""
        now = time.monotonic()
        return sum(now - call.since > LONG_S for call in self._running)

    def _pick(self, urgent: bool) -> _Call | None:
        """Takes the next call of a lane out of its queue; None if nothing is to be run for it."""
        lane, now = self._lanes[urgent], time.monotonic()
        session, queue = lane.popitem(last=False)
        if self._leases.get(session, math.inf) < now:
            _drop(queue)
            return None
        call = queue.popleft()
        live = call.future.set_running_or_notify_cancel()
        twin = self._flying.get(call.job) if live and call.job is not None else None
        if queue:
            lane[session] = queue
            # To the back: the next turn is another session's. A cancelled call, or one that costs nothing, does not use the turn up.
            lane.move_to_end(session, last=live and not twin)
        if twin:
            twin.twins.append(call.future)
        if twin or not live:
            return None
        call.since = now
        self._running.add(call)
        if call.job is not None:
            self._flying[call.job] = call
        return call

    def _do(self, call: _Call) -> None:
        try:
            result = self._known(call.job) if call.job is not None else None
            computed = result is None
            if computed:
                result = call.run()
        except BaseException as error:
            self._land(call, error=error)
        else:
            self._land(call, result, computed=computed)

    def _land(self, call: _Call, result: Any = None, *, error: BaseException | None = None, computed: bool = False) -> None:
        with self._change:
            self._running.discard(call)
            if self._flying.get(call.job) is call:
                del self._flying[call.job]
            if error:
                self._failed += 1
            if computed:
                self._count(time.monotonic() - call.since)
        for future in (call.future, *call.twins):
            if future.done():  # the thread died while it told
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def _count(self, seconds: float) -> None:
        self._finished += 1
        self._seconds += seconds
        self._recent += (RECENT if self._recent else 1) * (seconds - self._recent)
        self._took[bisect_left(BOUNDS_S, seconds)] += 1


def _drop(queue: deque[_Call]) -> None:
    for call in queue:
        call.future.cancel()
        _dropped(call.future)


def _dropped(future: Future[Any]) -> bool:
    """Whether a waiting call was cancelled. Tells whoever waits for it: `concurrent.futures.wait` ignores one merely cancelled."""
    return future.cancelled() and not future.set_running_or_notify_cancel()


class _Session(Executor):
    def __init__(self, pool: FairPool, name: str) -> None:
        self._pool, self._name = pool, name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool._queue([_Call(Future(), lambda: fn(*args, **kwargs), None, self._name)], self._name, urgent=False)[0]
