"""The address: every setting that differs from its default, under the name of its field, read once and written by the app alone.

Values from outside are parsed, never evaluated, then moved to what the settings allow. The app rewrites the address only when a setting
changes, so an old link stays as it was, and the browser's back button leads to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import streamlit as st

from wdviz import edits
from wdviz.plans import ALL_SPECS, TABLES
from wdviz.specs import Choice, Number, Several, Text

SETTINGS: dict[str, Any] = {name: value for table in TABLES for name, value in asdict(table()).items()}
SHOWN = {"present": False, "contrast": False, "test_points": False, "tested": False}  # options of the view, not of the experiment
DEFAULTS: dict[str, Any] = SETTINGS | SHOWN
START = SETTINGS | {"tested": False}  # what "Reset" and each thing to notice begin from; how the page is shown stays
LONGEST = 200  # characters of one value that are looked at
LONGEST_TEXT = 16_000  # characters of edits that are taken: more than 500 points need

_SEEN = "_address"  # in the session: the query last taken or written
_WRITTEN = "_address_values"  # and the values that it stood for
_PAGE = "_address_page"  # and the page
_BEHIND = "_address_behind"  # whether the address has yet to say what another page's did


def value(name: str, texts: Sequence[str]) -> Any:
    """What the address gives for one name, typed but not yet held to its range: one text, or for a choice of several any number.

    Raises:
        ValueError: for an unknown name, or a text that is no value of its kind; the message says what is allowed.
    """
    if name not in DEFAULTS:
        raise ValueError(f"{name!r} is not a setting; the settings are {', '.join(DEFAULTS)}")
    if name in SHOWN:
        return _switched(name, texts[-1][:LONGEST])
    spec, text = ALL_SPECS[name], texts[-1][:LONGEST]
    match spec:
        case Several():
            return tuple(sorted({part for text in texts for part in text[:LONGEST].split(",") if part}))
        case Number():
            return _number(name, text, spec)
        case Text():
            if len(texts[-1]) > LONGEST_TEXT:  # cut, it could mean something else
                raise ValueError(f"{name} has {len(texts[-1])} characters; it must have {LONGEST_TEXT} at most")
            return texts[-1]
        case Choice():
            return next((option for option in spec.options if str(option) == text), text)


def allowed(name: str, given: Any, notes: list[str]) -> Any:
    """The value moved to what the settings allow: a number into its range and to its nearest step, anything else to its default.

    Adds to `notes` what was changed, but for the move to the nearest step.
    """
    if name in SHOWN:
        return given
    if isinstance(ALL_SPECS[name], Several):
        given = tuple(sorted(given or ()))
    value, note = _allowed(name, given)
    notes += note
    return value


@lru_cache(maxsize=4096, typed=True)  # each run of a page asks for all of some seventy settings
def _allowed(name: str, given: Any) -> tuple[Any, tuple[str, ...]]:
    spec, default = ALL_SPECS[name], SETTINGS[name]
    note = ()
    try:
        if isinstance(spec, Text):
            return edits.write(edits.parse(given)), ()
        spec.check(name, given)
    except ValueError as error:
        finite = isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < float("inf")
        if not isinstance(spec, Number) or not finite:
            return default, (f"{error}. The default, {written(name, default) or 'none'}, is used.",)
        given = _nearest(spec, min(max(given, spec.low), spec.high))
        note = (f"{error}. {given:g} is used.",)
    return (_nearest(spec, given) if isinstance(spec, Number) else given), note


def parse(query: str) -> dict[str, Any]:
    """All values of a query of the project's own, `decay=30&dataset=moons`. Raises ValueError for one that is not allowed."""
    notes: list[str] = []
    found = {name: allowed(name, value(name, texts), notes) for name, texts in parse_qs(query, keep_blank_values=True).items()}
    if notes:
        raise ValueError(" ".join(notes))
    return found


def written(name: str, given: Any) -> str | list[str]:
    """A value as it stands in the address."""
    if isinstance(given, bool):
        return "1" if given else "0"
    if isinstance(given, (tuple, list)):
        return [str(item) for item in given]
    return f"{given:g}" if isinstance(given, float) else str(given)


def take(page: str) -> list[str]:
    """Take over an address that the app has not written itself: a first visit, a link, the back button. Returns notes on it.

    The links between the pages have no settings of their own: those of the last page go along. Presented, a page opens as it stands in
    its story.
    """
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    moved = st.session_state.get(_PAGE, page) != page
    st.session_state[_PAGE] = page
    if moved and not now:
        fresh = START if known("present") else {}
        for name in DEFAULTS:
            st.session_state[name] = fresh.get(name, known(name))
        st.session_state[_SEEN], st.session_state[_BEHIND] = now, True
        return []
    if not moved and st.session_state.get(_SEEN) == now:
        return []
    notes: list[str] = []
    for name, default in DEFAULTS.items():
        try:
            found = allowed(name, value(name, now[name]), notes) if name in now else default
        except ValueError as error:
            notes.append(f"{error}. The default, {written(name, default) or 'none'}, is used.")
            found = default
        st.session_state[name] = found
    st.session_state[_SEEN] = now
    st.session_state[_WRITTEN] = {name: st.session_state[name] for name in DEFAULTS}
    return notes


def known(name: str) -> Any:
    """What was last said of a setting. Streamlit forgets what a widget says once a page without it has run twice."""
    return st.session_state.get(_WRITTEN, DEFAULTS)[name]


def write(values: Mapping[str, Any]) -> None:
    """Write the values that differ from their defaults, if any has changed since the address was last taken or written."""
    if st.session_state.get(_WRITTEN) == values and not st.session_state.get(_BEHIND):
        return
    st.session_state[_BEHIND] = False
    query = {name: written(name, given) for name, given in values.items() if given != DEFAULTS[name]}
    st.session_state[_WRITTEN] = dict(values)
    st.session_state[_SEEN] = {name: text if isinstance(text, list) else [text] for name, text in query.items()}
    st.query_params.from_dict(query)


def _switched(name: str, text: str) -> bool:
    if text in ("0", "1", "false", "true"):
        return text in ("1", "true")
    raise ValueError(f"{name} is {text!r}; it must be 0 or 1")


def _number(name: str, text: str, spec: Number) -> float | int:
    whole = isinstance(spec.step, int) and not spec.grid
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} is {text!r}; it must be {kind} from {spec.low:g} to {spec.high:g}") from None


def _nearest(spec: Number, given: float) -> float | int:
    if spec.grid:
        return min(spec.grid, key=lambda v: abs(v - given))
    steps = round((given - spec.low) / spec.step)
    at = round(spec.low + steps * spec.step, 6)
    return int(at) if isinstance(spec.step, int) else float(at)
