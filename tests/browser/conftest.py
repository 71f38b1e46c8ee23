"""The running app and a Chromium to drive it: no browser is a failure, never a skip."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser import chromium, lab
from tests.serving import serve

HERE = Path(__file__).parent
WAIT_MS = 60_000  # the first visit imports and compiles, on two cores shared with Chromium
LOG = pytest.StashKey[Path]()
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the real app, in a process of its own."""
    log = tmp_path_factory.mktemp("server") / "log"
    request.config.stash[LOG] = log
    with log.open("w+b") as output, serve(output) as (url, _):
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """Makes fresh pages: `visit(390, 844, color_scheme="dark").goto("/")`. An error in any of them fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def make(width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(base_url=server, viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(lab.PROBES)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: problems.append(f"page: {error}"))
        return page

    yield make
    for context in contexts:
        context.close()
    if problems:
        pytest.fail("the page reported errors:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture
def page(visit: Visit) -> Page:
    """A fresh page, 1440 by 900."""
    return visit()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and puts them last: Playwright keeps an event loop running in this thread."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds the end of the server's log to the report of a failed test."""
    report = yield
    log = item.config.stash.get(LOG, None)
    if report.failed and log:
        report.sections.append(("the server's log", log.read_text(errors="replace")[-10_000:]))
    return report
