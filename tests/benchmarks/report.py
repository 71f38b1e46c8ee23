"""The printed table: one line a figure, its goal beside it."""

from __future__ import annotations


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


def note(text: str) -> None:
    print(f"  {text}", flush=True)


def figure(name: str, value: str, goal: str = "", *, met: bool | None = None) -> None:
    """One figure. `met` adds whether its goal is met."""
    verdict = "" if met is None else "goal met" if met else "goal missed"
    print(f"  {name:<50} {value:<34} {goal:<24} {verdict}".rstrip(), flush=True)
