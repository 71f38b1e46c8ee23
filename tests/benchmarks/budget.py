"""Where the time of each interaction goes: training, the server's Python, the wire, the browser's main thread."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.request import urlopen

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.benchmarks import report
from tests.benchmarks.load import Usage
from tests.benchmarks.running import IDLE
from tests.browser import chromium
from tests.serving import Server, free_port, running

REPEATS = 3
WAIT_MS = 300_000
SETTLE_MS = 400  # what still comes after the last picture belongs to it
FIRST = "() => +(document.querySelector('.wd-stage')?.dataset.updates ?? 0) > 0"
CHANGED = """(before) => {
  const stage = document.querySelector(".wd-stage");
  return stage.dataset.result !== before;
}"""


@dataclass(frozen=True)
class Counts:
    """Running totals; their differences are what an interaction took. Seconds, bytes."""

    server: float  # processor time of its process
    training: float  # by the clock, added up over the workers
    browser: float  # tasks of the main thread
    script: float
    layout: float  # and style
    received: int

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) - getattr(other, name) for name in self.__dataclass_fields__))


class Meter:
    """Reads the totals of a server and of one page."""

    def __init__(self, server: Server, metrics: str, page: Page) -> None:
        self._server, self._metrics, self._received = server, metrics, 0
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.on("Network.webSocketFrameReceived", self._on_frame)
        self._session.on("Network.loadingFinished", self._on_file)
        self._session.send("Network.enable")
        self._session.send("Performance.enable")

    def read(self) -> Counts:
        of_page = {entry["name"]: entry["value"] for entry in self._session.send("Performance.getMetrics")["metrics"]}
        lines = urlopen(f"http://{self._metrics}/metrics", timeout=60).read().decode().splitlines()
        trained = next((float(line.split()[1]) for line in lines if line.startswith("wdviz_run_seconds_sum")), 0.0)
        layout = of_page["LayoutDuration"] + of_page["RecalcStyleDuration"]
        cpu = Usage.of(self._server.process.pid).cpu
        return Counts(cpu, trained, of_page["TaskDuration"], of_page["ScriptDuration"], layout, self._received)

    def _on_frame(self, event: dict[str, Any]) -> None:
        data, text = event["response"]["payloadData"], event["response"]["opcode"] == 1
        self._received += len(data) if text else len(data) * 3 // 4  # others are base64

    def _on_file(self, event: dict[str, Any]) -> None:
        self._received += int(event["encodedDataLength"])


@contextlib.contextmanager
def _page(browser: Browser, server: Server, metrics: str) -> Iterator[tuple[Page, Meter]]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    yield page, Meter(server, metrics, page)
    context.close()


def _timed(page: Page, meter: Meter, act: Callable[[], Any], first: Callable[[], Any]) -> tuple[float, float, Counts]:
    """Seconds to the first picture and to the last, and what both took together."""
    before, started = meter.read(), time.perf_counter()
    act()
    first()
    begun = time.perf_counter() - started
    page.wait_for_function(IDLE)
    whole = time.perf_counter() - started
    page.wait_for_timeout(SETTLE_MS)
    return begun, whole, meter.read() - before


def _open(browser: Browser, server: Server, metrics: str, path: str) -> list[tuple[float, float, Counts]]:
    found = []
    for k in range(REPEATS):
        with _page(browser, server, metrics) as (page, meter):
            url = f"{server.url}/{path}{'&' if '?' in path else '?'}seed={5000 + 10 * k}"
            found.append(_timed(page, meter, partial(page.goto, url, wait_until="commit"), partial(page.wait_for_function, FIRST)))
    return found


def _act(browser: Browser, server: Server, metrics: str, path: str, act: Callable[[Page, int], Any]) -> list[tuple[float, float, Counts]]:
    found = []
    with _page(browser, server, metrics) as (page, meter):
        page.goto(f"{server.url}/{path}")
        page.wait_for_function(IDLE)
        page.wait_for_timeout(SETTLE_MS)
        for k in range(REPEATS):
            before = page.locator(".wd-stage").get_attribute("data-result")
            found.append(_timed(page, meter, lambda k=k: act(page, k), lambda before=before: page.wait_for_function(CHANGED, arg=before)))
    return found


def _press(page: Page, _: int) -> None:
    page.locator("#wd-decay").press("ArrowLeft")


def _click_cell(page: Page, k: int) -> None:
    box = page.locator("[data-panel^=map] .js-plotly-plot .nsewdrag, [data-panel] .js-plotly-plot .nsewdrag").first.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * (0.15 + 0.12 * k), box["y"] + box["height"] * (0.85 - 0.12 * k))


def main() -> None:
    report.title(f"BUDGET: one visitor, medians of {REPEATS}; 'whole' is with all seeds and everything that fills in")
    metrics = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryFile() as log, running(log, WDVIZ_METRICS=metrics) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        _open(browser, server, metrics, "")  # the server's own first time
        _show("first load, empty browser cache", _open(browser, server, metrics, ""))
        _show("decay moved, not computed before", _act(browser, server, metrics, "?seed=6000", _press))
        _show("decay moved, computed before", _act(browser, server, metrics, "?seed=6000", _press))
        _show("Learning rate page, first load, maps to the end", _open(browser, server, metrics, "learning-rate"))
        _show("a cell of the map clicked", _act(browser, server, metrics, "learning-rate?seed=6000", _click_cell))
        _show("Architectures page, first load, all families", _open(browser, server, metrics, "architectures"))
        _show("decay moved on Architectures", _act(browser, server, metrics, "architectures?seed=6000", _press))
        browser.close()


def _show(name: str, found: list[tuple[float, float, Counts]]) -> None:
    median = lambda value: float(np.median([value(one) for one in found]))  # noqa: E731
    report.note(name)
    report.figure("    first picture, whole", f"{1000 * median(lambda f: f[0]):8.0f} ms, {1000 * median(lambda f: f[1]):.0f} ms")
    for words, value in (
        ("the server's processor, training included", lambda f: f[2].server),
        ("training, by the clock in each worker", lambda f: f[2].training),
        ("the browser's main thread", lambda f: f[2].browser),
        ("of it, scripts", lambda f: f[2].script),
        ("of it, style and layout", lambda f: f[2].layout),
    ):
        report.figure(f"    {words}", f"{1000 * median(value):8.0f} ms")
    report.figure("    received", f"{median(lambda f: f[2].received) / 1000:8.0f} kB")
