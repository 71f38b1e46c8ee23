"""What is answered at all: reading, the addresses that the pages need, and sessions that this server's own pages open."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wdviz.serving.addresses import Addresses
from wdviz.serving.options import Options
from wdviz.serving.refusals import refuse, short
from wdviz.ui import files

# Of Streamlit's own addresses. Others serve uploads, metrics, log-in, programs that drive the app, components that it does not have.
_INTERNAL = ("/_stcore", "/component", "/auth", "/oauth2callback", "/app")
_NEEDED = {"/_stcore/health", "/_stcore/host-config", "/_stcore/stream"}


class Gate:
    """ASGI middleware: closes what no page needs, and refuses websockets that pages of other sites open."""

    def __init__(self, app: ASGIApp, options: Options) -> None:
        self._app, self._options = app, options
        self._addresses = Addresses(options.proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            await refuse("method", short("Only GET and HEAD are answered here.", 405, allow="GET, HEAD"), scope, receive, send)
        elif scope["type"] in ("http", "websocket") and _closed(scope["path"]):
            await refuse("closed", short("There is nothing at this address.", 404), scope, receive, send)
        elif scope["type"] == "websocket" and not self._ours(scope):
            await refuse("origin", short("Sessions are opened by this server's own pages alone.", 403), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _ours(self, scope: Scope) -> bool:
        """Whether the websocket was opened by a page of this server, or by one that Streamlit is set to allow.

        Streamlit itself also lets in whoever says nothing of where it comes from, which no browser does.
        """
        origin = Headers(scope=scope).get("origin")
        if origin is None:
            return self._options.programs
        if not st.get_option("server.enableCORS") or origin in st.get_option("server.corsAllowedOrigins"):
            return True
        return urlsplit(origin).netloc.lower() in self._addresses.hosts(scope)


def _closed(path: str) -> bool:
    here = path.removeprefix(files.base())
    return here not in _NEEDED and any(here == start or here.startswith(f"{start}/") for start in _INTERNAL)
