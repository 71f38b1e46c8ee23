"""Addresses and asks that nobody should send: the page opens all the same, with values that are allowed."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from tests.apps import TIMEOUT
from wdviz.serving import assembly
from wdviz.settings import Settings
from wdviz.ui import address, stage

NUMBERS = ["", "0", "-1", "1e999", "nan", "-inf", "1_0", "٣", "9" * 5000]
NASTY = [*NUMBERS, "\x00", "<script>", "${7*7}", "'; DROP", "../../etc/passwd", "%s%n", "é" * 5000]
VALUES = st.one_of(st.text(max_size=40), st.sampled_from(NASTY), st.floats().map(str), st.integers().map(str))
NAMES = st.one_of(st.sampled_from(sorted(address.DEFAULTS)), st.text(max_size=20))
QUERIES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4), max_size=40)


class Params(dict[str, list[str]]):
    """The query parameters, as Streamlit gives them."""

    def get_all(self, name: str) -> list[str]:
        return self[name]


def taken(query: dict[str, list[str]]) -> tuple[dict[str, Any], list[str]]:
    """What a session holds once it took the address over, and the notes on it."""
    state: dict[str, Any] = {}
    with patch.multiple(address.st, query_params=Params(query), session_state=state):
        return state, address.take("")


@given(QUERIES)
@example({name: ["é" * 20_000] for name in address.DEFAULTS})
@example({f"unknown {k}": ["1"] for k in range(5000)})
@example({"regularisers": ["l1,dropout"] * 5000})
@example({"edits": ["m0,1e308,1e308"]})
def test_any_address_gives_allowed_settings_and_short_notes(query):
    state, notes = taken(query)
    Settings(**{name: state[name] for name in address.SETTINGS if name in Settings.__dataclass_fields__})  # checks each
    assert all(len(note) < 3000 for note in notes)
    assert len(notes) <= 2 * len(address.DEFAULTS)


@given(st.text(max_size=500).map(lambda text: parse_qs(text, keep_blank_values=True)))
def test_any_text_is_an_address(query):
    taken(query)


@pytest.mark.parametrize(
    "query",
    [
        dict(zip(address.DEFAULTS, NASTY * 10, strict=False)),
        dict.fromkeys(address.DEFAULTS, "é" * 20000),
        {f"<b>{k}</b>": "\x00" for k in range(1000)},
    ],
)
def test_the_page_opens_at_a_made_up_address(query):
    app = AppTest.from_file(str(assembly.ROUTER), default_timeout=TIMEOUT)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    (component,) = app.get("bidi_component")
    assert component.proto.bytes


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from([2**53, -1, 10**400])),
    lambda part: st.one_of(st.lists(part, max_size=8), st.dictionaries(st.text(max_size=8), part, max_size=8)),
    max_leaves=12,
)
FIELDS = ("id", "have", "picked", "live", "film", "notice", "more", "stop", "put")


@settings(max_examples=60)
@given(st.one_of(PLAIN, st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, PLAIN))))
@example({"put": {str(k): "x" for k in range(5000)}, "picked": {str(k): "x" for k in range(5000)}})
def test_any_ask_is_checked(message):
    seat = stage.Seat()
    ask = seat.take(message)
    assert 0 <= seat.asked < 2**53
    assert len(ask.put) <= stage.MOST_TEXTS
    assert all(isinstance(text, str) for text in (*ask.put.values(), *ask.picked.values(), ask.film))
    json.dumps(seat.asked)
