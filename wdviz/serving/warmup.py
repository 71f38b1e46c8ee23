"""Compiles the default programs of all pages; `python -m wdviz.serving.warmup` does so for a container image, and exits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

from wdviz import runs
from wdviz.experiments import architectures, combinations, sensitivity
from wdviz.plans import Combine, Families, Landscape, Probe, Search
from wdviz.runs import Sweep
from wdviz.settings import Settings
from wdviz.ui.scenes import learning_rate, tuning


def first() -> None:
    """Compile what the first visitors need, and wait for it."""
    chosen = Settings()
    runs.warm_up([chosen])
    groups = (sensitivity.groups(chosen, Probe()), tuning.groups(chosen, Search(), tested=False), learning_rate.groups(chosen, Landscape()))
    runs.sweep(_distinct(groups), session="warm-up").wait_all()


def later() -> Sweep:
    """Start compiling for the last two pages, whose many networks take as long as all the others together."""
    chosen = Settings()
    return runs.sweep(_distinct((combinations.groups(chosen, Combine()), architectures.groups(chosen, Families()))), session="warm-up")


def _distinct(pages: Iterable[Sequence[Sequence[Any]]]) -> list[Any]:
    """One job for each program that the pages need, so that it is compiled."""
    jobs = [job for groups in pages for group in groups for job in group]
    return list({(type(job), getattr(job, "run", job).pictures, runs.program_for(getattr(job, "run", job))): job for job in jobs}.values())


def main() -> None:
    """Compile everything into the cache folder of compiled programs, and say so."""
    started = time.monotonic()
    first()
    later().wait_all()
    where = os.environ.get("WDVIZ_CACHE") or "the user's cache folder"
    print(f"The programs of all pages are compiled in {where}; it took {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
