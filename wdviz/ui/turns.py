"""One thread draws at a time: Python runs one at a time anyway, and one after the other each is done sooner than all at once."""

from __future__ import annotations

import threading
from collections import deque

ROW = 4  # first pictures that may come one after the other before somebody who wants more


class Turns:
    """A lock that is handed over in order, to those who wait for a first picture before those who want more of one.

    It belongs to the thread that took it.
    """

    def __init__(self) -> None:
        self._guard, self._mine = threading.Lock(), threading.local()
        self._waiting: dict[bool, deque[threading.Event]] = {True: deque(), False: deque()}  # by urgency
        self._taken, self._row = False, 0

    def take(self, *, urgent: bool) -> None:
        """Wait for this thread's turn, unless it is that already."""
        if getattr(self._mine, "held", False):
            return
        with self._guard:
            gate = None if not self._taken else threading.Event()
            self._taken = True
            if gate:
                self._waiting[urgent].append(gate)
        if gate:
            gate.wait()
        self._mine.held = True

    def end(self) -> None:
        """Hand over to the next, if it is this thread's turn."""
        if not getattr(self._mine, "held", False):
            return
        self._mine.held = False
        with self._guard:
            first = bool(self._waiting[True]) and not (self._waiting[False] and self._row >= ROW)
            self._row = self._row + 1 if first else 0
            self._taken = bool(self._waiting[first])
            if self._taken:
                self._waiting[first].popleft().set()
