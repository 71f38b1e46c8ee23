"""What happens once when the server starts and stops: programs are compiled, garbage collection and the sockets are set right."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from streamlit.runtime import app_session

from wdviz import runs
from wdviz.serving import ahead, errors, metrics, options, warmup


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Compile the default programs of the pages, then take what start-up left out of the garbage collector's sight.

    Compiling while the first visitors are there would hold up their pages by more than it shortens the start; only the last two pages,
    whose many networks take as long as all the others together, are left for afterwards. Without the freeze each collection walks all
    of JAX's and Plotly's objects: about 0.1 s.
    """
    chosen = options.read()
    errors.log()
    send_at_once()
    read_theme_once()
    if chosen.metrics:
        metrics.listen(*chosen.metrics)
    await asyncio.to_thread(warmup.first)
    gc.collect()
    gc.freeze()
    warmup.later()
    training = None if chosen.ahead == "none" else ahead.Ahead(ahead.plan(whole=chosen.ahead == "all", at_once=runs.pool().workers))
    if training:
        training.start()
    yield
    if training:
        training.stop()
    runs.pool().shutdown(wait=False, cancel_futures=True)


def send_at_once() -> None:
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


def read_theme_once() -> None:
    """Have Streamlit put its theme together once for all runs of all pages; the settings that it is made of do not change.

    It goes through them for each run of a fragment, on the thread that serves all connections: 5 ms each, a fifth of what the server
    does while a class moves a slider.
    """
    original = app_session._populate_theme_msg
    if getattr(original, "reads_once", False):
        return
    known: dict[str, Any] = {}

    def populate(message: Any, section: str = "theme") -> None:
        if section not in known:
            known[section] = message.__class__()
            original(known[section], section)
        if known[section].ByteSize():  # else it would count as given
            message.MergeFrom(known[section])

    populate.reads_once = True  # type: ignore[attr-defined]
    app_session._populate_theme_msg = populate
