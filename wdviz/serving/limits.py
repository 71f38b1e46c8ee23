"""How much one address, and all together, may ask of the server: requests, open websockets, messages on each of them."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wdviz.serving import messages, metrics
from wdviz.serving.addresses import Addresses
from wdviz.serving.buckets import Bucket, Buckets
from wdviz.serving.options import Options
from wdviz.serving.refusals import full, refuse, short
from wdviz.ui import files

# A first visit makes 83 requests: so many browsers of one school, behind one address, may start at once without noticing a limit.
REQUESTS_AT_ONCE, REQUESTS_PER_S = 20_000, 200
OPENING_COSTS, DRAWING_COSTS = 10, 20  # a websocket starts a session, a QR code takes up to 0.2 s
# While a control is dragged, a browser sends 10 to 20 messages a second; beyond this rate they wait, and the browser notices.
MESSAGES_AT_ONCE, MESSAGES_PER_S = 60, 30
FLOOD = 1000  # so many more messages that had to wait than had not, after which the websocket is closed


class Limits:
    """ASGI middleware: refuses what is too much of one address, and new sessions when there are too many of all."""

    def __init__(self, app: ASGIApp, options: Options) -> None:
        self._app, self._options = app, options
        self._addresses = Addresses(options.proxies)
        self._requests = Buckets(REQUESTS_PER_S, REQUESTS_AT_ONCE)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] == f"{files.base()}/_stcore/health":
            await self._app(scope, receive, send)
            return
        address = self._addresses.visitor(scope)
        if not self._requests.take(address, _cost(scope)):
            await refuse(
                "requests", short("Too many requests from this address; wait a second.", 429, retry_after="1"), scope, receive, send
            )
        elif scope["type"] == "websocket":
            await self._session(address, scope, receive, send)
        elif self._full and "text/html" in Headers(scope=scope).get("accept", ""):
            await refuse("full", full(), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @property
    def _full(self) -> bool:
        return self._open.total() >= self._options.connections_total

    async def _session(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        # A browser that is refused here tries again by itself, ever more slowly, as it does when the server is away.
        if self._full:
            await refuse("full", short("The server is full.", 503), scope, receive, send)
            return
        if self._open[address] >= self._options.connections:
            await refuse("connections", short("Too many sessions from this address.", 429), scope, receive, send)
            return
        self._open[address] += 1
        metrics.CONNECTIONS.inc()
        channel = Channel(receive, send)
        try:
            await self._app(scope, channel.receive, channel.send)
        finally:
            metrics.CONNECTIONS.dec()
            self._open[address] -= 1
            if not self._open[address]:  # so the table is no longer than there are sessions
                del self._open[address]


class Channel:
    """One websocket: messages that come too fast wait, those that are none of Streamlit's are dropped or end it."""

    def __init__(self, receive: Receive, send: Send, pace: Bucket | None = None) -> None:
        self._receive, self._send = receive, send
        self._pace = pace or Bucket(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self._judge, self._waited, self._closed = messages.Judge(), 0, False

    async def receive(self) -> Message:
        """The next message that is for Streamlit."""
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            seconds = self._pace.wait()
            self._waited = self._waited + 1 if seconds else max(self._waited - 1, 0)
            if self._waited > FLOOD:
                return await self._close(1008, "flood")
            if seconds:  # uvicorn reads no further meanwhile, so what waits is bounded
                await asyncio.sleep(seconds)
            verdict = self._judge(message)
            if verdict == "pass":
                return message
            if verdict != "drop":
                return await self._close(verdict, "message")
            metrics.REFUSED.labels("message").inc()

    async def send(self, message: Message) -> None:
        """What Streamlit sends, unless this side has closed the websocket."""
        if self._closed:
            return
        if message.get("bytes"):
            message = {**message, "bytes": messages.hide(message["bytes"])}
        await self._send(message)

    async def _close(self, code: int, reason: str) -> Message:
        metrics.REFUSED.labels(reason).inc()
        self._closed = True
        await self._send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}


def _cost(scope: Scope) -> int:
    if scope["type"] == "websocket":
        return OPENING_COSTS
    return DRAWING_COSTS if scope["path"] == f"{files.base()}/qr.svg" else 1
