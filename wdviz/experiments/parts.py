"""Which part of a network needs decay? Decay on each part alone and on all but each, against decay on everything, paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import networks, regularisers, runs, training
from wdviz.experiments.matching import brief, of_family
from wdviz.results import History, Spread
from wdviz.runs import Run
from wdviz.settings import PARTS, Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parts:
    """One network with decay on all of it, on none, on each part alone, on all but each: (S,) test losses and scores a rule."""

    names: tuple[str, ...]
    losses: Mapping[tuple[str, str], Floats]  # (part, "only" or "spared") -> (S,); ("all" | "none" | "weights", "")
    scores: Mapping[tuple[str, str], Floats]

    def change(self, rule: tuple[str, str], *, score: bool = False) -> Spread:
        """Test loss (or score) of a rule less that with decay on everything, seed by seed."""
        table = self.scores if score else self.losses
        return Spread.of(table[rule] - table["all", ""])


@lru_cache(maxsize=256)
def part_runs(base: Settings, family: str, repetition: int) -> tuple[Run, ...]:
    """One repetition of a family under each of the `rules`, in their order."""
    return tuple(brief(chosen, base.seed + repetition) for chosen in rules(base, family).values())


@lru_cache(maxsize=64)
def rules(base: Settings, family: str) -> dict[tuple[str, str], Settings]:
    """What decays -> the settings: everything, nothing, the weights, each part alone, everything but each part; none without decay.

    Parts that are the same arrays under two names are tried once, under the later name, which says more.
    """
    if not base.decay:
        return {}
    everything = replace(of_family(base, family), decay_on="everything", spare="none")
    found = {
        ("all", ""): everything,
        ("none", ""): replace(everything, decay=0.0),
        ("weights", ""): replace(everything, decay_on="weights"),
    }
    for part in parts_of(everything):
        found[part, "only"] = replace(everything, decay_on=part)
        found[part, "spared"] = replace(everything, spare=part)
    return found


@lru_cache(maxsize=64)
def parts_of(chosen: Settings) -> tuple[str, ...]:
    """The parts of a network, those of the same arrays once."""
    arrays = training.arrays_of(runs.program_for(Run.of(chosen, 0)))
    by_arrays = {str(regularisers.decay_factors(arrays, part)): part for part in networks.parts(chosen)}
    return tuple(part for part in PARTS if part in by_arrays.values())


def summarise(base: Settings, family: str, results: Mapping[Any, Any]) -> Parts | None:
    """Over the repetitions that are whole; None without one, and without decay."""
    tried = rules(base, family)
    repetitions = [part_runs(base, family, i) for i in range(base.seeds)]
    done = [[results[run] for run in row] for row in repetitions if tried and all(run in results for run in row)]
    if not done:
        return None
    losses, scores = table(done, lambda h: h.loss("test")), table(done, lambda h: h.score("test"))
    names = tuple(dict.fromkeys(part for part, how in tried if how))
    return Parts(names, dict(zip(tried, losses.T, strict=True)), dict(zip(tried, scores.T, strict=True)))


def table(done: list[list[History]], number: Callable[[History], float]) -> Floats:
    """A number of each history, rows as they are; not a number where the training diverged."""
    return np.array([[np.nan if h.diverged else number(h) for h in row] for row in done], np.float64)
