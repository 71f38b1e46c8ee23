"""A page's words from assets/text/<page>.md: in short, things to notice that set the controls, why, small print; words and keys for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import streamlit as st

from wdviz.ui import address
from wdviz.ui.home import HOME

_TEXT = HOME / "assets" / "text"
_LINK = re.compile(r"^- \[(?P<words>[^\]]+)\]\((?P<settings>[^)]*)\)$")


def notice(page: str) -> list[tuple[str, str]]:
    """The `# Notice` section: what to look for, each with the settings that show it, as a query."""
    lines = _read(page)["Notice"].splitlines()
    return [(found["words"], found["settings"]) for line in lines if (found := _LINK.match(line.strip()))]


def in_short(page: str) -> None:
    """What one sees, for somebody who has never heard of it."""
    with st.container(key="in_short"):
        st.markdown(_read(page)["In short"])


def sections(page: str, put: Callable[[Mapping[str, Any]], None]) -> None:
    """The `# Notice` section as buttons that set all controls, every other section as an expander, closed, and those for all pages."""
    with st.container(key="notice", horizontal=True, vertical_alignment="center"):
        st.markdown("Notice:", width="content")
        for words, settings in notice(page):
            # From the start, since what a button says need not hold under other settings; the browser's back button leads back.
            st.button(words, type="tertiary", on_click=put, args=(address.START | address.parse(settings),))
    for title, text in (_read(page) | _read("keys")).items():
        if title not in ("In short", "Notice"):
            _expander(title, text)


@st.fragment
def _expander(title: str, text: str) -> None:
    """Its text is sent when it is opened: what shows code and formulas is large, and would hold up the first picture."""
    part = st.expander(title, key=f"text_{title}", on_change="rerun")
    if part.open:
        part.markdown(text)


@cache
def _read(page: str) -> dict[str, str]:
    text = (_TEXT / f"{page}.md").read_text(encoding="utf-8")
    pieces = re.split(r"^# (.+)$", text, flags=re.MULTILINE)
    return {title.strip(): body.strip() for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}
