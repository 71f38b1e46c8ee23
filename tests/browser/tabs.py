"""Pages that tests use one after the other: one that has shown the app has its files at hand, and opens in half the time."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import lab


class Tabs:
    """Empty pages by the kind of device, in one browser profile for each kind."""

    def __init__(self, browser: Browser, server: str, wait_ms: float) -> None:
        self._browser, self._server, self._wait_ms = browser, server, wait_ms
        self._profiles: dict[str, BrowserContext] = {}
        self._empty: dict[BrowserContext, list[Page]] = {}

    def take(self, **device: Any) -> Page:
        """An empty page; `device` is what Playwright's `new_context` takes."""
        kind = repr(sorted(device.items()))
        if kind not in self._profiles:
            self._profiles[kind] = context = self._browser.new_context(base_url=self._server, **device)
            context.set_default_timeout(self._wait_ms)
            context.add_init_script(lab.PROBES)
        context = self._profiles[kind]
        empty = self._empty.setdefault(context, [])
        return empty.pop() if empty else context.new_page()

    def give_back(self, page: Page) -> None:
        """Nothing that it kept, or was permitted, is left but the files of the app."""
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        page.goto("about:blank")
        page.mouse.move(0, 0)
        page.context.clear_cookies()
        page.context.clear_permissions()
        self._empty[page.context].append(page)

    def close(self) -> None:
        for context in self._profiles.values():
            context.close()
