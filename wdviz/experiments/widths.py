"""How sensitive is the choice? The width of the range of decays that cost little, against data size and label noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wdviz import datasets, runs
from wdviz.experiments.tuning import plain
from wdviz.plans import Search, between
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings

WITHIN = 0.05  # share of the lowest validation loss that counts as little
SIZES = (20, 40, 80, 160, 320)
NOISES = (0.0, 0.1, 0.2, 0.3, 0.4)
CANDIDATES = 9
SEEDS = 3

Against = Literal["n_train", "flip", "noise"]


@dataclass(frozen=True)
class Range:
    """Decays whose validation loss is within 5 % of the lowest, `low` to `high`; open where it runs into an end of the grid."""

    low: float
    high: float
    open_low: bool
    open_high: bool
    best: float  # the candidate of the lowest loss

    @property
    def decades(self) -> float:
        """Factors of ten from low to high; at least so many where it is open."""
        return math.log10(self.high / self.low)


@dataclass(frozen=True, eq=False)
class Widths:
    """The ranges for each value of a setting that is finished so far."""

    against: Against
    values: tuple[float, ...]
    ranges: tuple[Range | None, ...]  # None where all diverged
    decays: tuple[float, ...]
    seeds: int


def within(decays: Sequence[float], losses: NDArray[np.floating[Any]], share: float = WITHIN) -> Range | None:
    """The range about the lowest of some losses, over ascending decays above 0; None where no loss is a finite number.

    Its ends lie where the line between two candidates, straight over the logarithm of decay, passes the lowest loss x (1 + share).
    """
    finite = np.where(np.isfinite(losses), losses, np.inf).astype(np.float64)
    best = int(finite.argmin())
    if not np.isfinite(finite[best]):
        return None
    limit, at = finite[best] * (1 + share), np.log10(decays)

    def end(direction: int) -> tuple[float, bool]:
        i = best
        while 0 <= i + direction < len(at) and finite[i + direction] <= limit:
            i += direction
        if not 0 <= i + direction < len(at):
            return float(decays[i]), True
        inside, outside = finite[i], finite[i + direction]
        part = (limit - inside) / (outside - inside)  # 0 where the neighbour diverged
        return float(10 ** (at[i] + part * (at[i + direction] - at[i]))), False

    (low, open_low), (high, open_high) = end(-1), end(1)
    return Range(low, high, open_low, open_high, float(decays[best]))


def axes(settings: Settings) -> dict[Against, tuple[float, ...]]:
    """What the width is measured against, and at which values: data size, and label noise where the data set has any."""
    most = datasets.max_train(settings.dataset)
    found: dict[Against, tuple[float, ...]] = {"n_train": tuple(n for n in SIZES if n <= most)}
    if datasets.REGISTRY[settings.dataset].task == "classification":
        found["flip"] = NOISES
    elif settings.dataset == "sine":
        found["noise"] = NOISES  # there it is the noise of the values themselves
    return found


def decays_of(plan: Search) -> tuple[float, ...]:
    """The decays tried. Raises ValueError as `plans.between`."""
    return between(DECAYS[1:], plan.lowest, plan.highest, CANDIDATES, name="decay")


def groups(settings: Settings, plan: Search) -> list[list[Run]]:
    """All runs, one value of one axis a group. Edited points are left out: they are of one size and noise."""
    return [list(_jobs(plain(settings), plan, against, value)) for against, values in axes(settings).items() for value in values]


def summarise(settings: Settings, plan: Search, results: Mapping[Any, Any], against: Against) -> Widths | None:
    """The widths against one setting; None before its first value is finished, or where the data set has no such axis."""
    done: dict[float, Range | None] = {}
    decays = decays_of(plan)
    for value in axes(settings).get(against, ()):
        jobs = _jobs(plain(settings), plan, against, value)
        if all(job in results for job in jobs):
            losses = np.array([_loss(results[job]) for job in jobs]).reshape(-1, len(decays))
            done[value] = within(decays, np.median(losses, axis=0))
    if not done:
        return None
    return Widths(against, tuple(done), tuple(done.values()), decays, SEEDS)


def run(settings: Settings, plan: Search = Search(), against: Against = "n_train") -> Widths:
    """Train along one axis and wait: the experiment as a library call. Raises ValueError where the data set has no such axis."""
    if against not in axes(settings):
        raise ValueError(f"against is {against!r}; for {settings.dataset} it must be one of {', '.join(axes(settings))}")
    jobs = [job for value in axes(settings)[against] for job in _jobs(plain(settings), plan, against, value)]
    found = summarise(settings, plan, runs.sweep(jobs).wait_all(), against)
    assert found is not None
    return found


@lru_cache(maxsize=256)
def _jobs(settings: Settings, plan: Search, against: Against, value: float) -> list[Run]:
    changed = {against: int(value) if against == "n_train" else value}
    at = replace(settings, edits="", **changed)
    return [Run.of(replace(at, decay=decay), settings.seed + i) for i in range(SEEDS) for decay in decays_of(plan)]


def _loss(history: Any) -> float:
    return math.inf if history.diverged else history.loss("validation")
