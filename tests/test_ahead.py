"""What is trained before anybody asks for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.apps import open_page, scene
from wdviz import runs
from wdviz.pool import FairPool
from wdviz.runs import Cache
from wdviz.serving import ahead, metrics, warmup
from wdviz.serving.ahead import Ahead
from wdviz.settings import DECAYS, Settings
from wdviz.ui.contents import PAGES

PATIENCE = 60


@dataclass(frozen=True)
class Step:
    """A job that waits at its gate, if it has one, and notes that it ran."""

    name: str
    log: list[str] = field(compare=False)
    gate: threading.Event | None = field(default=None, compare=False)

    def check(self) -> None: ...

    def execute(self) -> Any:
        self.log.append(self.name)
        assert self.gate is None or self.gate.wait(PATIENCE)
        if self.name == "bad":
            raise RuntimeError("it cannot be done")
        return np.zeros(1)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch):
    pool = FairPool(2)
    monkeypatch.setattr(runs, "_pool", pool)
    monkeypatch.setattr(runs, "_cache", Cache())
    monkeypatch.setattr(ahead, "LOOK_S", 0.001)
    yield pool
    pool.shutdown(wait=True, cancel_futures=True)


def test_every_page_s_work_is_known():
    assert list(warmup.WORK) == list(PAGES)
    assert warmup.LATER < warmup.WORK.keys()


def test_the_pages_as_they_open_come_first_then_the_decays_nearest_to_that():
    start, firsts = Settings(), list(ahead.plan(whole=False))
    opening = {job for groups in warmup.WORK.values() for job in groups(start)[0]}
    assert set(firsts[: len(opening)]) == opening
    assert len(firsts) == len(set(firsts))
    trained = [job.settings.decay for job in firsts if isinstance(job, runs.Run) and job.pictures]
    order = [DECAYS.index(decay) for decay in dict.fromkeys(trained) if decay]
    distance = [abs(at - DECAYS.index(start.decay)) for at in order]
    assert distance == sorted(distance)
    assert set(trained) == set(DECAYS)


def test_all_the_rest_follows_where_that_is_wanted():
    firsts = list(ahead.plan(whole=False))
    whole = list(islice(ahead.plan(whole=True), 3 * len(firsts)))
    assert whole[: len(firsts)] == firsts
    assert len(set(whole)) == len(whole) == 3 * len(firsts)


def test_a_page_then_opens_with_nothing_left_to_train():
    jobs = [job for job in ahead.plan(whole=False) if job in overfitting_pair(0.5)]
    assert len(jobs) == 2
    training = Ahead(iter(jobs))
    training.start()
    assert training.join(PATIENCE)
    before = runs.pool().state().finished
    app = open_page("overfitting", decay=0.5, seeds=1)
    assert scene(app)["more"] is False
    assert runs.pool().state().finished == before


def overfitting_pair(decay: float) -> tuple[runs.Run, ...]:
    return warmup.WORK["overfitting"](Settings(decay=decay))[0]  # type: ignore[return-value]


def test_it_waits_while_visitors_have_work(pool: FairPool):
    log: list[str] = []
    gate = threading.Event()
    visitors = runs.sweep([Step("visitor", log, gate)], session="visitor")
    taken = threading.Event()

    def jobs():
        for k in range(3):
            taken.set()
            yield Step(f"ahead {k}", log)

    training = Ahead(jobs())
    training.start()
    assert metrics.AHEAD._value.get() == 1
    assert taken.wait(PATIENCE)
    looked = threading.Event()
    state = pool.state
    pool.state = lambda: looked.set() or state()  # type: ignore[method-assign]
    assert looked.wait(PATIENCE)
    assert log == ["visitor"]
    gate.set()
    visitors.wait_all()
    assert training.join(PATIENCE)
    assert sorted(log) == ["ahead 0", "ahead 1", "ahead 2", "visitor"]
    assert metrics.AHEAD._value.get() == 0


def test_it_can_be_stopped_while_it_waits(pool: FairPool):
    log: list[str] = []
    gate = threading.Event()
    visitors = runs.sweep([Step("visitor", log, gate)], session="visitor")
    training = Ahead(iter([Step("ahead", log)]))
    training.start()
    training.stop()
    assert training.join(PATIENCE)
    gate.set()
    visitors.wait_all()
    assert log == ["visitor"]


def test_a_job_that_fails_ends_it_and_nothing_else(pool: FairPool, caplog: pytest.LogCaptureFixture):
    log: list[str] = []
    training = Ahead(iter([Step("bad", log), Step("good", log), Step("never", log)]))
    training.start()
    assert training.join(PATIENCE)
    assert "training ahead has ended" in caplog.text
    assert "never" not in log
    assert metrics.AHEAD._value.get() == 0
    assert runs.sweep([Step("visitor", log)]).wait_all()
