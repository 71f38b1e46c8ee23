"""Sweeps of jobs: finished ones come from a bounded cache at once, the others as soon as each is there."""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

CACHE_RESULTS = 20_000  # finished jobs kept
CACHE_BYTES = 384 * 2**20  # and their arrays, films among them


class Result(Protocol):
    """What a job gives: plain arrays, whose size the cache must know."""

    @property
    def nbytes(self) -> int: ...


class Job(Protocol):
    """Work for one worker, as plain hashable values, so that equal jobs are computed once and any executor can carry them."""

    def check(self) -> None:
        """Raises ValueError, before anything is queued, for what cannot be done."""
        ...

    def execute(self) -> Result: ...


class Sweep:
    """Jobs under way: `results` fills in as they finish, `cancel` drops those not yet started.

    Jobs that were finished before, in this sweep or any other, come from a bounded cache at once. `start` queues the others, all or none.
    """

    def __init__(self, jobs: Sequence[Job], start: Callable[[Sequence[Job]], Sequence[Future[Any]]], cache: Cache) -> None:
        self.results: dict[Any, Any] = {}  # job -> what it gave: for a Run its History
        self.total = len(set(jobs))
        self.cancelled = False
        self._started = time.monotonic()
        self._cache = cache
        self._landed: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()  # asking each of hundreds of futures would take milliseconds
        wanted = dict.fromkeys(jobs)
        self.results |= cache.known(wanted)
        missing = [job for job in wanted if job not in self.results]
        self._at_once = len(self.results)
        self._pending: dict[Future[Any], Job] = dict(zip(start(missing), missing, strict=True))
        for future in list(self._pending):
            future.add_done_callback(self._landed.put)

    @property
    def done(self) -> bool:
        return not self._pending

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None before the first finished run."""
        computed = len(self.results) - self._at_once
        pace = (time.monotonic() - self._started) / computed if computed else None
        return None if pace is None else pace * len(self._pending)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for at least one more finished run; False if none came within `timeout` seconds or none is left.

        Raises what a run raised, each time: a run that failed stays pending.
        """
        if self.done:
            return False
        try:
            landed = [self._landed.get(timeout=timeout)]
        except queue.Empty:
            return False
        while not self._landed.empty():
            landed.append(self._landed.get())
        for future in sorted(landed, key=lambda f: f.cancelled() or f.exception() is not None):  # failed last: the others still count
            job = self._pending.get(future)
            if job is None:  # `cancel` came first, from another thread
                continue
            try:
                self.results[job] = future.result()
            except BaseException:
                self._landed.put(future)
                raise
            self._cache.put(job, self.results[job])
            self._pending.pop(future, None)
        return True

    def finished(self) -> Iterator[tuple[Any, Any]]:
        """Each job with its result, as soon as it is there."""
        seen: set[Job] = set()
        while True:
            for job in [j for j in self.results if j not in seen]:
                seen.add(job)
                yield job, self.results[job]
            if self.done:
                return
            self.wait()

    def wait_all(self) -> dict[Any, Any]:
        """Wait for all jobs; their results."""
        return dict(self.finished())

    def cancel(self) -> None:
        """Drop the jobs that have not started; those that have run to their end unseen."""
        self.cancelled = True
        for future in self._pending:
            future.cancel()
        self._pending.clear()


class Kept(NamedTuple):
    """Of a cache: jobs in it, bytes of their results, and how often a result was asked for that was there or was not."""

    entries: int
    bytes: int
    hits: int
    misses: int


class Cache:
    """The last finished jobs, shared by all sessions; bounded in number and in bytes."""

    def __init__(self, size: int = CACHE_RESULTS, size_bytes: int = CACHE_BYTES) -> None:
        self._limits, self._results, self._guard = (size, size_bytes), OrderedDict[Job, Any](), threading.Lock()
        self._bytes = self._hits = self._misses = 0

    def get(self, job: Job) -> Any:
        """Its result, or None."""
        return self.known((job,)).get(job)

    def known(self, jobs: Iterable[Job]) -> dict[Job, Any]:
        """Those of the jobs that are there, with their results."""
        found: dict[Job, Any] = {}
        with self._guard:
            results, seen = self._results, 0
            for job in jobs:
                seen += 1
                if job in results:
                    found[job] = results[job]
                    results.move_to_end(job)
            self._hits += len(found)
            self._misses += seen - len(found)
        return found

    def put(self, job: Job, result: Result) -> None:
        with self._guard:
            known = self._results.pop(job, None)
            self._bytes -= known.nbytes if known else 0
            self._results[job] = result
            self._bytes += result.nbytes
            while len(self._results) > self._limits[0] or (self._bytes > self._limits[1] and len(self._results) > 1):
                self._bytes -= self._results.popitem(last=False)[1].nbytes

    def kept(self) -> Kept:
        """What it holds now, and how it was used so far."""
        with self._guard:
            return Kept(len(self._results), self._bytes, self._hits, self._misses)
