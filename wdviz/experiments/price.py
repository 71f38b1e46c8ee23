"""What choosing costs: the test loss of what cross-validation chose beside that of the best candidate, which nobody can know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz import datasets, runs
from wdviz.experiments import tuning
from wdviz.experiments.tuning import Curve, Tuning, candidates, last_best, plain
from wdviz.plans import Search
from wdviz.results import Spread
from wdviz.runs import Run
from wdviz.settings import Settings

WAYS = ("oracle", "best", "simplest", "most_accurate", "none")


@dataclass(frozen=True, eq=False)
class Price:
    """Test results of each candidate, trained on all training points. S repetitions that chose, D candidates.

    `picks` names ways to choose, and for each repetition the candidate: `oracle` has the lowest test loss, `best`, `simplest` and
    `most_accurate` are cross-validation's (see `tuning.Curve`), `none` is no decay. `most_accurate` is missing for regression.
    """

    decays: tuple[float, ...]
    losses: NDArray[np.float64]  # (S, D) test loss; not a number where the training diverged
    scores: NDArray[np.float64]  # (S, D) test accuracy, or R2
    picks: dict[str, NDArray[np.intp]]  # (S,) each

    def loss(self, way: str) -> NDArray[np.float64]:
        """(S,) test loss of what a way picks."""
        return np.take_along_axis(self.losses, self.picks[way][:, None], 1)[:, 0]

    def score(self, way: str) -> NDArray[np.float64]:
        """(S,) test accuracy, or R2, of what a way picks."""
        return np.take_along_axis(self.scores, self.picks[way][:, None], 1)[:, 0]

    def price(self, way: str) -> Spread:
        """Test loss beyond the oracle's, repetition by repetition."""
        return Spread.of(self.loss(way) - self.loss("oracle"))

    @property
    def found(self) -> float:
        """Share of what decay can save, from none to the oracle's, that cross-validation's lowest loss saves; median."""
        none, best, oracle = (self.loss(way) for way in ("none", "best", "oracle"))
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.median((none - best) / (none - oracle)))


def groups(settings: Settings, plan: Search) -> list[list[Run]]:
    """All candidates on all training points, one repetition a group; cross-validation itself is `tuning.groups`.

    Raises:
        ValueError: for a grid without a choice.
    """
    return [list(row) for row in _runs(plain(settings), plan)]


@lru_cache(maxsize=32)
def _runs(settings: Settings, plan: Search) -> list[list[Run]]:
    """Repetition, candidate."""
    return [[Run.of(replace(settings, decay=d), settings.seed + i) for d in candidates(plan)] for i in range(settings.seeds)]


def summarise(tuned: Tuning, results: Mapping[Any, Any]) -> Price | None:
    """The price over the repetitions that chose and are trained; None before the first, or where all diverged."""
    settings, decays = tuned.settings, tuned.decays
    kept: list[tuple[Curve, list[Any]]] = []
    planned = groups(settings, tuned.plan)
    for curve in tuned.curves:
        row = planned[curve.seed - settings.seed]
        if curve.whole and curve.best is not None and all(run in results for run in row):
            kept.append((curve, [results[run] for run in row]))
    kept = [(curve, row) for curve, row in kept if not all(h.diverged for h in row)]
    if not kept:
        return None
    losses, scores = (
        np.array([[np.nan if h.diverged else getattr(h, what)("test") for h in row] for _, row in kept], np.float64)
        for what in ("loss", "score")
    )
    ways = [way for way in WAYS if way != "most_accurate" or datasets.REGISTRY[settings.dataset].task == "classification"]
    picks = {way: np.array([_pick(way, curve, row) for (curve, _), row in zip(kept, losses, strict=True)]) for way in ways}
    return Price(decays, losses, scores, picks)


def run(settings: Settings, plan: Search = Search()) -> Price | None:
    """Cross-validate, then open the test set, and wait: the experiment as a library call."""
    jobs = [job for group in (*tuning.groups(settings, plan), *groups(settings, plan)) for job in group]
    results = runs.sweep(jobs).wait_all()
    tuned = tuning.summarise(settings, plan, results)
    assert tuned is not None
    return summarise(tuned, results)


def _pick(way: str, curve: Curve, losses: NDArray[np.float64]) -> int:
    found = {"none": 0, "oracle": last_best(-losses)}.get(way) if way in ("none", "oracle") else getattr(curve, way)
    assert found is not None  # the repetition has a candidate that did not diverge
    return found
