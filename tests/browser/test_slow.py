"""On a slow or broken line: what one sees before all is there, and what becomes of a message that is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser import lab

STREAM = re.compile("/_stcore/stream")


@contextmanager
def held(page: Page, files: re.Pattern[str]) -> Iterator[None]:
    """As long as this lasts, such files do not come."""
    waiting: list[Route] = []
    page.route(files, lambda route: waiting.append(route))
    yield
    for route in waiting:
        route.continue_()
    page.unroute(files)


def test_words_come_before_the_code_of_the_page(page: Page):
    with held(page, re.compile("/static/js/")):
        page.goto("/", wait_until="commit")
        expect(page.locator("#root h1")).to_have_text("Weight decay lab")
        expect(page.locator("#root")).to_contain_text("Move one slider")
    page.wait_for_selector(lab.PAINTED)
    expect(page.get_by_text("Loading the page")).to_have_count(0)


def test_nothing_stands_where_the_stage_comes(page: Page):
    with held(page, re.compile(r"/stage\.js")):
        page.goto("/?seeds=1", wait_until="commit")
        expect(page.locator(".st-key-in_short")).to_be_visible()
        expect(page.locator(".st-key-following")).to_have_count(1)
        for below in (".st-key-notice", "[data-testid=stExpander]", ".st-key-following"):
            expect(page.locator(below).first).to_be_hidden()
    page.wait_for_selector(lab.PAINTED)
    expect(page.locator(".st-key-notice")).to_be_visible()
    expect(page.locator(".st-key-following")).to_be_visible()


def test_a_lost_message_is_said_and_sent_again(page: Page):
    broken, lost = False, list[object]()

    def pass_on(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        line.on_message(lambda message: lost.append(message) if broken else server.send(message))

    page.route_web_socket(STREAM, pass_on)
    lab.open_page(page, "?seeds=1")
    before = lab.result(page)
    broken = True
    page.locator(lab.DECAY).press("ArrowLeft")
    expect(page.locator(".wd-status")).to_have_text("Waiting for the server.")
    assert lab.result(page) == before
    broken = False
    lab.wait_for_change(page, before)
    expect(page.locator(".wd-status")).to_have_text("")
    expect(page.locator("[data-panel=with] .wd-title")).to_have_text("With decay 1")
    assert lost
