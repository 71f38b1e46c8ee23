"""Runs that a page follows while they finish: one sweep a session, dropped when the settings move on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from wdviz import runs
from wdviz.results import History
from wdviz.runs import Run, Sweep
from wdviz.settings import Settings


def follow(groups: Sequence[Sequence[Run]]) -> tuple[dict[Run, History], Sweep]:
    """What is finished of some runs, and the sweep that is under way; at least the first group is whole.

    A first call starts the first group alone, so that nothing competes with the first picture; each further call with the same runs
    starts the rest and waits until one more group is whole. Other runs drop those of the last call that have not started.

    Raises:
        PoolFull: if too many runs of all visitors wait already.
    """
    planned = tuple(run for group in groups for run in group)
    known: tuple[tuple[Run, ...], Sweep] | None = st.session_state.get("_sweep")
    again = known is not None and known[0] == planned
    if known and again and known[1].total == len(set(planned)):
        sweep = known[1]
    else:
        if known:
            known[1].cancel()
        sweep = runs.sweep(planned if again else groups[0], session=_session())
        st.session_state["_sweep"] = (planned, sweep)
    shown = st.session_state.get("_shown", 0) if again else 0
    while True:
        results = runs.finished(planned) | sweep.results
        whole = sum(all(run in results for run in group) for group in groups)
        if sweep.done or (whole > shown and all(run in results for run in groups[0])):
            break
        sweep.wait()
    st.session_state["_shown"] = whole
    return results, sweep


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
