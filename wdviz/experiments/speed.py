"""What decay does to the speed of learning: steps to reach a loss, the size of weights before batch norm, schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from wdviz import optimisers, runs
from wdviz.experiments import learning_rate
from wdviz.plans import Landscape
from wdviz.results import Arm, History, Spread
from wdviz.runs import Run
from wdviz.settings import CHECKPOINTS, Settings, decay_rate
from wdviz.training import checkpoints

SETTLES = 6.0  # times 1 / (learning rate x decay) steps until a weight's size has settled
LARGEST = 0.5  # learning rate x decay up to which the equilibrium's formula is a good approximation

# A network that decay makes faster: its first layer's rate is too low for it, and smaller weights before batch norm raise it.
EXAMPLE = Settings(
    dataset="digits", n_train=200, flip=0.3, noise=0.0, depth=1, width=32, regularisers=("batch norm",), decay_on="first layer",
    learning_rate=0.004, batch_size=64, steps=600,
)  # fmt: skip

SCHEDULES = ("constant", "cosine", "warm-up")


def steps_to_reach(history: History, split: str, level: float) -> float:
    """Training steps until a loss is first as low as `level`, infinite if never.

    Between two checkpoints the loss is taken to change by a constant factor a step.
    """
    losses = history.losses[split].astype(np.float64)
    low = np.flatnonzero(losses <= level)
    if not low.size:
        return math.inf
    k = int(low[0])
    if k == 0:
        return 0.0
    before, after = losses[k - 1], max(losses[k], np.finfo(np.float32).tiny)
    share = math.log(before / level) / math.log(before / after) if math.isfinite(before) else 1.0
    return float(history.steps[k - 1] + share * (history.steps[k] - history.steps[k - 1]))


@dataclass(frozen=True, eq=False)
class Series:
    """One network trained with each decay: of decay `decays[i]` the histories `histories[i]`, of the seeds finished so far."""

    settings: Settings
    decays: tuple[float, ...]
    histories: tuple[tuple[History, ...], ...]

    def reach(self, split: str, level: float) -> tuple[Spread | None, ...]:
        """For each decay the steps to a loss, over the seeds; a seed that never reaches it counts as infinite. None: not trained."""
        return tuple(Spread.of(steps_to_reach(h, split, level) for h in of) if of else None for of in self.histories)

    @property
    def finished(self) -> int:
        return sum(map(len, self.histories))


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The network with batch norm, trained by plain SGD at a constant rate, without and with decay of its first layer."""

    settings: Settings
    without: Arm
    with_decay: Arm
    unmet: tuple[str, ...]  # why the prediction does not hold for it; empty where it does

    @property
    def arms(self) -> tuple[Arm, Arm]:
        return self.without, self.with_decay

    @property
    def product(self) -> float:
        """Learning rate x decay: the share of a weight that a step takes off."""
        return decay_rate(self.settings, self.settings.decay)

    @property
    def angle(self) -> float:
        """Predicted angle of a step in radians, sqrt(2 learning rate x decay) (van Laarhoven 2017; Kosson et al. 2023)."""
        return math.sqrt(2 * self.product)

    def measured_angle(self, arm: Arm) -> Spread:
        """Root mean square of the angle of a step over the second half of training, in radians."""
        return arm.spread(lambda h: float(np.sqrt(np.mean(h.angles[_late(h), 0].astype(np.float64) ** 2))))

    @property
    def norm(self) -> float:
        """Predicted norm: its fourth power is learning rate x E||g~||^2 / (2 decay), with g~ = ||w|| g as the runs had it.

        For steps at right angles to w the step's angle is learning rate x ||g~|| / ||w||^2, which gives ||g~||.
        """
        rate = self.settings.learning_rate
        squares = [
            np.mean((h.angles[_late(h), 0] * h.norms[_late(h), 0].astype(np.float64) ** 2 / rate) ** 2) for h in self.with_decay.histories
        ]
        return float((rate**2 * np.median(squares) / (2 * self.product)) ** 0.25)


@dataclass(frozen=True, eq=False)
class Schedule:
    """The chosen setting under one schedule."""

    name: str
    steps: NDArray[np.int32]  # (K,)
    rates: NDArray[np.float32]  # (K,) learning rate at each of them
    arm: Arm


@dataclass(frozen=True, eq=False)
class Speed:
    """All of it, as far as it is trained."""

    settings: Settings
    plan: Landscape
    yours: Series
    example: Series
    equilibrium: Equilibrium
    schedules: tuple[Schedule, ...]


def normalised(settings: Settings) -> Settings:
    """The setting with batch norm before each hidden layer's activation, plain SGD at a constant rate, and decay of the first layer."""
    kind = "independent" if settings.decay_kind == "independent" else "decoupled"  # for plain SGD coupled decay is the same
    return replace(
        settings, model="feedforward", regularisers=("batch norm",), optimiser="sgd", schedule="constant", decay_on="first layer",
        decay_kind=kind, switch_at=0, decay_after=0.0,
    )  # fmt: skip


def unmet(settings: Settings) -> tuple[str, ...]:
    """Which assumptions of the predicted equilibrium a network does not meet, in words."""
    rate, found = decay_rate(settings, settings.decay), []
    if "batch norm" not in settings.regularisers or settings.model == "linear":
        found.append("without batch norm the size of a layer's weights matters to its answer, so gradients also change that size")
    if settings.optimiser == "adam":
        found.append("Adam's steps do not grow with the gradient")
    if settings.optimiser == "momentum":
        found.append(f"with momentum {settings.momentum:g} a step's angle is smaller: sqrt(2 learning rate x decay / (1 + momentum))")
    if settings.schedule != "constant":
        found.append("the learning rate changes during training")
    if rate == 0:
        found.append("without decay nothing balances the steps, and the weights only grow")
    elif rate > LARGEST:
        found.append(f"learning rate x decay is {rate:g}, more than {LARGEST:g}")
    elif settings.steps * rate < SETTLES:
        found.append(f"{settings.steps} steps are too few: about {SETTLES / rate:,.0f} are needed")
    return tuple(found)


def groups(settings: Settings, plan: Landscape) -> list[list[Run]]:
    """Equilibrium and schedules, first seed and then the others; then steps to reach a loss, decay by decay.

    Raises:
        ValueError: as `learning_rate.axes`.
    """
    seeds, decays = range(plan.map_seeds), learning_rate.axes(plan)[1]
    first, *others = [_distinct((*_pair(settings, i), *_by_schedule(settings, i))) for i in seeds]
    series = [[_series_run(of, decay, i) for decay in decays] for i in seeds for of in (settings, _example(settings))]
    return [first, *([[job for group in others for job in group]] if others else []), *map(_distinct, series)]


def summarise(settings: Settings, plan: Landscape, results: Mapping[Any, Any]) -> Speed | None:
    """What is trained so far; None before the first group is whole."""
    if not all(job in results for job in groups(settings, plan)[0]):
        return None
    seeds = range(plan.map_seeds)
    pairs, rows = ([at(settings, i) for i in seeds if all(job in results for job in at(settings, i))] for at in (_pair, _by_schedule))
    lab = normalised(settings)
    without, with_decay = (tuple(results[pair[k]] for pair in pairs) for k in (0, 1))
    balance = Equilibrium(lab, Arm("without", 0.0, without), Arm("with", settings.decay, with_decay), unmet(lab))
    at = np.unique(checkpoints(settings.steps, CHECKPOINTS))
    schedules = [
        Schedule(name, at, _rates(name, settings, at), Arm("with", settings.decay, tuple(results[row[k]] for row in rows)))
        for k, name in enumerate(SCHEDULES)
    ]
    yours, example = (_series(of, plan, results) for of in (settings, _example(settings)))
    return Speed(settings, plan, yours, example, balance, tuple(schedules))


def run(settings: Settings, plan: Landscape) -> Speed:
    """Train everything and wait: the experiment as a library call."""
    found = summarise(settings, plan, runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all())
    assert found is not None
    return found


def _example(settings: Settings) -> Settings:
    return replace(EXAMPLE, seed=settings.seed)


def _series_run(of: Settings, decay: float, repetition: int) -> Run:
    return learning_rate.cell_run(of, decay, of.seed + repetition)


def _series(of: Settings, plan: Landscape, results: Mapping[Any, Any]) -> Series:
    decays = learning_rate.axes(plan)[1]
    wanted = [[_series_run(of, decay, i) for i in range(plan.map_seeds)] for decay in decays]
    return Series(of, decays, tuple(tuple(results[job] for job in row if job in results) for row in wanted))


def _pair(settings: Settings, repetition: int) -> tuple[Run, Run]:
    """The network of the equilibrium without and with decay."""
    lab, seed = normalised(settings), settings.seed + repetition
    return Run.of(replace(lab, decay=0.0), seed), Run.of(lab, seed)


def _by_schedule(settings: Settings, repetition: int) -> tuple[Run, ...]:
    at = [replace(settings, schedule=name) for name in SCHEDULES]
    return tuple(learning_rate.cell_run(of, of.decay, of.seed + repetition) for of in at)


def _rates(name: str, settings: Settings, at: NDArray[np.int32]) -> NDArray[np.float32]:
    """(K,) learning rate in the step after each of the checkpoints."""
    padded = jnp.asarray(np.resize(at, CHECKPOINTS))  # of one shape, so that it is compiled once
    rates = optimisers.learning_rate(name, jnp.float32(settings.learning_rate), padded, jnp.int32(settings.steps))
    return np.broadcast_to(np.asarray(rates, np.float32), CHECKPOINTS)[: len(at)]


def _late(history: History) -> NDArray[np.bool_]:
    return history.steps >= history.steps[-1] / 2


def _distinct(jobs: Iterable[Run]) -> list[Run]:
    return list(dict.fromkeys(jobs))
