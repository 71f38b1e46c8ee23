"""Does every network need the same decay? Four families of equal size over a ladder of decays, and one of them part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import inspecting, networks, runs
from wdviz.experiments import parts
from wdviz.experiments.matching import STOPS, brief, compared, missing, of_family, opened, stands_in
from wdviz.experiments.parts import Parts, part_runs, table
from wdviz.internals import Internals
from wdviz.plans import FAMILIES, Families
from wdviz.results import Spread
from wdviz.runs import OnRun, Run
from wdviz.settings import Settings
from wdviz.sweeps import Job

# Decays from none to too much, for each kind of decay at usual learning rates.
LADDERS = {
    "decoupled": (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    "coupled": (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "independent": (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
}
FRAMES = 20  # of a run that is looked into
CHOOSES = "validation"  # what chooses the best decay; test data choose nothing
DRAWS = 4000  # of the permutation test
CHANCE = 0.05  # how often chance alone may make two families' best decays differ so much

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Look(OnRun):
    """One training run, recorded and opened."""

    def execute(self) -> Internals:
        # Of the recorded answers over a plane nothing is shown; they would take most of the memory.
        history = replace(self.run.execute(), film_grid=None, grid=np.zeros((0, 0), np.float32))
        return inspecting.inspect(runs.program_for(self.run), history, self.run.split.x_test)


@dataclass(frozen=True, eq=False)
class Ladder:
    """One family over all decays. S seeds of which all are trained, D decays, ascending from 0."""

    family: str
    parameters: int
    decays: tuple[float, ...]
    losses: Mapping[str, Floats]  # split -> (S, D); not a number where the training diverged
    scores: Mapping[str, Floats]  # split -> (S, D) accuracy or R2, likewise

    @property
    def seeds(self) -> int:
        return len(self.losses[CHOOSES])

    @cached_property
    def picks(self) -> tuple[int | None, ...]:
        """For each seed the decay of the lowest validation loss; None where all diverged."""
        table = np.where(np.isfinite(self.losses[CHOOSES]), self.losses[CHOOSES], np.inf)
        return tuple(int(np.argmin(row)) if np.isfinite(row).any() else None for row in table)

    @property
    def best(self) -> Spread | None:
        """The decay that is picked, over the seeds; the median is one of the decays, the lower of two in the middle."""
        places = sorted(at for at in self.picks if at is not None)
        if not places:
            return None
        low, middle, high = (self.decays[at] for at in (places[0], places[(len(places) - 1) // 2], places[-1]))
        return Spread(middle, low, high, len(places))

    def at_best(self, table: Mapping[str, Floats], split: str = "test") -> Floats:
        """(S,) a loss or score at each seed's own pick; not a number where there is none."""
        return np.array([np.nan if at is None else row[at] for row, at in zip(table[split], self.picks, strict=True)])

    @property
    def gain(self) -> Spread:
        """Share by which the test loss falls from no decay to each seed's pick."""
        return Spread.of(1 - self.at_best(self.losses) / self.losses["test"][:, 0])

    @property
    def gain_in_score(self) -> Spread:
        """By how much the test accuracy, or R2, rises from no decay to each seed's pick."""
        return Spread.of(self.at_best(self.scores) - self.scores["test"][:, 0])


@dataclass(frozen=True)
class Verdict:
    """What can be said of the families' best decays: the pair that differs most, and how often chance alone gives as much."""

    low: str  # the family that asks for less
    high: str
    chance: float

    @property
    def differs(self) -> bool:
        return self.chance <= CHANCE


@dataclass(frozen=True, eq=False)
class Architectures:
    """What is finished so far."""

    settings: Settings  # what is trained on, without a family
    plan: Families
    inside: str  # the family that is opened
    stood_in: bool  # whether the visitor's data set was replaced
    missing: Mapping[str, str]  # family -> why it is not there
    ladders: tuple[Ladder, ...]  # of families of which a seed is whole
    look: tuple[Internals, Internals]  # without and with decay, first seed
    parts: Parts | None  # None until a seed is whole, and where there is no decay

    @property
    def whole(self) -> bool:
        """Whether each family has a seed."""
        return len(self.ladders) + len(self.missing) == len(FAMILIES)

    @cached_property
    def verdict(self) -> Verdict | None:
        """Over the seeds that all families have; None with a single one or family, or where a family diverged with every decay."""
        together = min((ladder.seeds for ladder in self.ladders), default=0)
        picks = [ladder.picks[:together] for ladder in self.ladders]
        if len(picks) < 2 or together < 2 or any(at is None for row in picks for at in row):
            return None
        decays = np.array(self.ladders[0].decays)
        decays[0] = decays[1] / 2  # no decay has no logarithm: it counts as half of the smallest
        return compare([ladder.family for ladder in self.ladders], np.log2(decays)[np.array(picks)])


def compare(families: list[str], picks: Floats) -> Verdict:
    """Whether families pick different decays beyond what seeds alone do, by a permutation test on the largest mean difference.

    If the family did not matter, the picks of one seed could be dealt to the families in any order. Counted is in how many of many
    random deals, a deal for each seed, two families differ on average by as much as the two that really differ most; so looking at
    all pairs is allowed for (Westfall & Young 1993).

    Arguments:
        picks: (families, seeds) logarithms of the decays picked.
    """
    means = picks.mean(1)
    observed = means.max() - means.min()
    rng = np.random.default_rng(0)
    dealt = rng.permuted(np.broadcast_to(picks, (DRAWS, *picks.shape)), axis=1).mean(2)
    reached = np.ptp(dealt, axis=1) >= observed - 1e-9
    return Verdict(families[int(means.argmin())], families[int(means.argmax())], float((1 + reached.sum()) / (1 + DRAWS)))


# --- what is trained --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def rungs(base: Settings, family: str, repetition: int) -> tuple[Run, ...]:
    """One family and repetition over all decays."""
    chosen, ladder = of_family(base, family), LADDERS[base.decay_kind]
    return tuple(brief(replace(chosen, decay=d), base.seed + repetition) for d in ladder)


def looks(base: Settings, family: str) -> tuple[Look, Look]:
    """The first repetition of one family, without and with the visitor's decay."""
    without, with_decay = (replace(of_family(base, family), decay=d) for d in (0.0, base.decay))
    return _look(without, base.seed), _look(with_decay, base.seed)


def _look(settings: Settings, seed: int) -> Look:
    return Look(Run.of(settings, seed, film=True, checkpoints=STOPS if "early stopping" in settings.regularisers else FRAMES))


def groups(settings: Settings, plan: Families) -> list[list[Job]]:
    """All jobs in their order: what follows the slider and the first family; then all families and parts, one repetition at a time.

    Raises:
        ValueError: if no family is there.
    """
    return _groups(compared(settings, plan), replace(plan, moment=100, example=0))


@lru_cache(maxsize=32)
def _groups(base: Settings, plan: Families) -> list[list[Job]]:
    inside, gone = opened(base, plan), missing(base)
    families = [family for family in FAMILIES if family not in gone]
    found: list[list[Job]] = [[*looks(base, inside), *rungs(base, families[0], 0)]]
    for i in range(base.seeds):
        repetition = [*(rungs(base, family, i) for family in families), part_runs(base, inside, i)]
        found.extend([*jobs] for jobs in repetition if jobs)
    return found


# --- what came of it --------------------------------------------------------------------------------------------------------------


def summarise(settings: Settings, plan: Families, results: Mapping[Any, Any]) -> Architectures | None:
    """What can be said with the jobs finished so far; None before the first group is whole."""
    if not all(job in results for job in groups(settings, plan)[0]):
        return None
    base = compared(settings, plan)
    inside, gone = opened(base, plan), missing(base)
    without, with_decay = (results[look] for look in looks(base, inside))
    ladders = [_ladder(base, family, results) for family in FAMILIES if family not in gone]
    return Architectures(
        base,
        plan,
        inside,
        stands_in(settings, plan),
        gone,
        tuple(ladder for ladder in ladders if ladder),
        (without, with_decay),
        parts.summarise(base, inside, results),
    )


def run(settings: Settings, plan: Families = Families()) -> Architectures:
    """Train all and wait: the experiment as a library call."""
    found = summarise(settings, plan, runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all())
    assert found is not None
    return found


def _ladder(base: Settings, family: str, results: Mapping[Any, Any]) -> Ladder | None:
    """Over the repetitions of which all decays are there; None without one."""
    repetitions = [rungs(base, family, i) for i in range(base.seeds)]
    done = [[results[run] for run in row] for row in repetitions if all(run in results for run in row)]
    if not done:
        return None
    splits = (CHOOSES, "test", "train")
    losses = {s: table(done, lambda h, s=s: h.loss(s)) for s in splits}
    scores = {s: table(done, lambda h, s=s: h.score(s)) for s in splits}
    return Ladder(family, networks.size(of_family(base, family))[0], LADDERS[base.decay_kind], losses, scores)
