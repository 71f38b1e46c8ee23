"""What a field of a table of settings allows: numbers, one of a few options, several of them, edits of points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from wdviz import edits


@dataclass(frozen=True)
class Number:
    """A numeric control: its amount is data to the compiled kernel, so moving it compiles nothing.

    `grid` lists the values offered on a logarithmic scale (0 included where it has a meaning of its own);
    without it the control is linear from `low` to `high` in steps of `step`.
    """

    label: str
    help: str
    group: str
    low: float
    high: float
    step: float = 0.0
    grid: tuple[float, ...] = ()
    needs: str = ""  # the regulariser that must be switched on, or the model that must be picked, for this to matter

    @property
    def values(self) -> tuple[Any, ...]:
        """Every value that the control stops at."""
        if self.grid:
            return self.grid
        count = round((self.high - self.low) / self.step) + 1
        return tuple(type(self.step)(round(self.low + i * self.step, 6)) for i in range(count))

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for what is no number, not finite, out of range, or a fraction where whole numbers are asked for."""
        whole = isinstance(self.step, int) and not self.grid
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -math.inf < value < math.inf:
            raise ValueError(f"{name} is {value!r}; it must be a finite number from {self.low:g} to {self.high:g}")
        if whole and not isinstance(value, int):
            raise ValueError(f"{name} is {value!r}; it must be a whole number from {self.low:g} to {self.high:g}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{name} is {value!r}; it must be from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Choice:
    """A control that picks one of a few options; it decides shapes or branches, so a new pick may compile once."""

    label: str
    help: str
    group: str
    options: tuple[Any, ...]
    needs: str = ""

    def check(self, name: str, value: Any) -> None:
        # 2.0 == 2, but a float is no number of layers.
        if value not in self.options or type(value) not in map(type, self.options):
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(str, self.options))}")


@dataclass(frozen=True)
class Several(Choice):
    """A control that picks any number of a few options (a sorted tuple of names)."""

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, tuple) or any(v not in self.options for v in value) or list(value) != sorted(set(value)):
            raise ValueError(f"{name} is {value!r}; it must be a sorted tuple of different names from {', '.join(self.options)}")


@dataclass(frozen=True)
class Text:
    """Edits of the training points, as `wdviz.edits` writes them: one text for the same edits, so that equal settings compare equal."""

    label: str
    help: str
    group: str
    needs: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for what is no text of edits, or not the canonical one."""
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}; it must be a text of edits such as 'r3~a1.25_-0.4_1'")
        try:
            canonical = edits.write(edits.parse(value))
        except ValueError as error:
            raise ValueError(f"{name} is not allowed: {error}") from None
        if value != canonical:
            raise ValueError(f"{name} is {value!r}; it must be written {canonical!r}")


def of(spec: Number | Choice | Text, default: Any) -> Any:
    """A field of a table of controls: what it allows and what it starts at."""
    return field(default=default, metadata={"spec": spec})


def specs(table: type[Checked]) -> dict[str, Number | Choice | Text]:
    """The spec of each field of a table of controls."""
    return {f.name: f.metadata["spec"] for f in fields(table)}


@dataclass(frozen=True)
class Checked:
    """A table of controls; a value that is not allowed raises ValueError with the value and what is allowed."""

    def __post_init__(self) -> None:
        for name, spec in specs(type(self)).items():
            spec.check(name, getattr(self, name))
