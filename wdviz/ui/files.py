"""The files that the browser needs for the stage: served once, compressed, and kept for ever."""

from __future__ import annotations

import functools
import gzip
import hashlib
from pathlib import Path

import plotly
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from wdviz.ui.home import HOME

_ASSETS = HOME / "assets"
_PLOTLY = f"plotly-{plotly.__version__}.min.js"
_FILES = {path.name: path for path in sorted(_ASSETS.glob("*.js"))} | {
    "stage.css": _ASSETS / "stage.css",
    "share.css": _ASSETS / "share.css",
    _PLOTLY: Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
}
_BASE = "base.js"  # a script that runs before all others, not a module
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@functools.cache
def _version() -> str:
    """One name for the content of all files: modules import each other by relative paths, so they share one folder in the address."""
    contents = b"".join(_FILES[name].read_bytes() for name in _FILES if name != _PLOTLY)
    return hashlib.blake2b(contents, digest_size=6).hexdigest()


@functools.cache
def _content(path: Path) -> tuple[bytes, bytes]:
    """A file as it is, and gzipped."""
    raw = path.read_bytes()
    return raw, gzip.compress(raw, 6, mtime=0)


def answer(path: Path, keep: str, *, zipped: bool) -> Response:
    """A script or style, read and compressed once. `keep`: its Cache-Control. The first call takes up to .2 s."""
    encoding = {"Content-Encoding": "gzip"} if zipped else {}
    headers = {"Cache-Control": keep, "Vary": "Accept-Encoding", **encoding}
    return Response(_content(path)[zipped], headers=headers, media_type=TYPES[path.suffix])


def base() -> str:
    """The path under which the app is served, without a slash at its end."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def url(name: str) -> str:
    """The address of a file, on this server."""
    return f"{base()}/assets/{_version()}/{name}"


def plotly_url() -> str:
    """The address of plotly.js; its name holds its version, so it outlives changes of the other files."""
    return f"{base()}/assets/lib/{_PLOTLY}"


def _serve(request: Request) -> Response:  # not async: Starlette runs it in a thread
    name = request.path_params["name"]
    if name not in _FILES:
        return Response("There is no such file.", 404, media_type="text/plain")
    # For ever, except where the address asks for another version than this server has (in the middle of a deployment).
    current = name == _PLOTLY or request.path_params["version"] == _version()
    keep = "public, max-age=31536000, immutable" if current else "no-cache"
    return answer(_FILES[name], keep, zipped="gzip" in request.headers.get("accept-encoding", ""))


def routes() -> list[BaseRoute]:
    """Routes for the stage's files; for `st.App(script, routes=...)`."""
    return [Route(f"{base()}/assets/{{version}}/{{name}}", _serve, methods=["GET"], name="assets")]


def preload() -> str:
    """A `Link` header by which a browser fetches the small files while it still builds the page around the stage.

    Not plotly.js: it would compete with Streamlit's own files, and the first picture does without it.
    """
    kinds = {".js": "modulepreload", ".css": "preload; as=style"}
    return ", ".join(f"<{url(name)}>; rel={kinds[path.suffix]}" for name, path in _FILES.items() if name not in (_PLOTLY, _BASE))


def base_script() -> bytes:
    """The tag by which each page learns where the server is, see assets/base.js."""
    return f'<script src="{url(_BASE)}" data-base="{base()}"></script>'.encode()
