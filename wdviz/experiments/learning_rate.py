"""Does decay fight with the learning rate? Maps of learning rate against decay under two conventions, and the run that is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from wdviz import datasets, runs
from wdviz.experiments.overfitting import verdict
from wdviz.plans import Landscape, between
from wdviz.results import SPLITS, Arm, History, Spread
from wdviz.runs import Run
from wdviz.settings import DECAYS, LEARNING_RATES, Settings

GROUP = 24  # jobs that are shown together
STRIDES = (4, 2, 1)  # each pass over the maps trains every so many-th row and column
CHOOSES = "validation"  # what chooses the best cells; test data choose nothing
GAIN = 0.05  # share by which decay must lower the loss for a learning rate to count in the trend
FOLLOWS = 0.6  # power of the learning rate from which the best decay counts as moving with it
STAYS = 0.25  # and up to which it counts as staying

Place = tuple[int, int]  # row and column of a map, from the lowest decay and learning rate


@dataclass(frozen=True)
class Cell:
    """One learning rate and decay, over the seeds finished so far."""

    learning_rate: float
    decay: float
    losses: Mapping[str, Spread]  # split -> over seeds
    regime: str  # "diverged", "learns nothing", "memorises" or "generalises", by validation data

    @property
    def chooses(self) -> float:
        """What the best cell has least of: the median validation loss, infinite where a seed diverged."""
        loss = self.losses[CHOOSES].median
        return math.inf if self.regime == "diverged" or math.isnan(loss) else loss


class Trend(NamedTuple):
    """How the best decay of each learning rate changes with it."""

    rates: tuple[float, ...]
    decays: tuple[float, ...]  # the best one of each, above 0
    power: float  # best decay ~ learning rate ** power, by least squares of the logarithms

    @property
    def kind(self) -> str:
        """`stays`, `follows` (up or down with the learning rate) or `drifts`."""
        return "stays" if abs(self.power) <= STAYS else "follows" if abs(self.power) >= FOLLOWS else "drifts"

    @property
    def middle(self) -> float:
        """The median of the best decays (one of them)."""
        return sorted(self.decays)[(len(self.decays) - 1) // 2]

    @property
    def product(self) -> float:
        """The median of learning rate x best decay."""
        return float(np.median(np.multiply(self.rates, self.decays)))


@dataclass(frozen=True, eq=False)
class Map:
    """All learning rates and decays under one convention. `cells` has those trained so far."""

    kind: str  # a value of `Settings.decay_kind`
    rates: tuple[float, ...]
    decays: tuple[float, ...]  # ascending from 0
    cells: Mapping[Place, Cell]

    @property
    def filled(self) -> Mapping[Place, Place]:
        """For each place the nearest one that is trained: itself, once it is."""
        return self._filled

    @cached_property  # a figure asks for each cell
    def _filled(self) -> Mapping[Place, Place]:
        trained, places = np.array(sorted(self.cells)), np.argwhere(np.ones((len(self.decays), len(self.rates))))
        nearest = trained[np.argmin(np.sum((places[:, None] - trained) ** 2, 2), 1)]
        return {(i, j): (a, b) for (i, j), (a, b) in zip(places.tolist(), nearest.tolist(), strict=True)}

    @property
    def whole(self) -> bool:
        """Whether each cell is trained with one seed at least."""
        return len(self.cells) == len(self.rates) * len(self.decays)

    @property
    def ridge(self) -> tuple[Place, ...]:
        """The best decay of each learning rate of which all cells are trained; one where all diverged is left out."""
        columns = [[(i, j) for i in range(len(self.decays))] for j in range(len(self.rates))]
        best = [min(column, key=lambda at: self.cells[at].chooses) for column in columns if all(at in self.cells for at in column)]
        return tuple(at for at in best if math.isfinite(self.cells[at].chooses))

    @property
    def best(self) -> Place | None:
        """The best cell of all trained; None where all diverged."""
        at = min(self.cells, key=lambda at: self.cells[at].chooses)
        return at if math.isfinite(self.cells[at].chooses) else None

    @cached_property
    def trend(self) -> Trend | None:
        """Over the learning rates at which decay matters: None before there are three."""
        found = [self.cells[at] for at in self.ridge if self._matters(at)]
        if len(found) < 3:
            return None
        rates, decays = tuple(c.learning_rate for c in found), tuple(c.decay for c in found)
        power = float(np.polyfit(np.log(rates), np.log(decays), 1)[0])
        return Trend(rates, decays, power)

    def _matters(self, best: Place) -> bool:
        """Whether a best cell learns something, and by a loss clearly below that without decay: else which one is best is chance."""
        cell, without = self.cells[best], self.cells[0, best[1]]
        return cell.regime != "learns nothing" and cell.chooses < (1 - GAIN) * without.chooses


@dataclass(frozen=True, eq=False)
class Maps:
    """Both maps, and the chosen setting without and with decay over the seeds finished so far."""

    settings: Settings
    plan: Landscape
    split: datasets.Split  # the first seed's
    maps: tuple[Map, Map]
    without: Arm
    with_decay: Arm

    @property
    def arms(self) -> tuple[Arm, Arm]:
        return self.without, self.with_decay

    @property
    def chosen(self) -> Map | None:
        """The map of the chosen kind of decay; None where neither is."""
        return next((m for m in self.maps if m.kind == self.settings.decay_kind), None)


def axes(plan: Landscape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Learning rates and decays of the maps, ascending; the first decay is 0.

    Raises:
        ValueError: for a range that is reversed or holds one value.
    """
    rates = between(LEARNING_RATES, plan.rate_from, plan.rate_to, plan.side, name="learning rate")
    return rates, (0.0, *between(DECAYS[1:], plan.decay_from, plan.decay_to, plan.side - 1, name="decay"))


@lru_cache(maxsize=4096)
def cell_run(settings: Settings, decay: float, seed: int) -> Run:
    """A run of the maps: with one decay throughout. Without decay all conventions are one, so such runs are shared."""
    kind = settings.decay_kind if decay else "decoupled"
    return Run.of(replace(settings, decay=decay, decay_kind=kind, switch_at=0, decay_after=0.0), seed)


def pairs(settings: Settings, plan: Landscape) -> list[tuple[Run, Run]]:
    """The chosen setting without and with decay, one pair of runs a seed of the maps; a cell's runs where it is one."""
    return [(cell_run(settings, 0.0, seed), cell_run(settings, settings.decay, seed)) for seed in _seeds(settings, plan)]


def groups(settings: Settings, plan: Landscape) -> list[list[Run]]:
    """The chosen setting's first pair and every fourth row and column of both maps; then their finer cells; then more seeds.

    Raises:
        ValueError: as `axes`.
    """
    passes = _passes(_of_maps(settings), plan)
    first, *others = pairs(settings, plan)
    later = [run for pair in others for run in pair]
    rest = [*later, *(run for group in passes[1:] for run in group)]
    return [list(dict.fromkeys([*first, *passes[0]])), *(rest[i : i + GROUP] for i in range(0, len(rest), GROUP))]


def summarise(settings: Settings, plan: Landscape, results: Mapping[Any, Any]) -> Maps | None:
    """Both maps as far as they are trained; None before the first group is whole."""
    base = _of_maps(settings)
    pair, *_ = chosen = pairs(settings, plan)
    if not all(run in results for run in (*pair, *_passes(base, plan)[0])):
        return None
    split = datasets.split_for(settings, settings.seed)
    done = [both for both in chosen if all(run in results for run in both)]
    without, with_decay = (tuple(results[both[i]] for both in done) for i in (0, 1))
    both = [_map(kind, plan, split, jobs, results) for kind, jobs in _jobs(base, plan).items()]
    arms = Arm("without", 0.0, without), Arm("with", settings.decay, with_decay)
    return Maps(settings, plan, split, (both[0], both[1]), *arms)


def run(settings: Settings, plan: Landscape) -> Maps:
    """Train everything and wait: the experiment as a library call."""
    found = summarise(settings, plan, runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all())
    assert found is not None
    return found


def _map(kind: str, plan: Landscape, split: datasets.Split, jobs: Mapping[Place, Sequence[Run]], results: Mapping[Any, Any]) -> Map:
    trained = ((at, planned[0].settings, tuple(results[run] for run in planned if run in results)) for at, planned in jobs.items())
    return _mapped(kind, plan, split, tuple((at, s.learning_rate, s.decay, histories) for at, s, histories in trained if histories))


@lru_cache(maxsize=16)  # the map that one does not work on, and that others look at as well, stays the very same object
def _mapped(kind: str, plan: Landscape, split: datasets.Split, trained: tuple[tuple[Place, float, float, tuple[History, ...]], ...]) -> Map:
    return Map(kind, *axes(plan), {at: _cell(split, *of_cell) for at, *of_cell in trained})


@lru_cache(maxsize=1024)
def _cell(split: datasets.Split, rate: float, decay: float, histories: tuple[History, ...]) -> Cell:
    losses = {name: Spread.of(h.loss(name) for h in histories) for name in SPLITS}
    return Cell(rate, decay, losses, verdict(Arm("with", decay, histories), split, on=CHOOSES).name)


def _of_maps(settings: Settings) -> Settings:
    """The settings without what the maps vary, so that they stay as they are while it moves."""
    return replace(settings, learning_rate=LEARNING_RATES[0], decay=0.0, decay_kind="decoupled", switch_at=0, decay_after=0.0, seeds=1)


def _seeds(settings: Settings, plan: Landscape) -> range:
    return range(settings.seed, settings.seed + plan.map_seeds)


@lru_cache(maxsize=8)
def _jobs(base: Settings, plan: Landscape) -> dict[str, dict[Place, tuple[Run, ...]]]:
    """For each kind of decay and place the runs, one a seed."""
    rates, decays = axes(plan)
    found: dict[str, dict[Place, tuple[Run, ...]]] = {}
    for kind in ("decoupled", plan.against):
        rows = [(i, j, replace(base, learning_rate=rate, decay_kind=kind)) for i in range(len(decays)) for j, rate in enumerate(rates)]
        found[kind] = {(i, j): tuple(cell_run(at, decays[i], seed) for seed in _seeds(base, plan)) for i, j, at in rows}
    return found


@lru_cache(maxsize=8)
def _passes(base: Settings, plan: Landscape) -> list[list[Run]]:
    """The runs of both maps in the order in which they should be trained: with the first seed coarse to fine, then the other seeds."""
    jobs, (rates, decays) = _jobs(base, plan), axes(plan)
    order: dict[Place, None] = {}
    coarse = 0
    for stride in STRIDES:
        order |= dict.fromkeys((i, j) for i in _every(stride, len(decays)) for j in _every(stride, len(rates)))
        coarse = coarse or len(order)

    def both(places: Iterable[Place], repetition: int) -> list[Run]:
        return list(dict.fromkeys(of_kind[at][repetition] for at in places for of_kind in jobs.values()))

    return [both(list(order)[:coarse], 0), both(list(order)[coarse:], 0), *(both(order, i) for i in range(1, plan.map_seeds))]


def _every(stride: int, count: int) -> range:
    """Every so many-th place: 1, 5, 9 before 1, 3, 5, so that each stands for those beside it."""
    return range(min(1, stride - 1), count, stride)
