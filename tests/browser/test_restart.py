"""The server is killed and another takes its place: the page comes back by itself, as it was, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import lab
from tests.browser.conftest import LOG, WAIT_MS
from tests.serving import running

# A picture of the new server: its asks are counted anew there, but the browser goes on counting, so any painting that is new will do.
PAINTED_SINCE = "(before) => +document.querySelector('.wd-stage').dataset.updates > before"


def test_a_page_outlives_its_server(browser: Browser, tmp_path: Path, request: pytest.FixtureRequest):
    request.config.stash[LOG] = tmp_path / "log"
    with (tmp_path / "log").open("w+b") as log:
        with running(log) as server:
            page = browser.new_page(base_url=server.url)
            page.set_default_timeout(WAIT_MS)
            page.add_init_script(lab.PROBES)
            lab.open_page(page, "?seeds=2&noise=0.3")
            shown = lab.press(page, "ArrowLeft")
            lab.wait_for_address(page, decay="1", noise="0.3")
            answer = page.locator(".wd-answer").inner_text()
            painted = int(page.locator(".wd-stage").get_attribute("data-updates") or 0)
            server.process.kill()
            server.process.wait()
        with running(log, server.port):
            page.wait_for_function(PAINTED_SINCE, arg=painted)
            page.wait_for_selector(f".wd-stage[data-status=''][data-result='{shown}']")
            assert page.locator(".wd-answer").inner_text() == answer
            assert lab.query(page) == {"seeds": "2", "noise": "0.3", "decay": "1"}
            assert page.locator(".wd-stage").count() == 1
            assert lab.trouble(page) == 0
            changed = lab.press(page, "ArrowLeft")
            assert changed != shown
            lab.wait_for_address(page, decay="0.7")
            page.close()
