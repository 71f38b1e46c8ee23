"""The Overfitting page as the browser tests drive it: open it, press, type, wait until an answer is painted."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page

from wdviz.settings import DECAYS, Settings

PAINTED = ".wd-stage[data-status='']"  # all seeds, or all of a long sweep, are there
BEGUN = ".wd-stage:not([data-updates='0'])"  # the first picture is
DECAY, RATE = "#wd-decay", "#wd-learning_rate"
DEFAULT_DECAY = DECAYS.index(Settings().decay)  # the sliders of the stage count the values of their grid
MAPS = {panel: f"[data-panel={panel}] .wd-map" for panel in ("without", "with")}
PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")

# The last ask is answered and painted, with all seeds.
QUIET = """() => {
  const { status, updates } = document.querySelector(".wd-stage").dataset;
  return status === "" && +updates > 0 && probes.diary.answered >= (probes.diary.asks.at(-1)?.id ?? 0);
}"""
CHANGED = """(before) => {
  const { status, result } = document.querySelector(".wd-stage").dataset;
  return status === "" && result !== before;
}"""


def open_page(page: Page, query: str = "", *, until: str = PAINTED) -> None:
    """`query` may begin with the path of a page."""
    page.goto("/" + query)
    page.wait_for_selector(until)


def result(page: Page) -> str:
    """Names what is painted: equal for equal settings and seeds."""
    return page.locator(".wd-stage").get_attribute("data-result") or ""


def wait_for_change(page: Page, before: str) -> str:
    """The name of another result, once all its seeds are painted."""
    page.wait_for_function(CHANGED, arg=before)
    return result(page)


def wait_for_quiet(page: Page) -> None:
    page.wait_for_function(QUIET)


def press(page: Page, key: str, on: str = DECAY) -> str:
    """Press a key on a slider; the name of the result."""
    before = result(page)
    page.locator(on).first.press(key)
    return wait_for_change(page, before)


def query(page: Page) -> dict[str, str]:
    """The settings in the address."""
    return {name: texts[-1] for name, texts in parse_qs(urlparse(page.url).query).items()}


def wait_for_address(page: Page, **wanted: str) -> None:
    """Until the address has these values; one that is "" is not in it."""
    page.wait_for_function(
        "(wanted) => { const now = new URLSearchParams(location.search); return wanted.every(([k, v]) => (now.get(k) ?? '') === v) }",
        arg=list(wanted.items()),
    )


def diary(page: Page) -> dict[str, Any]:
    """What happened since the page opened, see probes.js."""
    return page.evaluate("probes.diary")


def picture(page: Page, panel: str) -> int:
    """A number for the pixels of a panel's map."""
    return page.evaluate("(map) => probes.picture(map)", MAPS[panel])


def film(page: Page, step: int) -> None:
    """Goes to a step of the recorded training, by hand on the scrubber."""
    page.locator(".wd-scrub").fill(str(step))
    page.wait_for_selector(f".wd-stage[data-step='{step}']")


def trouble(page: Page) -> int:
    """How many exceptions the page shows."""
    return page.locator("[data-testid=stException]").count() + page.content().count("Traceback")
