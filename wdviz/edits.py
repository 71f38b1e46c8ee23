"""Edits of a data set's training points as one short text, as it stands in settings and addresses: `r3~r17~a1.25_-0.4_1`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MOST = 500  # items of each kind; drawn points are numbered from 0 to MOST - 1
REACH = 20.0  # coordinates of an added point lie between -REACH and REACH
LONGEST = 40_000  # characters of a text that are looked at

_REMOVED = re.compile(r"r([0-9]{1,3})")
_NUMBER = r"(-?[0-9]{1,9}(?:\.[0-9]{0,20})?)"
_ADDED = re.compile(rf"a{_NUMBER}_{_NUMBER}_([0-9])")


@dataclass(frozen=True)
class Edits:
    """Training points taken away, by the index at which they were drawn, and points put in, as (x, y, label)."""

    removed: tuple[int, ...] = ()
    added: tuple[tuple[float, float, int], ...] = ()


@lru_cache(maxsize=64)
def parse(text: str) -> Edits:
    """The edits that a text names: items joined by `~`, `r<index>` or `a<x>_<y>_<label>`, in any order; "" is none.

    Numbers are rounded to 0.01, removed points are sorted and named once, added ones stay in the order given.

    Raises:
        ValueError: for anything else; the message names the item and what is allowed.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the edits have {len(text)} characters; they may have at most {LONGEST}")
    removed: set[int] = set()
    added: list[tuple[float, float, int]] = []
    for item in text.split("~") if text else ():
        if (found := _REMOVED.fullmatch(item)) and int(found[1]) < MOST:
            removed.add(int(found[1]))
        elif (found := _ADDED.fullmatch(item)) and max(abs(at := _rounded(found[1])), abs(up := _rounded(found[2]))) <= REACH:
            added.append((at, up, int(found[3])))
        else:
            raise ValueError(
                f"{item[:60]!r} is no edit; it must be r<index> with an index from 0 to {MOST - 1}, "
                f"or a<x>_<y>_<label> with x and y from {-REACH:g} to {REACH:g} and a label from 0 to 9"
            )
    if len(added) > MOST:
        raise ValueError(f"the edits add {len(added)} points; they may add at most {MOST}")
    return Edits(tuple(sorted(removed)), tuple(added))


def write(edits: Edits) -> str:
    """The one text of these edits that settings take: removed points in ascending order, then the added ones."""
    removed = [f"r{index}" for index in sorted(set(edits.removed))]
    return "~".join([*removed, *(f"a{_rounded(x):g}_{_rounded(y):g}_{label}" for x, y, label in edits.added)])


def _rounded(number: float | str) -> float:
    return round(float(number), 2) + 0.0  # never -0
