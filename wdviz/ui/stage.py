"""The stage: one component that owns every live picture of a page and updates them in place.

Python sends one `bytes` payload per change; `assets/stage.js` builds the cards once and afterwards only changes what differs.

The payload is `[uint32 length of the header][header, UTF-8 JSON][zeros up to a multiple of 8][buffers]`. Each buffer starts at a
multiple of 8 bytes. An array inside a figure stands in the header as `{"$a": [offset, count, dtype, shape]}`, its offset counted from
the start of the buffers. Equal arrays are sent once.

Colours may be written as tokens that follow the theme: `var(--ink)`, `var(--mute)`, `var(--grid)`, `var(--paper)`, and, for text in an
arm's colour, `var(--without)` and `var(--with)`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import plotly
import plotly.graph_objects as go
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from streamlit.components.v2 import component

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
_PLOTLY_NAME = f"plotly-{plotly.__version__}.min.js"
_FILES = {
    "stage.js": _ASSETS / "stage.js",
    "map.js": _ASSETS / "map.js",
    "stage.css": _ASSETS / "stage.css",
    _PLOTLY_NAME: Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
}
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_ALIGN = 8
_DROPPED = {"template", "transition"}  # the stage has its own theme; with a transition, plotly.js would take half a second to redraw


@dataclass(frozen=True)
class View:
    """One picture of a panel; `summary` says in a sentence, with live numbers, what it shows."""

    label: str
    figure: go.Figure
    summary: str


@dataclass(frozen=True)
class Stat:
    """A number above a picture, with its spread over seeds where there is one."""

    label: str
    value: str
    spread: str = ""


@dataclass(frozen=True)
class Panel:
    """A card of the stage. `name` identifies it across updates, `span` counts columns out of 12 on a wide screen."""

    name: str
    title: str
    views: tuple[View, ...]
    span: int = 6
    tone: Literal["", "without", "with"] = ""
    tag: str = ""
    note: str = ""
    stats: tuple[Stat, ...] = ()
    toggle: str = ""
    height: int = 320


# --- payload ----------------------------------------------------------------------------------------------------------------------


def _packable(array: np.ndarray) -> np.ndarray:
    """The array as one of the five types that the stage reads."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        target = "f8" if size > 4 else "f4"
    elif kind == "u" and size <= 2:
        target = f"u{size}"
    else:
        fits = array.size == 0 or (int(array.min()) >= -(2**31) and int(array.max()) < 2**31)
        target = "i4" if fits else "f8"
    return np.ascontiguousarray(array, dtype="<" + target)


class _Buffers:
    """Collects arrays, each once, and knows where each one starts."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self._seen: dict[bytes, int] = {}

    def add(self, array: np.ndarray) -> dict[str, list[Any]]:
        packed = _packable(array)
        raw = packed.tobytes()
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if digest not in self._seen:
            self._seen[digest] = self.size
            padded = raw + bytes(-len(raw) % _ALIGN)
            self.parts.append(padded)
            self.size += len(padded)
        return {"$a": [self._seen[digest], packed.size, packed.dtype.str[1:], list(packed.shape)]}


def _fingerprint(array: np.ndarray) -> list[Any]:
    packed = _packable(array)
    return [packed.dtype.str, list(packed.shape), hashlib.blake2b(packed.tobytes(), digest_size=16).hexdigest()]


def _clean(value: Any) -> Any:
    """The value with numeric arrays kept, everything else as valid JSON (a number that is not finite becomes null)."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fiu" and value.ndim:
            return value
        if value.dtype.kind == "M":
            return np.datetime_as_string(value).tolist()
        return _clean(value.tolist())
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if key not in _DROPPED}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if isinstance(value, np.generic):
        return _clean(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _spec(figure: go.Figure) -> dict[str, Any]:
    """The figure as data and layout, with its arrays as NumPy arrays, without the template, and without the title: the card has one."""
    # `Figure.to_plotly_json` turns arrays into base64 text; the same method of a trace or a layout leaves them alone.
    traces: Any = figure.data
    layout: Any = figure.layout
    plain = {name: part for name, part in layout.to_plotly_json().items() if name != "title"}
    return {"data": [_clean(trace.to_plotly_json()) for trace in traces], "layout": _clean(plain)}


def _view(view: View) -> dict[str, Any]:
    spec = _spec(view.figure)
    text = json.dumps(spec, default=_fingerprint, allow_nan=False)
    signature = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return {"label": view.label, "summary": view.summary, "sig": signature, **spec}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "name": panel.name,
        "title": panel.title,
        "span": panel.span,
        "tone": panel.tone,
        "tag": panel.tag,
        "note": panel.note,
        "toggle": panel.toggle,
        "height": panel.height,
        "stats": [{"label": stat.label, "value": stat.value, "spread": stat.spread} for stat in panel.stats],
        "views": [_view(view) for view in panel.views],
    }


def encode(panels: Sequence[Panel], *, status: str = "", result: str = "", more: bool = False) -> bytes:
    """The panels as one payload; `result` names what is shown, so that a test or a tool can tell when it is painted."""
    names = [panel.name for panel in panels]
    if len(set(names)) != len(names):
        raise ValueError(f"panel names must differ: {names}")
    buffers = _Buffers()
    header = {"status": status, "result": result, "more": more, "panels": [_panel(panel) for panel in panels]}
    text = json.dumps(header, default=buffers.add, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    head = struct.pack("<I", len(text)) + text
    return b"".join([head, bytes(-len(head) % _ALIGN), *buffers.parts])


# --- files ------------------------------------------------------------------------------------------------------------------------


@functools.cache
def _content(name: str) -> tuple[bytes, bytes, str]:
    """A file as it is, gzipped, and the hash of its content."""
    raw = _FILES[name].read_bytes()
    return raw, gzip.compress(raw, 6, mtime=0), hashlib.blake2b(raw, digest_size=8).hexdigest()


def _base() -> str:
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def _url(name: str) -> str:
    version = "" if name == _PLOTLY_NAME else "?v=" + _content(name)[2]
    return f"{_base()}/assets/{name}{version}"


def _serve(name: str, request: Request) -> Response:
    raw, zipped, digest = _content(name)
    # For ever, except where the address asks for another version than this server has (in the middle of a deployment).
    current = name == _PLOTLY_NAME or request.query_params.get("v", digest) == digest
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=_TYPES[_FILES[name].suffix])
    return Response(raw, headers=headers, media_type=_TYPES[_FILES[name].suffix])


def routes() -> list[BaseRoute]:
    """Routes for the files of the stage, compressed once and cached for ever by browsers; for `st.App(script, routes=...)`."""

    def endpoint(name: str):
        def serve(request: Request) -> Response:  # not async: Starlette runs it in a thread, and the first call compresses 4.8 MB
            return _serve(name, request)

        return serve

    return [Route(f"{_base()}/assets/{name}", endpoint(name), methods=["GET"], name=name) for name in _FILES]


def preload() -> str:
    """A `Link` header by which a browser fetches the small files while it still builds the page around the stage.

    Not plotly.js: it would compete with Streamlit's own files, and the first picture does without it.
    """
    kinds = {"stage.js": "modulepreload", "map.js": "modulepreload", "stage.css": "preload; as=style"}
    return ", ".join(f"<{_url(name)}>; rel={kind}" for name, kind in kinds.items())


# --- component --------------------------------------------------------------------------------------------------------------------


def _loader() -> str:
    """The few lines that travel with each update; the rest is fetched once."""
    files = json.dumps({"css": _url("stage.css"), "plotly": _url(_PLOTLY_NAME)})
    modules = json.dumps([_url("stage.js"), _url("map.js")])
    # Streamlit takes a text without a line break for a path. Addresses are made absolute because this runs as a blob, without a base.
    return (
        f"const modules = Promise.all({modules}.map((url) => import(new URL(url, location.origin))));\n"
        f"export default async (c) => {{ const [stage, map] = await modules; return stage.default(c, {files}, map); }};\n"
    )


_mount = component("wd_stage", html='<div class="wd-host"></div>', js=_loader(), isolate_styles=False)


def stage(panels: Sequence[Panel], *, key: str, status: str = "", result: str = "", more: bool = False) -> None:
    """Shows the panels, or, where a stage with this key is on the page, changes it in place.

    With `more`, the browser asks for another script run (of the fragment) once it has painted these: so partial results fill in at the
    pace of the slower of server and browser, and nothing queues up.
    """
    _mount(key=key, data=encode(panels, status=status, result=result, more=more), on_more_change=lambda: None)
