"""Several visitors at once on the real server: each gets all of what it asks for, none pays for another, and nothing stays behind."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.load import Usage
from tests.benchmarks.visitors import Visitor
from tests.serving import Server, free_port, running

SMALL = "seeds=2&steps=20"  # runs of milliseconds
PAGES = {"": SMALL, "sensitivity": SMALL, "learning-rate": f"{SMALL}&side=3&map_seeds=1", "tuning": f"{SMALL}&folds=2&candidates=3"}
LONG = "side=16&map_seeds=8&seed=77"  # thousands of runs on the page "learning-rate"
GROWN_BYTES = 48 * 2**20  # what 24 sessions may leave behind: Streamlit keeps the last 128, for browsers that come back
WAIT_S = 60


@dataclass(frozen=True)
class Watched:
    """The server and the address of its metrics."""

    server: Server
    port: int

    def metric(self, name: str, **labels: str) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return next(sample.value for sample in samples if sample.name == name and sample.labels.items() >= labels.items())

    @property
    def computed(self) -> int:
        """Runs that were executed since the start."""
        return int(self.metric("wdviz_run_seconds_count"))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for what the metrics must say in the end."""
        until = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < until, "it did not come true"
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    port = free_port()
    path: Path = tmp_path_factory.mktemp("load") / "log"
    with path.open("w+b") as log, running(log, script="tests/impatient_app.py", WDVIZ_METRICS=f"127.0.0.1:{port}") as server:
        found = Watched(server, port)
        yield found
        assert found.metric("wdviz_errors_total") == 0, path.read_text(errors="replace")[-5000:]


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    return await asyncio.gather(*work)


def test_visitors_of_different_pages_all_get_all_of_their_runs(watched: Watched):
    async def visit(page: str, query: str) -> Visitor:
        visitor = Visitor(watched.server.url, page, f"{query}&seed=21")
        await visitor.open()
        await visitor.ask({"decay": "7"})
        await visitor.settle()
        await visitor.vanish()
        return visitor

    async def all_of_them() -> list[Visitor]:
        return await together(*(visit(page, query) for page, query in PAGES.items()))

    for visitor in asyncio.run(all_of_them()):
        assert visitor.picture is not None
        assert visitor.picture.ask >= 1
        assert not visitor.picture.more
        assert not visitor.picture.status
        assert not visitor.errors


def test_a_class_that_asks_for_the_same_has_it_computed_once(watched: Watched):
    async def visit(count: int, seed: int) -> tuple[int, set[str]]:
        before = watched.computed
        visitors = [Visitor(watched.server.url, "", f"{SMALL}&seed={seed}") for _ in range(count)]
        await together(*(visitor.open() for visitor in visitors))
        await together(*(visitor.settle() for visitor in visitors))
        await together(*(visitor.ask({"decay": "0.3"}) for visitor in visitors))
        await together(*(visitor.settle() for visitor in visitors))
        await together(*(visitor.vanish() for visitor in visitors))
        return watched.computed - before, {visitor.picture.result for visitor in visitors if visitor.picture}

    asyncio.run(watched.until(lambda: watched.metric("wdviz_sessions_computing") == 0))  # the warm-up goes on after the start
    alone, _ = asyncio.run(visit(1, 31))
    computed, results = asyncio.run(visit(6, 33))
    assert computed == alone > 0
    assert len(results) == 1


def test_the_runs_of_a_visitor_who_vanishes_are_dropped(watched: Watched):
    async def vanish() -> tuple[float, int]:
        visitor = Visitor(watched.server.url, "learning-rate", LONG)
        await visitor.open()
        await watched.until(lambda: watched.metric("wdviz_runs_waiting", kind="other") > 0)
        await visitor.vanish()
        before = watched.metric("wdviz_runs_waiting", kind="other")
        computed = watched.computed
        await watched.until(lambda: watched.metric("wdviz_sessions_computing") == 0)
        return before, watched.computed - computed

    waiting, computed = asyncio.run(vanish())
    assert watched.metric("wdviz_runs_waiting", kind="other") == 0
    assert computed < waiting


def test_a_visitor_who_comes_back_finds_the_page_as_it_was(watched: Watched):
    async def come_back() -> tuple[str, str, bool]:
        visitor = Visitor(watched.server.url, "", f"{SMALL}&seed=41")
        await visitor.open()
        await visitor.ask({"decay": "30"})
        await visitor.settle()
        assert visitor.picture
        before, session = visitor.picture.result, visitor.session
        await visitor.vanish()
        await visitor.open()
        await visitor.settle()
        await visitor.vanish()
        return before, visitor.picture.result, visitor.session == session

    before, after, same = asyncio.run(come_back())
    assert after == before
    assert same


def test_sessions_that_end_leave_nothing_behind(watched: Watched):
    async def churn(count: int) -> None:
        for _ in range(count // 4):
            visitors = [Visitor(watched.server.url, "", SMALL) for _ in range(4)]
            await together(*(visitor.open() for visitor in visitors))
            await together(*(visitor.vanish() for visitor in visitors))
        await watched.until(lambda: watched.metric("wdviz_sessions") == watched.metric("wdviz_connections") == 0)

    asyncio.run(churn(16))
    before = Usage.of(watched.server.process.pid).rss
    asyncio.run(churn(24))
    assert Usage.of(watched.server.process.pid).rss - before < GROWN_BYTES
