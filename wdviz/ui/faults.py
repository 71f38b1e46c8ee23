"""Errors that nobody foresaw: logged under a short id, of which the visitor learns the id alone."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import traceback
from pathlib import Path

import streamlit

from wdviz.ui.home import HOME

_OURS = tuple(str(folder) for folder in (Path(__file__).resolve().parents[1], HOME / "pages"))
_STREAMLIT = str(Path(streamlit.__file__).parent)

LOG = logging.getLogger("wdviz")

_NAME = "_wdviz_id"  # on the exception
_TRACE_S = 1.0  # at most one traceback in so long: whoever makes errors on purpose must not fill the disk
_count, _traced = 0, -_TRACE_S
_guard = threading.Lock()


def record(error: BaseException, where: str) -> str:
    """Log an error once; the id under which it is in the log. `where`: the part of the server, as in "a page".

    Its traceback goes along, but for errors within Streamlit, of which the line says where it was called: messages that no browser
    sends make as many of them as one likes.
    """
    global _count, _traced
    known = getattr(error, _NAME, None)
    if known:
        return known
    name = secrets.token_hex(4)
    setattr(error, _NAME, name)
    frames, now = traceback.extract_tb(error.__traceback__), time.monotonic()
    ours = max((at for at, frame in enumerate(frames, 1) if frame.filename.startswith(_OURS)), default=0)
    beneath = frames[ours:]
    with _guard:
        _count += 1
        full = now - _traced >= _TRACE_S and not any(frame.filename.startswith(_STREAMLIT) for frame in beneath)
        _traced = now if full else _traced
    places = " -> ".join(f"{frame.filename}:{frame.lineno}" for frame in (*frames[ours - 1 : ours], *beneath[-1:]))
    LOG.error("Error %s in %s: %.200r at %s", name, where, error, places, exc_info=error if full else None)
    return name


def sentence(error: BaseException, where: str) -> str:
    """What a visitor is told: nothing of the error but its id, under which it is logged now."""
    return f"Something went wrong on the server (error {record(error, where)}). Change a setting or reload the page to try again."


def count() -> int:
    """Errors recorded since the server started."""
    return _count
