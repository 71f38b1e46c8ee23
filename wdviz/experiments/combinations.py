"""Does decay get along with others? All combinations of some regularisers, and the best decay beside each strength of one other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import datasets, factorial, runs
from wdviz.experiments import combining
from wdviz.experiments.combining import Design, Levels
from wdviz.factorial import Estimate, Pair, Table
from wdviz.plans import Combine
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import Settings

CHOOSES = "validation"  # what names the best decay of a column, and the best combination; test data choose nothing
SPLITS = ("test", "validation")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Map:
    """Decay's strength against another regulariser's. S seeds, D decays, J strengths; not a number where a training diverged."""

    design: Design
    losses: Mapping[str, Floats]  # split -> (S, D, J)
    scores: Floats  # (S, D, J) on the test set
    trained: NDArray[np.bool_]  # (S, D, J)

    def cells(self, number: Floats) -> Floats:
        """(D, J) the median over the seeds trained; not a number where there is none, or one diverged."""
        found = np.full(number.shape[1:], np.nan)
        for i, j in np.argwhere(self.trained.any(0)):
            found[i, j] = np.median(number[self.trained[:, i, j], i, j])
        return found

    @property
    def counts(self) -> NDArray[np.intp]:
        """(D, J) how many seeds are trained."""
        return self.trained.sum(0)

    @cached_property
    def best(self) -> tuple[int | None, ...]:
        """The decay of the lowest median validation loss for each strength; None before all are trained, or where all diverged."""
        columns = zip(self.cells(self.losses[CHOOSES]).T, self.counts.T, strict=True)
        return tuple(int(np.nanargmin(column)) if many.all() and np.isfinite(column).any() else None for column, many in columns)


@dataclass(frozen=True, eq=False)
class Combinations:
    """Every combination over the seeds finished so far, and the map."""

    settings: Settings
    plan: Combine
    design: Design
    losses: Table  # on the test set
    scores: Table
    choosing: Table  # losses on the validation set
    map: Map

    @property
    def factors(self) -> tuple[str, ...]:
        return self.design.factors

    @property
    def regression(self) -> bool:
        """Whether values are predicted, so that R2 stands in the place of the accuracy."""
        return datasets.REGISTRY[self.settings.dataset].task == "regression"

    @property
    def shown(self) -> dict[str, Table]:
        """What the page shows, all on the test set; what it is judged by comes first."""
        tables = {"loss": self.losses, "accuracy": self.scores}
        return {name: tables[name] for name in sorted(tables, key=lambda name: name != self.plan.judged_by)}

    @cached_property
    def pairs(self) -> dict[str, list[Pair]]:
        """By loss and by accuracy, with the other factors off or averaged, as the plan says."""
        return {name: factorial.pairs(table, averaged=self.plan.others == "averaged") for name, table in self.shown.items()}

    @cached_property
    def effects(self) -> dict[str, dict[str, dict[str, Estimate]]]:
        """By loss and by accuracy, what each factor does `alone` and on `average` over the others."""
        ways = {"average": True, "alone": False}
        return {
            name: {way: factorial.effects(table, averaged=averaged) for way, averaged in ways.items()} for name, table in self.shown.items()
        }

    @cached_property
    def ranking(self) -> dict[str, list[tuple[Levels, Floats]]]:
        """By loss and by accuracy, each combination with its numbers, the best mean first."""
        return {name: factorial.ranking(table) for name, table in self.shown.items()}

    @cached_property
    def chosen(self) -> Levels | None:
        """The combination of the lowest mean validation loss, once all are trained with one seed; None where all diverged."""
        found = factorial.ranking(self.choosing)
        whole = len(found) == 2 ** len(self.factors)
        return found[0][0] if whole and np.isfinite(found[0][1]).all() else None


def groups(settings: Settings, plan: Combine) -> list[list[Run]]:
    """The first seed's single and paired regularisers; the rest of it; the second seed; the map's first seed; further seeds of both.

    Raises:
        ValueError: as `combining.design`.
    """
    asked = combining.design(settings, plan)
    first, *others = combining.table(asked)
    of_table = [list(seed.values()) for seed in others]
    of_map = [[run for row in seed for run in row] for seed in combining.cells(asked)]
    begin = [run for levels, run in first.items() if sum(levels) <= 2]
    rest = [run for levels, run in first.items() if sum(levels) > 2]
    return [group for group in (begin, rest, *of_table[:1], of_map[0], *of_table[1:], *of_map[1:]) if group]


def summarise(settings: Settings, plan: Combine, results: Mapping[Any, Any]) -> Combinations:
    """What is finished so far."""
    asked = combining.design(settings, plan)
    table, cells = combining.table(asked), combining.cells(asked)
    of_table = [((i, *levels), run) for i, seed in enumerate(table) for levels, run in seed.items()]
    losses, scores, trained = _numbers(of_table, (len(table), *(2,) * len(asked.factors)), results)
    of_map = [((s, i, j), run) for s, seed in enumerate(cells) for i, row in enumerate(seed) for j, run in enumerate(row)]
    found = _numbers(of_map, (len(cells), len(asked.decays), len(asked.strengths)), results)
    tables = [Table(asked.factors, losses[split], trained) for split in SPLITS]
    accuracies = Table(asked.factors, scores, trained, lower_is_better=False)
    return Combinations(settings, plan, asked, tables[0], accuracies, tables[1], Map(asked, *found))


def run(settings: Settings, plan: Combine = Combine()) -> Combinations:
    """Train all and wait: the experiment as a library call."""
    return summarise(settings, plan, runs.sweep([job for group in groups(settings, plan) for job in group]).wait_all())


def _numbers(
    places: Sequence[tuple[tuple[int, ...], Run]], shape: tuple[int, ...], results: Mapping[Any, Any]
) -> tuple[dict[str, Floats], Floats, NDArray[np.bool_]]:
    """Losses by split, test scores, and which runs are finished, as arrays of a shape; not a number where a run diverged."""
    losses, scores = {split: np.full(shape, np.nan) for split in SPLITS}, np.full(shape, np.nan)
    trained = np.zeros(shape, bool)
    for at, job in places:
        history: History | None = results.get(job)
        if history is None:
            continue
        trained[at] = True
        if not history.diverged:
            scores[at] = history.score("test")
            for split in SPLITS:
                losses[split][at] = history.loss(split)
    return losses, scores, trained
