"""Errors that reach the server: visitors get a sentence with an id, the log has the rest."""

from __future__ import annotations

import logging

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wdviz.serving.refusals import short
from wdviz.ui import faults


def on_script_error(error: Exception) -> bool:
    """Tell the visitor, in place of what the script would have drawn; for `st.App`."""
    st.error(faults.sentence(error, "a page"))
    return True  # Streamlit is to show nothing of its own


class Faults:
    """ASGI middleware: an error that nothing else caught becomes a short answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] == "lifespan":
                raise
            answer = short(faults.sentence(error, "an answer"), 500)
            if not begun:
                await answer(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011})


class _Once(logging.Filter):
    """Streamlit logs a page's error before it tells `on_script_error`; here it is logged once, under its id."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception):
            faults.record(error, "a page")
            return False
        return True


def log() -> None:
    """Write the project's log to the standard error stream, each line with its time. Requests are not logged: they hold addresses."""
    logging.getLogger("uvicorn.access").disabled = True  # Streamlit switches it on when its configuration file changes
    logging.getLogger("streamlit.error_util").addFilter(_Once())
    if not faults.LOG.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        faults.LOG.addHandler(handler)
        faults.LOG.propagate = False
