"""What is made before anybody asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.apps import open_page, scene
from wdviz import runs
from wdviz.pool import FairPool
from wdviz.runs import Run
from wdviz.serving import ahead, metrics
from wdviz.serving.ahead import Ahead, Draw, Train
from wdviz.settings import DECAYS, Settings
from wdviz.sweeps import Cache
from wdviz.ui import page
from wdviz.ui.contents import PAGES
from wdviz.ui.live import Following

PATIENCE = 60


@dataclass(frozen=True)
class Step:
    """A job that notes that it ran, and waits at its gate, if it has one."""

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
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[FairPool]:
    pool = FairPool(2)
    monkeypatch.setattr(runs, "_pool", pool)
    monkeypatch.setattr(runs, "_cache", Cache())
    monkeypatch.setattr(ahead, "LOOK_S", 0.001)
    yield pool
    pool.shutdown(wait=True, cancel_futures=True)


def trained(steps: Iterator[Train | Draw]) -> list[Any]:
    return [job for step in steps if isinstance(step, Train) for job in step.jobs]


# --- what is planned --------------------------------------------------------------------------------------------------------------


def test_the_pages_as_they_open_come_first_then_the_decays_nearest_to_that():
    start, firsts = Settings(), trained(ahead.plan(whole=False, at_once=2))
    opening = {job for entry in PAGES.values() for job in entry.work(start)[0]}
    assert set(firsts[: len(opening)]) == opening
    assert len(firsts) == len(set(firsts))
    decays = [job.settings.decay for job in firsts if isinstance(job, Run) and job.pictures]
    distance = [abs(DECAYS.index(decay) - DECAYS.index(start.decay)) for decay in dict.fromkeys(decays) if decay]
    assert distance == sorted(distance)
    assert set(decays) == set(DECAYS)


def test_without_the_rest_nothing_is_drawn_and_few_jobs_are_done_at_once():
    steps = list(ahead.plan(whole=False, at_once=2))
    assert {len(step.jobs) for step in steps if isinstance(step, Train)} == {1, 2}
    assert all(isinstance(step, Train) for step in steps)


def test_the_rest_follows_where_that_is_wanted_and_each_page_is_drawn_once_it_is_whole():
    firsts = list(ahead.plan(whole=False, at_once=2))
    steps = ahead.plan(whole=True, at_once=2)
    assert list(islice(steps, len(firsts))) == firsts
    done = set(trained(iter(firsts)))
    drawn: list[Draw] = []
    while len(drawn) < 8:
        step = next(steps)
        if isinstance(step, Train):
            assert not done & set(step.jobs)
            done.update(step.jobs)
        else:
            drawn.append(step)
            assert all(job in done for group in step.entry.work(step.settings) for job in group)
    assert [step.entry for step in drawn[:6]] == list(PAGES.values())
    assert {step.settings for step in drawn[:6]} == {Settings()}
    assert drawn[6].settings.decay in (1.0, 3.0)


def test_a_page_that_was_made_ahead_opens_with_nothing_left_to_do():
    entry, settings = PAGES["overfitting"], Settings()
    Train([job for group in entry.groups(settings) for job in group]).do()
    Draw(entry, settings).do()
    finished = runs.pool().state().finished
    assert len(page._scenes) == 1
    shown = open_page("overfitting")
    assert runs.pool().state().finished == finished
    assert len(page._scenes) == 1
    assert scene(shown)["more"] is False


@pytest.mark.parametrize("name", PAGES)
def test_each_page_asks_for_the_very_scene_that_was_made_ahead(name: str, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    make = page.scene

    def noted(*given: Any, **options: Any) -> Any:
        asked.append(([part for part in given if not isinstance(part, Following)], options))
        return make(*given, **options)

    monkeypatch.setattr(page, "scene", noted)
    open_page(name.replace("-", "_"))
    entry = PAGES[name]
    first = entry.work(Settings())[0]
    page.drawn(entry, Settings(), None, Following(runs.finished(first), len(first) + 1, None))
    assert len(asked) == 2
    assert asked[0] == asked[1]


def test_what_is_no_longer_there_is_not_drawn(pool: FairPool):
    Draw(PAGES["overfitting"], Settings()).do()
    assert len(page._scenes) == 0
    assert pool.state().finished == 0


# --- when it is done --------------------------------------------------------------------------------------------------------------


def test_it_waits_while_visitors_have_work(pool: FairPool):
    log: list[str] = []
    gate, looked = threading.Event(), threading.Event()
    visitors = runs.sweep([Step("visitor", log, gate)], session="visitor")
    training = Ahead(Train([Step(f"ahead {k}", log)]) for k in range(3))
    training.start()
    assert metrics.AHEAD._value.get() == 1
    state = pool.state
    pool.state = lambda: looked.set() or state()  # type: ignore[method-assign]
    assert looked.wait(PATIENCE)
    assert log in ([], ["visitor"])
    gate.set()
    visitors.wait_all()
    assert training.join(PATIENCE)
    assert log == ["visitor", "ahead 0", "ahead 1", "ahead 2"]
    assert metrics.AHEAD._value.get() == 0


def test_it_can_be_stopped_while_it_waits(pool: FairPool):
    log: list[str] = []
    gate = threading.Event()
    visitors = runs.sweep([Step("visitor", log, gate)], session="visitor")
    training = Ahead(iter([Train([Step("ahead", log)])]))
    training.start()
    training.stop()
    assert training.join(PATIENCE)
    gate.set()
    visitors.wait_all()
    assert log == ["visitor"]


def test_a_job_that_fails_ends_it_and_nothing_else(pool: FairPool, caplog: pytest.LogCaptureFixture):
    log: list[str] = []
    training = Ahead(Train([Step(name, log)]) for name in ("good", "bad", "never"))
    training.start()
    assert training.join(PATIENCE)
    assert "nothing more is made ahead" in caplog.text
    assert log == ["good", "bad"]
    assert metrics.AHEAD._value.get() == 0
    assert runs.sweep([Step("visitor", log)]).wait_all()
