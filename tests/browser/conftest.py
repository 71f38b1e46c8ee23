"""The running app and a Chromium to drive it: no browser is a failure, never a skip."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.tabs import Tabs
from tests.serving import serve

HERE = Path(__file__).parent
WAIT_MS = 120_000  # the first visit imports and compiles, on cores shared with Chromium and other tests
LOG = pytest.StashKey[Path]()
FAILED = pytest.StashKey[bool]()
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


@pytest.fixture(scope="session")
def tabs(browser: Browser, server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    """The pages of all tests of this process."""
    kept = Tabs(browser.browser_type, tmp_path_factory.mktemp("profiles"), server, WAIT_MS)
    yield kept
    kept.close()


@pytest.fixture
def visit(tabs: Tabs, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Makes empty pages: `visit(390, 844, color_scheme="dark").goto("/")`. An error in any of them fails the test."""
    pages: list[Page] = []
    problems: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def on_error(error: Error) -> None:
        problems.append(f"page: {error}")

    def make(
        width: int = 1440, height: int = 900, *, color_scheme: Any = "light", reduced_motion: Any = "no-preference", **device: Any
    ) -> Page:
        page = tabs.take(**device)
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        page.on("console", on_console)
        page.on("pageerror", on_error)
        return page

    yield make
    for page in pages:
        page.remove_listener("console", on_console)
        page.remove_listener("pageerror", on_error)
        if request.node.stash.get(FAILED, False) or problems:
            page.close()  # whatever ails it
        else:
            tabs.give_back(page)
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
    """Adds the end of the server's log to the report of a failed test, and remembers that it failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    log = item.config.stash.get(LOG, None)
    if report.failed and log:
        report.sections.append(("the server's log", log.read_text(errors="replace")[-10_000:]))
    return report
