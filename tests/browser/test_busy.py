"""What a visitor sees while the server is busy or full, and that the page goes on by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import lab
from tests.browser.conftest import LOG, WAIT_MS
from tests.serving import running

STATUS = ".wd-status"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says what the server is."""
    state = tmp_path_factory.mktemp("busy") / "state"
    state.write_text("")
    return state


@pytest.fixture(scope="module")
def profile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, busy: Path, browser: Browser
) -> Iterator[BrowserContext]:
    """A browser on a server of its own."""
    log = tmp_path_factory.mktemp("busy server") / "log"
    request.config.stash[LOG] = log
    with log.open("w+b") as output, running(output, script="tests/browser/busy_app.py", BUSY=str(busy)) as server:
        context = browser.new_context(base_url=server.url)
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(lab.PROBES)
        yield context
        context.close()


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    page, problems = profile.new_page(), []
    page.on("pageerror", lambda error: problems.append(error))
    yield page
    page.close()
    assert not problems


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("busy", r"The server is busy: (\d+ visitors? before you|your picture comes next)\. The page goes on by itself\."),
        ("full", r"The server is full\. Your place in the line is 1; the page goes on by itself\."),
    ],
)
def test_a_visitor_is_told_how_long_the_line_is_and_the_page_goes_on_by_itself(page: Page, busy: Path, state: str, said: str):
    lab.open_page(page, "?seed=" + {"busy": "4000", "full": "4500"}[state])  # what was trained before is there at once
    before, answer = lab.result(page), page.locator(".wd-answer").inner_text()
    pictures = {panel: lab.picture(page, panel) for panel in lab.MAPS}
    busy.write_text(state)
    try:
        page.locator(lab.DECAY).first.press("ArrowLeft")
        expect(page.locator(STATUS)).to_have_text(re.compile(said))
        assert lab.result(page) == before
        assert page.locator(".wd-answer").inner_text() == answer  # the last picture stays
        assert {panel: lab.picture(page, panel) for panel in lab.MAPS} == pictures
    finally:
        busy.write_text("")
    lab.wait_for_change(page, before)
    expect(page.locator(STATUS)).to_have_text("")
    lab.wait_for_address(page, decay="1")


def test_whoever_comes_first_while_the_server_is_full_waits_on_the_page_and_is_let_in(page: Page, busy: Path):
    busy.write_text("full")
    try:
        page.goto("/?seed=5000")
        expect(page.locator(STATUS)).to_have_text(re.compile("The server is full"))
    finally:
        busy.write_text("")
    page.wait_for_selector(lab.PAINTED)
    expect(page.locator(STATUS)).to_have_text("")


def test_the_hand_does_not_wait_for_more_of_what_it_has_left(page: Page, busy: Path):
    """The rest of the seeds finds no worker; another decay, asked for meanwhile, is answered all the same."""
    lab.open_page(page, "?seed=6000")
    busy.write_text("busy")
    try:
        page.locator(lab.DECAY).first.press("ArrowRight")
        page.wait_for_function("() => probes.diary.asks.at(-1)?.more")
        asked = len(lab.diary(page)["asks"])
        page.locator(lab.DECAY).first.press("ArrowRight")
        page.wait_for_function("(asked) => probes.diary.asks.slice(asked).some((ask) => ask.put?.decay)", arg=asked)
    finally:
        busy.write_text("")
    lab.wait_for_quiet(page)
    assert lab.query(page)["decay"] == "5"
