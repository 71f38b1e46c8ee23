"""Compiles the default programs of all pages; `python -m wdviz.serving.warmup` does so for a container image, and exits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from wdviz import runs
from wdviz.experiments import architectures, combinations, overfitting, sensitivity
from wdviz.plans import Combine, Families, Landscape, Probe, Search
from wdviz.runs import Job, Sweep
from wdviz.settings import Settings
from wdviz.ui import page
from wdviz.ui.live import Following
from wdviz.ui.scenes import architectures as architectures_scenes
from wdviz.ui.scenes import combinations as combinations_scenes
from wdviz.ui.scenes import learning_rate as learning_rate_scenes
from wdviz.ui.scenes import overfitting as overfitting_scenes
from wdviz.ui.scenes import sensitivity as sensitivity_scenes
from wdviz.ui.scenes import tuning as tuning_scenes
from wdviz.ui.stage import Scene


@dataclass(frozen=True)
class Work:
    """What a page does with the controls of its own as it opens: what it trains, in its order, and the scene that it shows of it."""

    groups: Callable[[Settings], Sequence[Sequence[Job]]]
    scene: Callable[[Settings, Following], Scene]


WORK = {
    "overfitting": Work(
        overfitting.pairs,
        lambda settings, following: page.scene(overfitting_scenes.followed, settings, following, test_points=False),
    ),
    "sensitivity": Work(
        lambda settings: sensitivity.groups(settings, Probe()),
        lambda settings, following: page.scene(sensitivity_scenes.followed, settings, Probe(), following),
    ),
    "tuning": Work(
        lambda settings: tuning_scenes.groups(settings, Search(), tested=False),
        lambda settings, following: page.scene(tuning_scenes.scene, settings, Search(), following, tested=False),
    ),
    "learning-rate": Work(
        lambda settings: learning_rate_scenes.groups(settings, Landscape()),
        lambda settings, following: page.scene(learning_rate_scenes.scene, settings, Landscape(), following),
    ),
    "combinations": Work(
        lambda settings: combinations.groups(settings, Combine()),
        lambda settings, following: page.scene(combinations_scenes.scene, settings, Combine(), following),
    ),
    "architectures": Work(
        lambda settings: architectures.groups(settings, Families()),
        lambda settings, following: page.scene(architectures_scenes.scene, settings, Families(), following),
    ),
}
LATER = {"combinations", "architectures"}  # their many networks take as long to compile as all the others together


def first() -> None:
    """Compile what the first visitors need, and wait for it."""
    runs.warm_up([Settings()])
    runs.sweep(_distinct(WORK.keys() - LATER), session="warm-up").wait_all()


def later() -> Sweep:
    """Start compiling for the other pages."""
    return runs.sweep(_distinct(LATER), session="warm-up")


def _distinct(pages: Collection[str]) -> list[Any]:
    """One job for each program that the pages need, so that it is compiled."""
    jobs: list[Any] = [job for name, work in WORK.items() if name in pages for group in work.groups(Settings()) for job in group]
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
