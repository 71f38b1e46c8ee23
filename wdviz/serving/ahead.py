"""What visitors will most likely ask for, made before they do, while nobody waits for anything: each page as it opens, at each decay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wdviz import runs
from wdviz.serving import metrics
from wdviz.settings import DECAYS, Settings
from wdviz.sweeps import Job
from wdviz.ui import page
from wdviz.ui.contents import PAGES, Entry
from wdviz.ui.live import Following

LOOK_S = 0.2  # so often it looks whether the server has nothing to do
SESSION = "ahead"  # in the pool

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Train:
    """Jobs to do."""

    jobs: Sequence[Job]

    def do(self) -> None:
        runs.sweep(self.jobs, session=SESSION).wait_all()


@dataclass(frozen=True)
class Draw:
    """A page to draw, if all that it shows is trained and still there."""

    entry: Entry
    settings: Settings

    def do(self) -> None:
        jobs = {job for group in self.entry.work(self.settings) for job in group}
        results = runs.finished(jobs)
        if len(results) < len(jobs):
            return
        for panel in page.drawn(self.entry, self.settings, None, Following(results, len(jobs), None)).panels:
            for view in panel.views:
                _ = view.part.packed


def plan(*, whole: bool, at_once: int) -> Iterator[Train | Draw]:
    """What each page shows first at each decay, nearest to the one that it opens with first; if `whole`, then all the rest.

    Trainings come in steps of `at_once`.
    """
    start = Settings()
    opens_at = DECAYS.index(start.decay)
    nearest = sorted(DECAYS, key=lambda decay: abs(DECAYS.index(decay) - opens_at))
    wanted = [(entry, replace(start, decay=decay)) for decay in nearest for entry in PAGES.values()]
    seen = set[Job]()

    def train(jobs: Sequence[Job]) -> Iterator[Train]:
        new = [job for job in dict.fromkeys(jobs) if job not in seen]
        seen.update(new)
        yield from (Train(new[k : k + at_once]) for k in range(0, len(new), at_once))

    for entry, settings in wanted:
        yield from train(entry.work(settings)[0])
    for entry, settings in wanted if whole else ():
        yield from train([job for group in entry.work(settings) for job in group])
        yield Draw(entry, settings)


class Ahead:
    """Takes steps in their order, from a thread of its own, while the pool has nothing to do: a visitor who comes waits for one at most."""

    def __init__(self, steps: Iterator[Train | Draw]) -> None:
        self._steps = steps
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="ahead", daemon=True)

    def start(self) -> None:
        metrics.AHEAD.set(1)
        self._thread.start()

    def stop(self) -> None:
        """It ends after the step under way."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait until it has ended; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _go(self) -> None:
        try:
            for step in self._steps:
                while not self._stop.is_set() and _busy():
                    self._stop.wait(LOOK_S)
                if self._stop.is_set():
                    return
                step.do()
        except Exception:
            if not self._stop.is_set():  # else the pool was shut down under it
                _log.exception("nothing more is made ahead: visitors wait a little longer, nothing else")
        finally:
            metrics.AHEAD.set(0)


def _busy() -> bool:
    """Whether the pool has anything else to do."""
    state = runs.pool().state()
    return bool(state.running or state.urgent or state.waiting)
