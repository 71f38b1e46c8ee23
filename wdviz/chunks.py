"""Jobs that several threads carry at the same time go on together, for devices that one job leaves idle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

PAUSE_S = 0.005  # that the first job of a chunk waits for others


class Chunks:
    """Hands on jobs in chunks of those that can be done together.

    Arguments:
        carry: executes a job.
        group: what jobs must have in common to be done together; None for a job that is done alone.
        join: one job that gives the list of results of several.
        size: jobs in a chunk, at most.
    """

    def __init__(
        self, carry: Callable[[Any], Any], group: Callable[[Any], Hashable | None], join: Callable[[tuple[Any, ...]], Any], size: int
    ) -> None:
        self._carry, self._group, self._join, self._size = carry, group, join, size
        self._open: dict[Hashable, _Chunk] = {}
        self._guard = threading.Lock()

    def carry(self, job: Any) -> Any:
        """The result of a job, in the thread of each caller. What a chunk raises, each of its callers gets."""
        group = self._group(job)
        if group is None:
            return self._carry(job)
        with self._guard:
            chunk = self._open.setdefault(group, _Chunk())
            place = len(chunk.jobs)
            chunk.jobs.append(job)
            if len(chunk.jobs) == self._size:
                del self._open[group]
                chunk.full.set()
        if place == 0:
            chunk.full.wait(PAUSE_S)
            self._hand_on(group, chunk)
        return chunk.results.result()[place]

    def _hand_on(self, group: Hashable, chunk: _Chunk) -> None:
        with self._guard:
            if self._open.get(group) is chunk:
                del self._open[group]
        try:
            chunk.results.set_result(self._carry(self._join(tuple(chunk.jobs))))
        except BaseException as error:
            chunk.results.set_exception(error)


class _Chunk:
    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.full = threading.Event()
        self.results: Future[list[Any]] = Future()
