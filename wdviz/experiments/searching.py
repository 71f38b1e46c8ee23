"""Grid, random search and successive halving at the same budget of training steps, replayed from full runs of many decays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import runs
from wdviz.experiments.tuning import plain
from wdviz.plans import Search, between
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings

BUDGETS = (3, 6, 12, 24)  # full trainings; those below the size of the table, and last the whole table
ETA = 3  # successive halving keeps one in so many, and trains it so many times as long
LOOKS = 3  # of successive halving, the last at the end
SHARES = tuple(1 / ETA + (1 - 1 / ETA) * i / 40 for i in range(41))  # that it may keep at a look

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """Full runs of one repetition, one a decay. D decays, K checkpoints. What is not a finite number counts as infinite."""

    steps: NDArray[np.integer]  # (K,) trained at each checkpoint, the last the whole training
    looks: Floats  # (D, K) validation loss of the weights that would be kept if training ended there
    test: Floats  # (D,) test loss at the end

    @property
    def final(self) -> Floats:
        """(D,) validation loss at the end."""
        return self.looks[:, -1]

    def best(self, among: NDArray[np.intp], look: int = -1, keep: int = 1) -> NDArray[np.intp]:
        """Those `keep` of some decays that have the lowest validation loss at a checkpoint; the first ones among equals."""
        return among[np.argsort(self.looks[among, look], kind="stable")[:keep]]


@dataclass(frozen=True, eq=False)
class Pick:
    """What a search comes to: the chance of each decay of the table (D,) to be picked, and the steps trained."""

    chances: Floats
    steps: int


@dataclass(frozen=True, eq=False)
class Searches:
    """The searches over the repetitions so far. B budgets, S repetitions.

    `above` is the validation loss of what each search picks less that of the table's best, and `test` likewise for the test loss, whose
    best no search can see.
    """

    decays: tuple[float, ...]
    budgets: tuple[int, ...]
    above: dict[str, Floats]  # search -> (B, S)
    test: dict[str, Floats]  # search -> (B, S); empty unless it was asked for
    used: dict[str, tuple[float, ...]]  # search -> (B,) full trainings' worth of steps


def grid(table: Table, budget: int) -> Pick:
    """Train `budget` decays, evenly spaced in the table, to the end."""
    some = _even(len(table.looks), budget)
    return Pick(_surely(table, table.best(some)[0]), len(some) * int(table.steps[-1]))


def random(table: Table, budget: int) -> Pick:
    """Train `budget` different decays, drawn evenly from the table, to the end (Bergstra & Bengio 2012).

    The chances are exact, over all draws: the decay of rank r (0 is the best) is picked where it is drawn and no better one is.
    """
    size = len(table.looks)
    ranked = table.best(np.arange(size), keep=size)
    chances = np.zeros(size)
    chances[ranked] = [math.comb(size - 1 - rank, budget - 1) / math.comb(size, budget) for rank in range(size)]
    return Pick(chances, budget * int(table.steps[-1]))


def halving(table: Table, budget: int) -> Pick:
    """Start many decays, keep the best third at each look, at a ninth and a third of the training (Jamieson & Talwalkar 2016).

    Where the budget lets the whole table start and more, what is left over keeps more than a third.
    """
    size, most = len(table.looks), budget * int(table.steps[-1])
    shares = [share for share in SHARES if _cost(table, _rungs(size, share)) <= most]
    # One that starts alone costs one full training, which any budget buys.
    start = size if shares else max(n for n in range(1, size + 1) if _cost(table, _rungs(n, SHARES[0])) <= most)
    rungs = _rungs(start, max(shares, default=SHARES[0]))
    alive = _even(size, start)
    for look, keep in zip(_looks(table), (*rungs[1:], 1), strict=True):
        alive = table.best(alive, look, keep)
    return Pick(_surely(table, alive[0]), _cost(table, rungs))


def _surely(table: Table, at: int) -> Floats:
    return (np.arange(len(table.looks)) == at).astype(np.float64)


def _even(size: int, count: int) -> NDArray[np.intp]:
    """`count` places of a table, evenly spaced; the middle one if it is one."""
    return np.unique(np.round(np.linspace(0, size - 1, count)).astype(np.intp)) if count > 1 else np.array([size // 2])


def _rungs(start: int, share: float) -> list[int]:
    """How many are trained up to each look, of which `share` is kept each time, one at least."""
    rungs = [start]
    for _ in range(LOOKS - 1):
        rungs.append(max(1, int(rungs[-1] * share + 1e-9)))
    return rungs


def _looks(table: Table) -> list[int]:
    """The checkpoints at which halving looks: those nearest to a ninth and a third of the training, and the last."""
    return [int(np.abs(table.steps - table.steps[-1] / ETA**i).argmin()) for i in reversed(range(LOOKS))]


def _cost(table: Table, rungs: Sequence[int]) -> int:
    """Steps that halving trains: up to each look those still alive go on from the last one."""
    ends = [int(table.steps[look]) for look in _looks(table)]
    return sum(alive * (end - start) for alive, start, end in zip(rungs, [0, *ends], ends, strict=False))


def decays_of(plan: Search) -> tuple[float, ...]:
    """The decays of the table: all the slider's values in the plan's range. Raises ValueError as `plans.between`."""
    between(DECAYS[1:], plan.lowest, plan.highest, 2, name="decay")
    return tuple(d for d in DECAYS[1:] if plan.lowest <= d <= plan.highest)


def budgets_of(decays: Sequence[float]) -> tuple[int, ...]:
    """In full trainings; the last one buys the whole table."""
    return (*(b for b in BUDGETS if b < len(decays)), len(decays))


def groups(settings: Settings, plan: Search) -> list[list[Run]]:
    """The table's runs, one repetition a group. Raises ValueError for a range without a choice."""
    return [list(row) for row in _runs(plain(settings), decays_of(plan))]


@lru_cache(maxsize=32)
def _runs(settings: Settings, decays: tuple[float, ...]) -> list[list[Run]]:
    """Repetition, decay."""
    return [[Run.of(replace(settings, decay=d), settings.seed + i) for d in decays] for i in range(settings.seeds)]


def summarise(settings: Settings, plan: Search, results: Mapping[Any, Any], *, tested: bool = False) -> Searches | None:
    """The searches over the repetitions whose table is whole; None before the first. Test losses are read only where `tested`."""
    decays = decays_of(plan)
    tables: list[Table] = []
    for group in groups(settings, plan):
        if all(job in results for job in group):
            tables.append(_table([results[job] for job in group], "early stopping" in settings.regularisers, tested))
    if not tables:
        return None
    budgets = budgets_of(decays)
    picks = {name: [[search(table, budget) for table in tables] for budget in budgets] for name, search in SEARCHES.items()}

    def above(losses: Callable[[Table], Floats]) -> dict[str, Floats]:
        return {
            n: np.array([[_above(losses(t), p) for t, p in zip(tables, row, strict=True)] for row in rows]) for n, rows in picks.items()
        }

    used = {name: tuple(row[0].steps / int(tables[0].steps[-1]) for row in rows) for name, rows in picks.items()}
    return Searches(decays, budgets, above(lambda t: t.final), above(lambda t: t.test) if tested else {}, used)


def run(settings: Settings, plan: Search = Search(), *, tested: bool = True) -> Searches:
    """Train the tables and wait: the experiment as a library call."""
    results = runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all()
    found = summarise(settings, plan, results, tested=tested)
    assert found is not None
    return found


def _table(histories: Sequence[Any], early: bool, tested: bool) -> Table:
    longest = max(histories, key=lambda h: len(h.steps))
    looks = np.full((len(histories), len(longest.steps)), np.inf)
    for row, history in zip(looks, histories, strict=True):
        losses = np.where(np.isfinite(history.losses["validation"]), history.losses["validation"], np.inf)
        row[: len(losses)] = np.minimum.accumulate(losses) if early else losses
        row[len(losses) :] = row[len(losses) - 1]  # stopped: it stays as it is
    test = np.array([h.loss("test") for h in histories]) if tested else np.full(len(histories), np.nan)
    return Table(longest.steps, looks, np.where(np.isnan(test), np.inf, test) if tested else test)


def _above(losses: Floats, pick: Pick) -> float:
    """Expected loss of a pick less the lowest of the table; not a number where all diverged."""
    possible = pick.chances > 0
    with np.errstate(invalid="ignore"):
        return float(pick.chances[possible] @ losses[possible] - losses.min())


SEARCHES = {"grid": grid, "random": random, "halving": halving}
