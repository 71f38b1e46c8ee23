"""Streamlit's own scripts and styles, compressed: it sends them as they are, 3.6 MB in place of 1 for a first visit without a proxy."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import streamlit
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import STATIC_ASSET_CACHE_MAX_AGE_SECONDS

from wdviz.ui import files

_STATIC = Path(streamlit.__file__).parent / "static"


@functools.cache
def _known() -> dict[str, Path]:
    """Their addresses. Nothing else is read, whatever is asked for."""
    found = (path for path in (_STATIC / "static").rglob("*") if path.suffix in files.TYPES)
    return {f"{files.base()}/{path.relative_to(_STATIC).as_posix()}": path for path in found}


class Zipped:
    """ASGI middleware: answers for those files itself where the browser takes gzip. Each is compressed once and kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["method"] == "GET" and "gzip" in Headers(scope=scope).get("accept-encoding", "")
        path = _known().get(scope["path"]) if asked else None
        if path is None:
            await self._app(scope, receive, send)
            return
        keep = f"public, immutable, max-age={STATIC_ASSET_CACHE_MAX_AGE_SECONDS}"  # as Streamlit says; names hold a hash
        await (await asyncio.to_thread(files.answer, path, keep, zipped=True))(scope, receive, send)
