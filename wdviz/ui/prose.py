"""A page's words from assets/text/<page>.md: things to notice that set the controls, then why, then the small print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from wdviz.settings import SPECS, Number, Several

_TEXT = Path(__file__).resolve().parents[2] / "assets" / "text"
_LINK = re.compile(r"^- \[(?P<words>[^\]]+)\]\((?P<settings>[^)]*)\)$")


def sections(page: str, put: Callable[[Mapping[str, Any]], None]) -> None:
    """The `# Notice` section as buttons that set controls, every other section as an expander, closed."""
    parts = _read(page)
    with st.container(key="notice", horizontal=True, vertical_alignment="center"):
        st.markdown("Notice:", width="content")
        for line in parts["Notice"].splitlines():
            if found := _LINK.match(line.strip()):
                st.button(found["words"], type="tertiary", on_click=put, args=(parse(found["settings"]),))
    for title, text in parts.items():
        if title != "Notice":
            with st.expander(title):
                st.markdown(text)


def parse(query: str) -> dict[str, Any]:
    """Settings written as in an address, `decay=30&dataset=moons`, as typed values.

    Raises:
        ValueError: for a name or value that the settings do not allow.
    """
    values: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in SPECS:
            raise ValueError(f"{name!r} is not a setting; the settings are {', '.join(SPECS)}")
        spec = SPECS[name]
        if isinstance(spec, Several):
            values[name] = tuple(sorted(filter(None, text.split(","))))
        elif isinstance(spec, Number):
            values[name] = int(text) if isinstance(spec.step, int) and not spec.grid else float(text)
        else:
            values[name] = next((option for option in spec.options if str(option) == text), text)
        spec.check(name, values[name])
    return values


@cache
def _read(page: str) -> dict[str, str]:
    text = (_TEXT / f"{page}.md").read_text(encoding="utf-8")
    pieces = re.split(r"^# (.+)$", text, flags=re.MULTILINE)
    return {title.strip(): body.strip() for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}
