"""Settings written as in an address, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from wdviz.settings import SPECS, Number, Several

LONGEST = 200  # characters of one value that are looked at


def value(name: str, texts: Sequence[str]) -> Any:
    """The value of one setting from what the address gives it: one text, or for a choice of several any number.

    Raises:
        ValueError: for a name or value that the settings do not allow; the message says what is allowed.
    """
    if name not in SPECS:
        raise ValueError(f"{name!r} is not a setting; the settings are {', '.join(SPECS)}")
    spec, text = SPECS[name], texts[-1][:LONGEST]
    if isinstance(spec, Several):
        found: Any = tuple(sorted({part for text in texts for part in text[:LONGEST].split(",") if part}))
    elif isinstance(spec, Number):
        found = _number(name, text, whole=isinstance(spec.step, int) and not spec.grid)
    else:
        found = next((option for option in spec.options if str(option) == text), text)
    spec.check(name, found)
    return found


def parse(query: str) -> dict[str, Any]:
    """All settings of a query, `decay=30&dataset=moons`. Raises ValueError as `value` does."""
    return {name: value(name, texts) for name, texts in parse_qs(query, keep_blank_values=True).items()}


def _number(name: str, text: str, *, whole: bool) -> float | int:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; it must be a {'whole ' if whole else ''}number") from None
