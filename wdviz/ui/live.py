"""Runs that a page follows while they finish: one sweep a session, dropped when the settings move on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from wdviz import runs
from wdviz.runs import Run, Sweep
from wdviz.settings import Settings


def follow(planned: Sequence[Run], first: Sequence[Run]) -> Sweep:
    """The sweep over `planned`, with at least the runs `first` finished.

    The same runs again mean the same sweep, a bit further; other runs drop those of the last sweep that have not started.

    Raises:
        pool.PoolFull: if too many runs of all visitors wait already.
    """
    known: tuple[tuple[Run, ...], Sweep] | None = st.session_state.get("_sweep")
    if known and known[0] == tuple(planned):
        sweep = known[1]
        sweep.wait()
    else:
        if known:
            known[1].cancel()
        sweep = runs.sweep(planned, session=_session())
        st.session_state["_sweep"] = (tuple(planned), sweep)
    while any(run not in sweep.results for run in first):
        sweep.wait()
    return sweep


def _session() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def time_left(sweep: Sweep) -> str:
    """`, 3 s left`, or nothing where it is short or not known yet."""
    left = sweep.seconds_left
    return f", {left:.0f} s left" if left is not None and left >= 1.5 else ""


def name_of(settings: Settings, seeds: int) -> str:
    """A short name of what is shown: equal for equal settings and seeds finished, on any server."""
    return hashlib.blake2b(repr((settings, seeds)).encode(), digest_size=8).hexdigest()
