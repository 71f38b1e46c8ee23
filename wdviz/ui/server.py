"""What the server does beside running pages: warm up before the first visitor, serve the stage's files, answer without delay."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wdviz import runs
from wdviz.experiments import architectures, combinations, sensitivity
from wdviz.plans import Combine, Families, Landscape, Probe, Search
from wdviz.runs import Sweep
from wdviz.settings import Settings
from wdviz.ui import files, share
from wdviz.ui.scenes import learning_rate, tuning

ROUTER = Path(__file__).with_name("router.py")


def routes() -> list[BaseRoute]:
    """What the server answers beside Streamlit's own addresses."""
    return [*files.routes(), *share.routes()]


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
        body = b"".join(self._parts).replace(b"<script", files.base_script() + b"<script", 1)
        headers = MutableHeaders(scope=self._start)
        if "content-length" in headers and any(self._parts):  # an answer to HEAD has a length and no body
            headers["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


middleware = [Middleware(Head)]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Compile the default programs of the pages, then take what start-up left out of the garbage collector's sight.

    Compiling while the first visitors are there would hold up their pages by more than it shortens the start; only the last two pages,
    whose many networks take as long as all the others together, are left for afterwards. Without the freeze each collection walks all
    of JAX's and Plotly's objects: about 0.1 s.
    """
    _send_at_once()
    await asyncio.to_thread(_warm_up)
    gc.collect()
    gc.freeze()
    _warm_up_later()
    yield
    runs.pool().shutdown(wait=False, cancel_futures=True)


def _warm_up() -> None:
    chosen = Settings()
    runs.warm_up([chosen])
    groups = (sensitivity.groups(chosen, Probe()), tuning.groups(chosen, Search(), tested=False), learning_rate.groups(chosen, Landscape()))
    runs.sweep(_distinct(groups), session="warm-up").wait_all()


def _warm_up_later() -> Sweep:
    chosen = Settings()
    return runs.sweep(_distinct((combinations.groups(chosen, Combine()), architectures.groups(chosen, Families()))), session="warm-up")


def _distinct(pages: Iterable[Sequence[Sequence[Any]]]) -> list[Any]:
    """One job for each program that the pages need, so that it is compiled."""
    jobs = [job for groups in pages for group in groups for job in group]
    return list({(type(job), getattr(job, "run", job).pictures, runs.program_for(getattr(job, "run", job))): job for job in jobs}.values())


def _send_at_once() -> None:
    """Switch Nagle's algorithm off for every connection accepted from now on.

    asyncio does so only for sockets made with an explicit protocol number, and the server's is not; small messages then wait
    up to 40 ms for the browser's acknowledgement. The transport is the first place that knows each connection.
    """
    base = asyncio.get_running_loop().__class__
    original = getattr(base, "_make_socket_transport", None)
    if original is None or getattr(original, "sends_at_once", False):  # None: another event loop, which sees to it itself
        return

    def make(self: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return original(self, sock, *args, **kwargs)

    make.sends_at_once = True  # type: ignore[attr-defined]
    base._make_socket_transport = make  # type: ignore[attr-defined]
