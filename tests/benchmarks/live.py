"""Speed while the hand moves and while a training plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from playwright.sync_api import Browser

from tests.benchmarks import report
from tests.benchmarks.running import IDLE, count_bytes, median_p90, visit

RATE_GOAL, FPS_GOAL, FILM_GOAL = 8, 30, 1_000_000
SEEDS = (2310, 2350, 2390, 2430)  # that no other visit uses, so a decay is computed when it is first passed
DRAG_MS = 4000

# Before any script of the page: which decay is on the screen from when on, and when each frame of a film was drawn.
LISTEN = """
window.live = { seen: [], frames: [] };
document.addEventListener("wd:sketched", (event) => {
  const title = document.querySelector("[data-panel=with] .wd-title").textContent;
  live.seen.push({ at: performance.now(), result: event.detail.result, decay: title.replace("With decay ", "") });
});
document.addEventListener("wd:frame", () => live.frames.push(performance.now()));
"""

# A hand that swings over the whole slider: one input event in 16 ms, as from a mouse. Gives the values passed and when.
DRAG = """(length) => new Promise((done) => {
  const range = document.querySelector("#wd-decay");
  const typed = range.closest(".wd-slider").querySelector(".wd-typed");
  const [passed, started, middle] = [[], performance.now(), range.max / 2];
  live.seen.length = 0;
  range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  const timer = setInterval(() => {
    const now = performance.now();
    const at = Math.round(middle + (middle - 1) * Math.sin((2 * Math.PI * (now - started)) / length));
    if (now - started > length) {
      clearInterval(timer);
      const { seen } = live;
      live.seen = [];
      range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
      done({ passed, seen, ms: now - started });
    } else if (+range.value !== at) {
      range.value = at;
      range.dispatchEvent(new Event("input", { bubbles: true }));
      passed.push({ at: now, decay: typed.value });
    }
  }, 16);
})"""


def report_drag(browser: Browser, url: str) -> None:
    rates, waits, passed = [], [], 0
    for seed in SEEDS:
        with visit(browser, f"{url}?seed={seed}", LISTEN) as page:
            page.wait_for_function(IDLE)
            page.wait_for_timeout(1000)  # what the first visit still loads is no part of a drag
            drag: dict[str, Any] = page.evaluate(DRAG, DRAG_MS)
        new = [now for now, last in zip(drag["seen"], [{"result": ""}, *drag["seen"]], strict=False) if now["result"] != last["result"]]
        rates.append(len(new) / (drag["ms"] / 1000))
        waits += lags(drag["passed"], new)
        passed += len(drag["passed"])
    rate = float(np.mean(rates))
    name = f"live drag, {len(SEEDS)} times {DRAG_MS / 1000:g} s, {passed} values passed"
    report.figure(name, f"{rate:8.1f} pictures a second", f"at least {RATE_GOAL}", met=rate >= RATE_GOAL)
    report.figure("    from a value passed to its boundary", median_p90(waits))


def lags(passed: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]]) -> list[float]:
    """Milliseconds from each value's passing to its picture. Pictures come in the order in which their values were passed."""
    found, start = [], 0
    for picture in seen:
        for k in range(start, len(passed)):
            if passed[k]["at"] > picture["at"]:
                break
            if passed[k]["decay"] == picture["decay"]:
                found.append(picture["at"] - passed[k]["at"])
                start = k + 1
                break
    return found


def report_film(browser: Browser, url: str) -> None:
    """Playback at speed 1, from the first step to the last, of a training that nobody has recorded."""
    with visit(browser, f"{url}?seed=2470", LISTEN) as page:
        page.wait_for_function(IDLE)
        received: list[int] = []
        count_bytes(page, received)
        page.wait_for_timeout(1000)
        received.clear()
        page.get_by_role("button", name="Play (space)").click()
        page.wait_for_selector(".wd-stage[data-step]")
        size = sum(received)
        page.wait_for_selector(".wd-stage:not([data-step])")
        frames: list[float] = page.evaluate("live.frames")
    report.figure(
        "received over the websocket, a film", f"{size / 1000:8.0f} kB", f"less than {FILM_GOAL // 1_000_000} MB", met=size < FILM_GOAL
    )
    rates = 1000 / np.maximum(np.diff(frames), 1)
    middle, slow = float(np.median(rates)), float(np.quantile(rates, 0.05))
    value = f"{middle:8.0f} a second median, {slow:.0f} p5"
    report.figure(f"playback, {len(frames)} frames", value, f"median at least {FPS_GOAL}", met=middle >= FPS_GOAL)
