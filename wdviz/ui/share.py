"""A QR code of the page's own address, so that a class can open what the lecturer shows."""

from __future__ import annotations

import io
import re

import segno
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from wdviz.ui import files

_LONGEST = 2000  # a QR code with error correction M holds 2,331 bytes
_ALLOWED = f"text must be an address on this very host, http:// or https://, of at most {_LONGEST:,} printable ASCII characters.\n"


def _own_address(text: str, host: str) -> bool:
    """Whether the text is an address on this host. Other addresses are refused: a code that this server draws should lead back to it.

    What follows the host must end its name: `http://host.evil/` and `http://host:80@evil/` lead elsewhere.
    """
    pattern = rf"https?://{re.escape(host)}([/?#][!-~]*)?"
    return bool(host) and len(text) <= _LONGEST and re.fullmatch(pattern, text, re.IGNORECASE) is not None


def _svg(text: str) -> bytes:
    image = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(image, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False, svgclass=None, lineclass=None)
    return image.getvalue()


def _serve(request: Request) -> Response:  # not async: Starlette runs it in a thread, and a large code takes 0.2 s
    text = request.query_params.get("text", "")
    if not _own_address(text, request.headers.get("host", "")):
        return PlainTextResponse(_ALLOWED, 400)
    return Response(_svg(text), headers={"Cache-Control": "private, max-age=3600"}, media_type="image/svg+xml")


def routes() -> list[BaseRoute]:
    """The route of the QR code; for `st.App(script, routes=...)`."""
    return [Route(f"{files.base()}/qr.svg", _serve, methods=["GET"], name="qr")]
