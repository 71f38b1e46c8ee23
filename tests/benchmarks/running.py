"""The running app and visits to it, for measuring."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from tests.serving import serve

WAIT_MS = 60_000

IDLE = """() => {
  const stage = document.querySelector(".wd-stage");
  return stage && +stage.dataset.updates > 0 && !stage.dataset.status;
}"""


@contextlib.contextmanager
def visit(browser: Browser, url: str, script: str = "") -> Iterator[Page]:
    """A page in a context of its own, so with an empty cache, that has just been sent to `url`. `script` runs before any of the page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(script)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    yield page
    context.close()


@contextlib.contextmanager
def server(cache: str) -> Iterator[tuple[str, float]]:
    """The base address of the app and the seconds that it took to start, with compiled programs kept in `cache`."""
    with tempfile.TemporaryFile() as log, serve(log, WDVIZ_CACHE=cache) as (url, seconds):
        yield f"{url}/", seconds


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
