"""What visitors will most likely ask for, trained before they do, while nobody waits for anything: each page as it opens, at each decay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from wdviz import runs
from wdviz.runs import Job
from wdviz.serving import metrics, warmup
from wdviz.settings import DECAYS, Settings

LOOK_S = 0.2  # so often it looks whether the server has nothing to do
SESSION = "ahead"  # in the pool

_log = logging.getLogger(__name__)


def plan(*, whole: bool) -> Iterator[Job]:
    """What each page shows first at each decay, nearest to the one that it opens with first; if `whole`, then all the rest."""
    start = Settings()
    opens_at = DECAYS.index(start.decay)
    nearest = sorted(DECAYS, key=lambda decay: abs(DECAYS.index(decay) - opens_at))
    seen = set[Job]()
    for first in (True, False)[: 1 + whole]:
        for decay in nearest:
            for groups in warmup.WORK.values():
                of_page = groups(replace(start, decay=decay))
                for job in of_page[0] if first else (job for group in of_page[1:] for job in group):
                    if job not in seen:
                        seen.add(job)
                        yield job


class Ahead:
    """Trains jobs in their order, from a thread of its own and a few at a time: a visitor who comes waits for one run at most."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._train, name="ahead", daemon=True)

    def start(self) -> None:
        metrics.AHEAD.set(1)
        self._thread.start()

    def stop(self) -> None:
        """It ends after the runs under way."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait until it has ended; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _train(self) -> None:
        try:
            while batch := list(islice(self._jobs, runs.pool().workers)):
                while not self._stop.is_set() and _busy():
                    self._stop.wait(LOOK_S)
                if self._stop.is_set():
                    return
                runs.sweep(batch, session=SESSION).wait_all()
        except Exception:
            if not self._stop.is_set():  # else the pool was shut down under it
                _log.exception("training ahead has ended: visitors wait a little longer, nothing else")
        finally:
            metrics.AHEAD.set(0)


def _busy() -> bool:
    """Whether the pool has anything else to do."""
    state = runs.pool().state()
    return bool(state.running or state.urgent or state.waiting)
