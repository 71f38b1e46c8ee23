"""Speed of the running app as a visitor meets it: start of the server, first picture, from a key on the slider to a new picture."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks import live, report
from tests.benchmarks.running import IDLE, count_bytes, median_p90, server, visit
from tests.browser import chromium

START_GOAL_S, PICTURE_GOAL_MS, REPAINT_GOAL_MS, BYTES_GOAL = 15, 2000, 300, 60_000
VISITS = 6
UPDATES = 50
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
                report_updates(browser, url)
                live.report_drag(browser, url)
                live.report_film(browser, url)
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
    with visit(browser, url, LISTEN) as page:
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
    size = float(np.median(moves.received))
    goal, met = f"less than {BYTES_GOAL // 1000} kB", size < BYTES_GOAL
    report.figure("received over the websocket, a change", f"{size / 1000:8.0f} kB median", goal, met=met)
    report.figure("received over the websocket, a painting", f"{np.median(moves.per_painting) / 1000:8.0f} kB median")


def report_updates(browser: Browser, url: str) -> None:
    """Whether one and the same figures last through many updates, and are never blank."""
    with visit(browser, url + "?seeds=1", LISTEN) as page:
        page.wait_for_function(IDLE)
        page.locator("#wd-decay").focus()
        page.wait_for_timeout(500)
        page.evaluate(WATCH)
        for k in range(UPDATES):
            before = page.locator(".wd-stage").get_attribute("data-result")
            page.keyboard.press("ArrowLeft" if k < UPDATES // 3 else "ArrowRight" if k < UPDATES * 5 // 6 else "ArrowLeft")
            page.wait_for_function(ANSWERED, arg=before)
        watched = page.evaluate(WATCHED)
    remounted = watched["figures"] - watched["kept"] + watched["unmarked"]
    report.figure(f"figures remounted in {UPDATES} updates", f"{remounted:8d} of {watched['figures']}", "0", met=not remounted)
    blanks, frames = watched["blanks"], watched["frames"]
    report.figure("    blank figures in any frame", f"{blanks:8d} in {frames} frames", "0", met=not blanks)


def walk(browser: Browser, url: str, key: str, count: int, moves: Moves) -> None:
    """Press a key on the decay slider again and again, each time after the last change is complete."""
    with visit(browser, url, LISTEN) as page:
        received: list[int] = []
        page.wait_for_function(IDLE)
        count_bytes(page, received)
        page.locator("#wd-decay").focus()
        page.wait_for_timeout(500)
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
