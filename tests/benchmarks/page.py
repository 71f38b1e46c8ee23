"""Speed of the running app as a visitor meets it: start of the server, first picture, and from a key on the slider to a new picture."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from tests.benchmarks import report
from tests.browser import chromium

ROOT = Path(__file__).parents[2]
START_GOAL_S, PICTURE_GOAL_MS, REPAINT_GOAL_MS = 15, 2000, 300
VISITS = 6
WAIT_MS = 60_000
# Two walks away from the decay at which the page opens: 20 decays, and seeds that no other visit uses, so nothing was computed before.
WALKS = (("?seed=1230", "ArrowLeft", 12), ("?seed=4560", "ArrowRight", 8))

# Before any script of the page: when each painting ended, in ms since the navigation started.
LISTEN = """
window.bench = { paintings: [], sketches: [], pressed: null };
document.addEventListener("wd:sketched", (event) => bench.sketches.push({ at: performance.now(), result: event.detail.result }));
document.addEventListener("wd:painted", (event) => {
  bench.paintings.push({ at: performance.now(), result: event.target.dataset.result, work: event.detail.ms });
});
document.addEventListener("keydown", () => {
  bench.pressed = performance.now();
  bench.paintings.length = bench.sketches.length = 0;
}, true);
"""

FIGURES = "document.querySelectorAll('.wd-stage .js-plotly-plot, .wd-stage canvas:not([hidden])')"

# Marks every figure, and looks at each of them in every frame from then on. A figure without traces is blank, and a map with a
# transparent middle.
WATCH = f"""() => {{
  const nodes = [...{FIGURES}];
  const blank = (node) => {{
    const box = node.getBoundingClientRect();
    if (!node.isConnected || !box.width || !box.height) return true;
    if (node.tagName !== "CANVAS") return !node.querySelector(".main-svg .cartesianlayer .trace");
    return !node.getContext("2d").getImageData(node.width >> 1, node.height >> 1, 1, 1).data[3];
  }};
  if (!nodes.length || nodes.some(blank)) throw new Error("a figure is blank before the first key");
  nodes.forEach((node) => {{ node.benchMark = true; }});
  Object.assign(bench, {{ nodes, frames: 0, blanks: 0 }});
  const look = () => {{ bench.frames += 1; bench.blanks += nodes.filter(blank).length; requestAnimationFrame(look); }};
  requestAnimationFrame(look);
}}"""

WATCHED = f"""() => {{
  const here = [...{FIGURES}];
  const kept = bench.nodes.filter((node) => node.isConnected && here.includes(node)).length;
  return {{ figures: bench.nodes.length, kept, unmarked: here.filter((node) => !node.benchMark).length,
           frames: bench.frames, blanks: bench.blanks }};
}}"""

# A picture is there when both decision maps have colour in their middle, beside their numbers and verdicts. Points and boundary are
# drawn with it; axes and curves follow once plotly.js is loaded.
FIRST_PICTURE = """() => {
  const maps = [...document.querySelectorAll('.wd-map:not([hidden])')];
  const coloured = (canvas) => canvas.width && canvas.getContext("2d").getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3];
  return maps.length === 2 && maps.every(coloured) && document.querySelector('.wd-tag').textContent ? performance.now() : null;
}"""
FIRST_PAINTING = "() => bench.paintings.length ? bench.paintings[0].at : null"

IDLE = (
    """() => { const stage = document.querySelector(".wd-stage"); return stage && +stage.dataset.updates > 0 && !stage.dataset.status; }"""
)
ANSWERED = """(before) => {
  const stage = document.querySelector(".wd-stage");
  return stage.dataset.result !== before && !stage.dataset.status && bench.paintings.some((p) => p.result !== before);
}"""


@dataclass
class Moves:
    map_ms: list[float] = field(default_factory=list)  # from the key to the frame with the boundary of the new decay
    first_ms: list[float] = field(default_factory=list)  # to all five figures of it, first seed
    last_ms: list[float] = field(default_factory=list)  # to the last one, with all seeds
    work_ms: list[float] = field(default_factory=list)  # of it, drawing in the browser
    received: list[int] = field(default_factory=list)  # bytes until the last picture
    per_painting: list[float] = field(default_factory=list)
    watched: list[dict[str, int]] = field(default_factory=list)


def main() -> None:
    report.title("PAGE: the app and Chromium on this machine, sharing its cores")
    with tempfile.TemporaryDirectory() as cache:
        with server(cache) as (_, seconds):
            report.figure("server start, empty compilation cache", f"{seconds:8.1f} s")
        with server(cache) as (url, seconds):
            report.figure(
                "server start, filled compilation cache", f"{seconds:8.1f} s", f"less than {START_GOAL_S} s", met=seconds < START_GOAL_S
            )
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
                report_first_pictures(browser, url)
                report_moves(browser, url)
                browser.close()


def report_first_pictures(browser: Browser, url: str) -> None:
    (first, _), *later = [first_picture(browser, url) for _ in range(VISITS + 1)]
    report.figure("first picture, first visit after the start", f"{first:8.0f} ms")
    pictures, paintings = zip(*later, strict=True)
    goal, met = f"less than {PICTURE_GOAL_MS} ms", float(np.median(pictures)) < PICTURE_GOAL_MS
    name = f"first picture, {VISITS} visits with an empty cache"
    report.figure(name, f"{np.median(pictures):8.0f} ms median, {max(pictures):.0f} max", goal, met=met)
    report.figure("  all five figures, plotly.js loaded", f"{np.median(paintings):8.0f} ms median, {max(paintings):.0f} max")


def first_picture(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds from the navigation to the maps and to all figures, in a browser that has no file of the app yet."""
    with visit(browser, url) as page:
        picture = float(page.wait_for_function(FIRST_PICTURE).json_value())
        painting = float(page.wait_for_function(FIRST_PAINTING).json_value())
        page.wait_for_function(IDLE)
    return picture, painting


def report_moves(browser: Browser, url: str) -> None:
    moves = Moves()
    for query, key, count in WALKS:
        walk(browser, url + query, key, count, moves)
    met = float(np.median(moves.map_ms)) < REPAINT_GOAL_MS
    name = f"key to boundary, {len(moves.map_ms)} decays not seen before"
    report.figure(name, median_p90(moves.map_ms), f"median less than {REPAINT_GOAL_MS} ms", met=met)
    report.figure("    until all five figures", median_p90(moves.first_ms))
    report.figure("    of it, drawing in the browser", median_p90(moves.work_ms))
    report.figure("    until the pictures of all seeds", median_p90(moves.last_ms))
    total = {name: sum(watched[name] for watched in moves.watched) for name in moves.watched[0]}
    remounted = total["figures"] - total["kept"] + total["unmarked"]
    report.figure("figures remounted", f"{remounted:8d} of {total['figures']}", "0", met=not remounted)
    report.figure("blank figures in any frame", f"{total['blanks']:8d} in {total['frames']} frames", "0", met=not total["blanks"])
    report.figure("received over the websocket, a change", f"{np.median(moves.received) / 1000:8.0f} kB median")
    report.figure("received over the websocket, a painting", f"{np.median(moves.per_painting) / 1000:8.0f} kB median")


def walk(browser: Browser, url: str, key: str, count: int, moves: Moves) -> None:
    """Press a key on the decay slider again and again, each time after the last change is complete."""
    with visit(browser, url) as page:
        received: list[int] = []
        page.wait_for_function(IDLE)
        count_bytes(page, received)
        page.get_by_test_id("stMain").get_by_role("slider", name="Weight decay").focus()
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        for _ in range(count):
            before = page.locator(".wd-stage").get_attribute("data-result")
            received.clear()
            page.keyboard.press(key)
            page.wait_for_function(ANSWERED, arg=before)
            page.wait_for_timeout(300)  # a message that comes late belongs to this change
            done: dict[str, Any] = page.evaluate("bench")
            new = [p for p in done["paintings"] if p["result"] != before]
            moves.map_ms.append(next(s["at"] for s in done["sketches"] if s["result"] != before) - done["pressed"])
            moves.first_ms.append(new[0]["at"] - done["pressed"])
            moves.last_ms.append(new[-1]["at"] - done["pressed"])
            moves.work_ms.append(new[0]["work"])
            moves.received.append(sum(received))
            moves.per_painting.append(sum(received) / len(new))
        moves.watched.append(page.evaluate(WATCHED))


def count_bytes(page: Page, received: list[int]) -> None:
    """Adds to `received` the size of each message from now on."""
    session = page.context.new_cdp_session(page)

    def on_frame(event: dict[str, Any]) -> None:
        response = event["response"]
        data = response["payloadData"]
        received.append(len(data) if response["opcode"] == 1 else len(data) * 3 // 4 - data[-2:].count("="))  # others are base64

    session.on("Network.webSocketFrameReceived", on_frame)
    session.send("Network.enable")


def median_p90(ms: Sequence[float]) -> str:
    return f"{np.median(ms):8.0f} ms median, {np.quantile(ms, 0.9):.0f} p90"


@contextlib.contextmanager
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """A page in a context of its own, so with an empty cache, that has just been sent to `url`."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    yield page
    context.close()


@contextlib.contextmanager
def server(cache: str) -> Iterator[tuple[str, float]]:
    """The base address of the real app in a process of its own, and the seconds until it said that it is healthy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1", "--server.port", str(port)]
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"WDVIZ_CACHE": cache},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not healthy(port):
                if process.poll() is not None or time.monotonic() - started > WAIT_MS / 1000:
                    log.seek(0)
                    raise RuntimeError("the server did not start:\n" + log.read().decode(errors="replace")[-5000:])
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}/", time.monotonic() - started
        finally:
            stop(process)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
