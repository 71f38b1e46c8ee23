"""How a request is refused: with a short answer that says why, counted by reason."""

from __future__ import annotations

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from wdviz.serving import metrics

RETRY_S = 10

_FULL = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="{RETRY_S}">
<title>Weight decay lab: the server is full</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem }}
</style>
</head>
<body>
<main>
<h1>The server is full</h1>
<p>As many people use the weight decay lab now as it can serve at once. This page tries again every {RETRY_S} seconds;
there is nothing to do.</p>
</main>
</body>
</html>
"""


def full() -> Response:
    """A page that says that the server is full, and tries again by itself."""
    return HTMLResponse(_FULL, 503, {"Retry-After": str(RETRY_S), "Cache-Control": "no-store"})


def short(text: str, status: int, **headers: str) -> Response:
    """A sentence in plain text. Headers are written with underscores: `retry_after="1"`."""
    return PlainTextResponse(f"{text}\n", status, {name.replace("_", "-"): value for name, value in headers.items()})


async def refuse(reason: str, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or an attempt to open a websocket, and count the refusal."""
    metrics.REFUSED.labels(reason).inc()
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the server answers 403
        return
    await response(scope, receive, send)
