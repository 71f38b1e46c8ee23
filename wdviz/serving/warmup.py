"""Compiles the default programs of all pages; `python -m wdviz.serving.warmup` does so for a container image, and exits."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import Any

from wdviz import runs
from wdviz.runs import OnRun
from wdviz.settings import Settings
from wdviz.sweeps import Sweep
from wdviz.ui.contents import PAGES

LATER = {"combinations", "architectures"}  # their many networks take as long to compile as all the others together


def first() -> None:
    """Compile what the first visitors need, and wait for it."""
    runs.warm_up([Settings()])
    runs.sweep(_distinct(PAGES.keys() - LATER), session="warm-up").wait_all()


def later() -> Sweep:
    """Start compiling for the other pages."""
    return runs.sweep(_distinct(LATER), session="warm-up")


def _distinct(pages: Collection[str]) -> list[Any]:
    """One job for each program that the pages need, so that it is compiled."""
    opening = [page.work(Settings()) for name, page in PAGES.items() if name in pages]
    jobs: list[Any] = [job for groups in opening for group in groups for job in group]
    trained = [(job, job.run if isinstance(job, OnRun) else job) for job in jobs]
    return list({(type(job), run.pictures, runs.program_for(run)): job for job, run in trained}.values())


def main() -> None:
    """Compile everything into the cache folder of compiled programs, and say so."""
    started = time.monotonic()
    first()
    later().wait_all()
    where = os.environ.get("WDVIZ_CACHE") or "the user's cache folder"
    print(f"The programs of all pages are compiled in {where}; it took {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
