"""The parts of the server around the pages, as app.py hands them to Streamlit."""

from __future__ import annotations

from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from wdviz.serving import options
from wdviz.serving.errors import Faults, on_script_error
from wdviz.serving.gate import Gate
from wdviz.serving.head import Head
from wdviz.serving.headers import SecurityHeaders
from wdviz.serving.limits import Limits
from wdviz.serving.messages import ROUTER
from wdviz.serving.start import lifespan
from wdviz.serving.zipped import Zipped
from wdviz.ui import files, share

__all__ = ["ROUTER", "around"]


def around() -> dict[str, Any]:
    """All that is around the pages: `st.App(ROUTER, **around())`."""
    return {"lifespan": lifespan, "routes": routes(), "middleware": middleware(), "on_script_error": on_script_error}


def routes() -> list[BaseRoute]:
    """What the server answers beside Streamlit's own addresses."""
    return [*files.routes(), *share.routes()]


def middleware() -> list[Middleware]:
    """What each request passes, the outermost first. Ends the program where an environment variable is wrong."""
    try:
        chosen = options.read()
    except ValueError as error:
        raise SystemExit(f"{error}.") from None
    return [
        Middleware(SecurityHeaders, chosen),
        Middleware(Faults),
        Middleware(Limits, chosen),
        Middleware(Gate, chosen),
        Middleware(Head),
        Middleware(Zipped),
    ]
