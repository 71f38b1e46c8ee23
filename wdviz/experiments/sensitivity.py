"""Why do smaller weights help? How networks trained with a ladder of decays react to small changes of their input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from wdviz import datasets, probing, runs
from wdviz.experiments import overfitting
from wdviz.measured import Flipped, Probed, Probes, Rescaled
from wdviz.plans import Probe
from wdviz.results import Spread
from wdviz.runs import OnRun, Run
from wdviz.settings import Settings
from wdviz.sweeps import Job

# Decays from none to too much, for each kind of decay at usual learning rates.
LADDERS = {
    "decoupled": (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    "coupled": (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "independent": (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
IMAGES = tuple(name for name, entry in datasets.REGISTRY.items() if entry.shape and entry.shape[1] > 1)  # whose inputs are images
NOISE = 0.3  # strength of the input noise that is spoken of
RESCALED = 3  # seeds with which rescaling is measured, at most


@dataclass(frozen=True)
class Probing(OnRun):
    """One training run, and how its network reacts; of a run with pictures also over the plane, where there is one to draw."""

    def execute(self) -> Probed:
        split = self.run.split
        grid = datasets.plane(split).grid if self.run.pictures and split.name not in IMAGES else None  # images are looked at themselves
        return probing.probe(runs.program_for(self.run), runs.result_of(self.run), split, grid)


@dataclass(frozen=True)
class Rescaling(OnRun):
    """One training run, and what becomes of its answers when the hidden weights are multiplied by a factor."""

    def execute(self) -> Rescaled:
        return probing.rescale(runs.program_for(self.run), runs.result_of(self.run), self.run.split)


@dataclass(frozen=True)
class Flipping(OnRun):
    """One training run, and the smallest change that flips its answer to one noisy test image."""

    image: int
    jitter: float

    def check(self) -> None:
        """Raises ValueError as `Run.check` does, and where the data set has no such image."""
        super().check()
        if self.run.settings.dataset not in IMAGES:
            raise ValueError(f"dataset is {self.run.settings.dataset!r}; only {', '.join(IMAGES)} has images")

    def execute(self) -> Flipped:
        return probing.flip(runs.program_for(self.run), runs.result_of(self.run), self.run.split, self.image, self.jitter)


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Both arms over the seeds finished so far, and the ladder over those of which all decays are; pictures are the first seed's."""

    settings: Settings
    plan: Probe
    split: datasets.Split
    plane: datasets.Plane
    without: Probes
    with_decay: Probes
    ladder: tuple[Probes, ...]  # by ascending decay; empty until a seed has all of it
    normalised: tuple[Rescaled, ...]  # with batch normalisation, one a seed
    plain: tuple[Rescaled, ...]  # without it; both empty where there is no hidden layer, or none is finished
    flipped: tuple[Flipped, Flipped] | None  # without and with decay; None where the data set has no images

    @property
    def arms(self) -> tuple[Probes, Probes]:
        return self.without, self.with_decay

    def ratio(self) -> Spread:
        """How many times less the network reacts with decay, pair by pair; infinite where it reacts to nothing any more."""
        pairs = zip(self.without.probed, self.with_decay.probed, strict=True)
        return Spread.of(a.reaction / b.reaction if b.reaction else float("inf") for a, b in pairs)

    def noisy(self, arm: Probes) -> Spread:
        """Accuracy of an arm under noise of strength `NOISE`; the loss where there are no classes."""
        return arm.spread(lambda p: p.score_at(NOISE) if self.split.classes else p.loss_at(NOISE))


def pair(settings: Settings, repetition: int) -> tuple[Probing, Probing]:
    """Both arms of one repetition, on the very runs of the Overfitting page."""
    without, with_decay = overfitting.pair(settings, repetition)
    return Probing(without), Probing(with_decay)


def rungs(settings: Settings, repetition: int) -> tuple[Probing, ...]:
    """One repetition of the ladder, by ascending decay. The decay is in force all the time: the visitor's switch is left out."""
    steady = replace(settings, switch_at=0, decay_after=0.0)
    seed, ladder = settings.seed + repetition, LADDERS[settings.decay_kind]
    return tuple(Probing(Run.of(replace(steady, decay=d), seed, pictures=repetition == 0)) for d in ladder)


def rescalings(settings: Settings, repetition: int) -> tuple[Rescaling, ...]:
    """With and without batch normalisation, both without decay; none for a network without hidden layers or a late repetition."""
    if not settings.hidden or repetition >= RESCALED:
        return ()
    others = set(settings.regularisers) - {"batch norm"}
    named = (tuple(sorted(chosen)) for chosen in (others | {"batch norm"}, others))
    plain = replace(settings, decay=0.0, switch_at=0, decay_after=0.0)
    # With pictures, as the arm without decay has them: then it is the same run.
    return tuple(
        Rescaling(Run.of(replace(plain, regularisers=names), settings.seed + repetition, pictures=repetition == 0)) for names in named
    )


def flippings(settings: Settings, plan: Probe) -> tuple[Flipping, ...]:
    """Both arms of the first repetition, looking at the image of the plan; none where the data set has no images."""
    if settings.dataset not in IMAGES:
        return ()
    return tuple(Flipping(run, plan.image, plan.jitter) for run in overfitting.pair(settings, 0))


@lru_cache(maxsize=32)
def groups(settings: Settings, plan: Probe) -> list[list[Job]]:
    """The jobs in their order: both arms of the first repetition, the rest of it, then one repetition after the other."""
    first: list[Job] = [*pair(settings, 0), *flippings(settings, plan)]
    repetitions = range(settings.seeds)
    return [first, *([*pair(settings, i), *rungs(settings, i), *rescalings(settings, i)] for i in repetitions)]


def summarise(settings: Settings, plan: Probe, results: Mapping[Any, Any]) -> Sensitivity | None:
    """What can be said with the jobs finished so far; None before the first group is whole."""
    if not all(job in results for job in groups(settings, plan)[0]):
        return None
    split = datasets.split_for(settings, settings.seed)
    repetitions = range(settings.seeds)
    pairs = [found for i in repetitions if (found := _all(results, pair(settings, i)))]
    ladder = [found for i in repetitions if (found := _all(results, rungs(settings, i)))]
    scaled = [found for i in repetitions if (found := _all(results, rescalings(settings, i)))]
    without, with_decay = zip(*pairs, strict=True)
    return Sensitivity(
        settings,
        plan,
        split,
        datasets.plane(split),
        Probes("without", 0.0, without),
        Probes("with", settings.decay, with_decay),
        tuple(Probes("ladder", d, found) for d, found in zip(LADDERS[settings.decay_kind], zip(*ladder, strict=True), strict=True))
        if ladder
        else (),
        tuple(normalised for normalised, _ in scaled),
        tuple(plain for _, plain in scaled),
        _all(results, flippings(settings, plan)) or None,
    )


def _all(results: Mapping[Any, Any], jobs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Their results, or nothing unless all are there."""
    return tuple(results[job] for job in jobs) if all(job in results for job in jobs) else ()


def run(settings: Settings, plan: Probe = Probe()) -> Sensitivity:
    """Measure everything and wait: the experiment as a library call."""
    jobs = [job for group in groups(settings, plan) for job in group]
    found = summarise(settings, plan, runs.sweep(jobs).wait_all())
    assert found is not None
    return found
