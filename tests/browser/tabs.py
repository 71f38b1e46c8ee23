"""Pages that tests use one after the other: one that has shown the app keeps its files, compiled, and opens in two thirds of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, BrowserType, Page

from tests.browser import chromium, lab


class Tabs:
    """Empty pages by the kind of device, each kind in a Chromium with a profile on the disk: others keep no compiled code."""

    def __init__(self, kind: BrowserType, profiles: Path, server: str, wait_ms: float) -> None:
        self._type, self._profiles, self._server, self._wait_ms = kind, profiles, server, wait_ms
        self._contexts: dict[str, BrowserContext] = {}
        self._empty: dict[BrowserContext, list[Page]] = {}

    def take(self, **device: Any) -> Page:
        """An empty page; `device` is what Playwright's `launch_persistent_context` takes."""
        kind = repr(sorted(device.items()))
        if kind not in self._contexts:
            profile = self._profiles / str(len(self._contexts))
            start = {"executable_path": chromium.find(), "args": chromium.FLAGS, "base_url": self._server}
            self._contexts[kind] = context = self._type.launch_persistent_context(profile, **start, **device)
            context.set_default_timeout(self._wait_ms)
            context.add_init_script(lab.PROBES)
            self._empty[context] = context.pages
        context = self._contexts[kind]
        page = self._empty[context].pop() if self._empty[context] else context.new_page()
        page.bring_to_front()  # behind another one it takes up to four times as long, and a film shows few frames
        return page

    def give_back(self, page: Page) -> None:
        """Nothing that it kept, or was permitted, is left but the files of the app."""
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        page.goto("about:blank")
        page.mouse.move(0, 0)
        page.context.clear_cookies()
        page.context.clear_permissions()
        self._empty[page.context].append(page)

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()
