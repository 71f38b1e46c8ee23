"""What each page tells the browser before anything else: where the server is and which files its pictures need."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wdviz.ui import files

_FONT = re.compile(rb'<link\s+rel="preload"[^>]*\bas="font"[^>]*>')  # of Streamlit's page: 171 kB that no text here uses


class Head:
    """ASGI middleware: each HTML page tells the browser at once where the server is and which files its pictures need."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "text/html" in Headers(scope=scope).get("accept", ""):  # a page is asked for, and it must be readable here
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"accept-encoding"]}
        await self._app(scope, receive, _Page(send).send)


class _Page:
    """One answer on its way: that of a page is held back until it is whole, since its length is told first."""

    def __init__(self, send: Send) -> None:
        self._send, self._start, self._parts = send, None, list[bytes]()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
                headers.append("Link", files.preload())
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = _FONT.sub(b"", b"".join(self._parts)).replace(b"<script", files.base_script() + b"<script", 1)
        headers = MutableHeaders(scope=self._start)
        if "content-length" in headers and any(self._parts):  # an answer to HEAD has a length and no body
            headers["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})
