"""Which decay does cross-validation choose? Folds of the training points for each candidate, repetition by repetition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import datasets, runs
from wdviz.experiments import ridge
from wdviz.experiments.ridge import LeaveOneOut
from wdviz.plans import Search, between
from wdviz.results import History, Spread
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings

MOST_RUNS = 4000  # trainings of one cross-validation; a session may have 5,000 jobs waiting
SAME = 1e-9  # means that differ by less, as a share of the larger, are a tie

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Cross-validation of one repetition so far. D candidates, ascending; F folds of which every candidate is trained."""

    seed: int
    decays: tuple[float, ...]
    losses: Floats  # (F, D) loss on the points held out; not a number where the training diverged
    scores: Floats  # (F, D) accuracy there; not a number for regression, where R2 says the same as the loss
    train: Floats  # (F, D) loss on the points trained on
    train_scores: Floats  # (F, D) accuracy there, likewise
    folds: int  # of one repeat: what the standard error divides by
    whole: bool  # whether all folds are there

    @cached_property
    def mean(self) -> Floats:
        """(D,) mean held-out loss."""
        return self.losses.mean(0)

    @cached_property
    def error(self) -> Floats:
        """(D,) its standard error: deviation between folds / sqrt(folds); not a number for a single fold.

        Further repeats make the deviation more certain, but not the error smaller: they hold out the same points once more.
        """
        return self._error(self.losses)

    @cached_property
    def score(self) -> Floats:
        """(D,) mean held-out accuracy."""
        return self.scores.mean(0)

    @cached_property
    def score_error(self) -> Floats:
        """(D,) its standard error, as `error`."""
        return self._error(self.scores)

    def _error(self, table: Floats) -> Floats:
        if len(table) < 2:
            return np.full(len(self.decays), np.nan)
        return table.std(0, ddof=1) / np.sqrt(self.folds)

    @property
    def best(self) -> int | None:
        """The candidate of the lowest mean loss; None where all diverged."""
        return last_best(-self.mean)

    @property
    def most_accurate(self) -> int | None:
        """The candidate of the highest mean accuracy; None where all diverged, and for regression."""
        return last_best(self.score)

    @cached_property
    def right(self) -> tuple[int, int] | None:
        """First and last candidate of the range about the minimum in which no mean is more than one standard error above it."""
        if self.best is None:
            return None
        margin = np.nan_to_num(self.error[self.best])
        within = self.mean <= self.mean[self.best] + margin
        beyond = np.flatnonzero(~within)
        return int(max(beyond[beyond < self.best], default=-1)) + 1, int(min(beyond[beyond > self.best], default=len(within))) - 1

    @property
    def simplest(self) -> int | None:
        """The one-standard-error choice (Breiman et al. 1984): the last candidate of `right`, the smallest network of about the best."""
        return self.right[1] if self.right else None

    def cost(self, decay: float) -> float:
        """Share by which the mean loss at `decay` exceeds the lowest, read off the line between candidates; not a number off the grid."""
        if self.best is None or self.mean[self.best] <= 0:
            return np.nan
        at = place(self.decays, decay)
        whole = np.arange(len(self.decays))
        return float(np.interp(at, whole, self.mean, np.nan, np.nan) / self.mean[self.best] - 1)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Cross-validation over the repetitions so far: the first one's curve fold by fold, then those of others that are whole."""

    settings: Settings
    plan: Search
    curves: tuple[Curve, ...]
    exact: LeaveOneOut | None  # of the first repetition's linear model, where it has a closed form

    @property
    def decays(self) -> tuple[float, ...]:
        return self.curves[0].decays

    def spread(self, choice: str) -> Spread | None:
        """Over the repetitions, the decay of a choice (`best`, `simplest`, `most_accurate`); None where none could choose.

        The median is a candidate: of an even number of repetitions the lower of the two in the middle.
        """
        chosen = sorted(self.decays[at] for curve in self.curves if (at := getattr(curve, choice)) is not None)
        return Spread(chosen[(len(chosen) - 1) // 2], chosen[0], chosen[-1], len(chosen)) if chosen else None


def candidates(plan: Search) -> tuple[float, ...]:
    """No decay, and the plan's grid. Raises ValueError for a range that is reversed or leaves nothing to choose between."""
    return (0.0, *between(DECAYS[1:], plan.lowest, plan.highest, plan.candidates, name="decay"))


def last_best(values: Floats) -> int | None:
    """The index of the highest value, that of the largest decay among equals; None where no value is a finite number."""
    finite = np.where(np.isfinite(values), values, -np.inf)
    top = finite.max(initial=-np.inf)
    return int(np.flatnonzero(finite >= top - SAME * abs(top))[-1]) if np.isfinite(top) else None


def place(decays: tuple[float, ...], decay: float) -> float:
    """Where a decay lies among ascending candidates that start at 0: 2.5 is halfway, in log decay, from the third to the fourth.

    Between 0 and the next one, which a logarithm cannot tell, it is 0.5; above the last one it is the next whole number.
    """
    if decay in decays:
        return float(decays.index(decay))
    if not decays[1] < decay < decays[-1]:
        return 0.5 if decay < decays[1] else float(len(decays))
    return 1 + float(np.interp(np.log(decay), np.log(decays[1:]), np.arange(len(decays) - 1)))


def plain(settings: Settings) -> Settings:
    """Without the visitor's own decay and its switch: a search goes through decays of its own."""
    return replace(settings, decay=0.0, switch_at=0, decay_after=0.0)


def groups(settings: Settings, plan: Search) -> list[list[Run]]:
    """All runs, one fold of one repetition a group, the first repetition's first.

    Raises:
        ValueError: for a grid without a choice, or more runs than one visitor may ask for.
    """
    decays, folds = candidates(plan), plan.folds * plan.repeats
    count = len(decays) * folds * settings.seeds
    if count > MOST_RUNS:
        raise ValueError(
            f"{len(decays)} decays x {plan.folds} folds x {plan.repeats} repeats x {settings.seeds} seeds are {count:,} trainings; "
            f"{MOST_RUNS:,} at most: take fewer of one of them"
        )
    return [list(fold) for repetition in _runs(plain(settings), plan) for fold in repetition]


@lru_cache(maxsize=32)
def _runs(settings: Settings, plan: Search) -> list[list[list[Run]]]:
    """Repetition, fold (through all repeats), candidate."""

    def fold(repetition: int, which: int) -> list[Run]:
        held = (which % plan.folds, plan.folds, which // plan.folds)
        return [Run.of(replace(settings, decay=d), settings.seed + repetition, fold=held) for d in candidates(plan)]

    return [[fold(i, which) for which in range(plan.folds * plan.repeats)] for i in range(settings.seeds)]


def summarise(settings: Settings, plan: Search, results: Mapping[Any, Any]) -> Tuning | None:
    """The choices so far; None before all candidates are trained on the first fold. Only points held out count: no test data."""
    decays, planned = candidates(plan), _runs(plain(settings), plan)
    curves: list[Curve] = []
    for i, folds in enumerate(planned):
        done = [fold for fold in folds if all(run in results for run in fold)]
        if i == 0 and folds[0] not in done:
            return None
        if i == 0 or len(done) == len(folds):
            curves.append(_curve(settings, settings.seed + i, decays, plan, [[results[run] for run in fold] for fold in done]))
    return Tuning(settings, plan, tuple(curves), ridge.leave_one_out(settings, decays))


def run(settings: Settings, plan: Search = Search()) -> Tuning:
    """Train all and wait: the experiment as a library call."""
    found = summarise(settings, plan, runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all())
    assert found is not None
    return found


def _curve(settings: Settings, seed: int, decays: tuple[float, ...], plan: Search, done: list[list[History]]) -> Curve:
    """`done`: for each finished fold the histories of all candidates."""

    def table(number: Callable[[History], float]) -> Floats:
        return np.array([[np.nan if h.diverged else number(h) for h in row] for row in done], np.float64)

    classes = datasets.REGISTRY[settings.dataset].task == "classification"
    tables = [table(lambda h, split=split: h.loss(split)) for split in ("test", "train")]
    scores = [table(lambda h, split=split: h.score(split) if classes else np.nan) for split in ("test", "train")]
    return Curve(seed, decays, tables[0], scores[0], tables[1], scores[1], plan.folds, len(done) == plan.folds * plan.repeats)
