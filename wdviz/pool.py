"""A pool of threads that is fair between sessions and bounded, behind the standard `concurrent.futures.Executor` interface."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

QUEUE_LIMIT = 20_000  # calls waiting over all sessions
SESSION_LIMIT = 5_000  # calls waiting of one session


class PoolFull(RuntimeError):
    """Too many runs wait already; nothing was queued."""


class FairPool(Executor):
    """A thread pool that serves sessions in turn, so that one's sweep of hundreds of runs delays another by one run at most.

    JAX releases the interpreter lock while it computes, and each program is held to one core, so threads fill the cores.
    `for_session` gives the executor of one session; `submit` on the pool itself is the session named "".
    """

    def __init__(self, workers: int | None = None, *, queue_limit: int = QUEUE_LIMIT, session_limit: int = SESSION_LIMIT) -> None:
        self._limits = queue_limit, session_limit
        self._queues: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._change = threading.Condition()
        self._closed = False
        self.workers = workers or os.cpu_count() or 1
        self._threads = [threading.Thread(target=self._work, name=f"run-{i}", daemon=True) for i in range(self.workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call. Raises `PoolFull` when too much waits already."""
        return self._submit("", lambda: fn(*args, **kwargs))

    def for_session(self, session: str) -> Executor:
        """An executor whose calls wait in the queue of `session`."""
        return _Session(self, session)

    def waiting(self, session: str | None = None) -> int:
        """Calls that wait, of one session or of all."""
        with self._change:
            queues = self._queues.values() if session is None else [self._queues.get(session, ())]
            return sum(not future.cancelled() for queue in queues for future, _ in queue)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._change:
            self._closed = True
            if cancel_futures:
                for queue in self._queues.values():
                    for future, _ in queue:
                        future.cancel()
                self._drop_cancelled()
            self._change.notify_all()
        if wait:
            for thread in self._threads:
                thread.join()

    def _submit(self, session: str, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._change:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            if self._full(session):
                self._drop_cancelled()
            if self._full(session):
                raise PoolFull(f"{self.waiting()} runs wait already; try again in a moment")
            self._queues.setdefault(session, deque()).append((future, call))
            self._change.notify()
        return future

    def _full(self, session: str) -> bool:
        return sum(map(len, self._queues.values())) >= self._limits[0] or len(self._queues.get(session, ())) >= self._limits[1]

    def _drop_cancelled(self) -> None:
        """A superseded sweep leaves cancelled calls behind; they must not count against the limits."""
        for session, queue in list(self._queues.items()):
            live = deque(item for item in queue if not _dropped(item[0]))
            if live:
                self._queues[session] = live
            else:
                del self._queues[session]

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._queues:
                    if self._closed:
                        return
                    self._change.wait()
                session, queue = self._queues.popitem(last=False)
                future, call = queue.popleft()
                live = future.set_running_or_notify_cancel()
                if queue:
                    self._queues[session] = queue
                    # To the back: the next turn is another session's. A cancelled call does not use the turn up.
                    self._queues.move_to_end(session, last=live)
            if live:
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)


def _dropped(future: Future[Any]) -> bool:
    """Whether a waiting call was cancelled. Tells whoever waits for it: `concurrent.futures.wait` ignores one merely cancelled."""
    return future.cancelled() and not future.set_running_or_notify_cancel()


class _Session(Executor):
    def __init__(self, pool: FairPool, name: str) -> None:
        self._pool, self._name = pool, name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool._submit(self._name, lambda: fn(*args, **kwargs))
