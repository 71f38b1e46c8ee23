"""Security headers of every answer: what a page may load, who may show it in a frame, what it tells others."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wdviz.serving.options import Options

_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]+)?|\[[0-9a-f:.]+\](:[0-9]+)?", re.IGNORECASE)

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # addresses hold the visitor's settings
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi"),
            *("payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",  # of no effect in a frame
    "Cross-Origin-Resource-Policy": "same-origin",
}


def policy(frames: Sequence[str], scripts: Sequence[str], host: str = "") -> str:
    """The Content-Security-Policy.

    Streamlit styles its elements by <style> tags and attributes made in the browser, so inline styles stay allowed; inline scripts are
    not, but for those of its own page, by their hashes. `blob:` is the script of the stage, which Streamlit loads so. `host`: Safari
    before 16 does not count websockets as 'self'.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self' blob:", *scripts)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self'{sockets}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            " ".join(("frame-ancestors 'self'", *frames)),
        )
    )


def inline_scripts() -> list[str]:
    """Sources that allow the inline scripts of Streamlit's own page, each by its hash."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    digests = (hashlib.sha256(script).digest() for script in re.findall(rb"<script>(.*?)</script>", page, re.DOTALL))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """ASGI middleware: adds them to every answer."""

    def __init__(self, app: ASGIApp, options: Options) -> None:
        self._app, self._frames, self._scripts = app, options.frames, inline_scripts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "") if scope["type"] == "http" else ""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy(self._frames, self._scripts, host)
                for name, value in FIXED.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)
