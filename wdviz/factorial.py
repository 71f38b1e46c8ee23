"""Statistics of a full factorial: effects, interactions of pairs, intervals over seeds, and what they say in a word.

A table has one axis for the seeds and one of length 2, off and on, for each factor. The runs of a seed share data, start and batches,
so each effect is formed within each seed, as a contrast, and its interval is that of a paired t test. With -1/2 and 1/2 for off and
on, the averaged effects and interactions are the coefficients of a linear regression with all products of factors; with 0 and 1, those
with the other factors off are (Montgomery 2019, ch. 6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.8  # chance with which an interval should exclude zero, for the number of seeds that would tell
MOST_SEEDS = 1000  # beyond it the number is not looked for
ROUNDING = 1e-12  # share of the largest value below which a contrast is nothing but rounding

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """One number of each run. S seeds, one axis of length 2 for each of k factors.

    Raises:
        ValueError: for fewer than two factors, or arrays of another shape.
    """

    factors: tuple[str, ...]
    values: Floats  # (S, 2, ..., 2); not a number where the training diverged
    trained: NDArray[np.bool_]  # (S, 2, ..., 2) whether the run is finished
    lower_is_better: bool = True

    def __post_init__(self) -> None:
        if len(self.factors) < 2:
            raise ValueError(f"factors is {self.factors!r}; a pair takes two at least")
        if self.values.shape[1:] != (2,) * len(self.factors) or self.trained.shape != self.values.shape:
            raise ValueError(f"values are {self.values.shape} and trained {self.trained.shape}; both must be seeds x 2 for each factor")

    @property
    def sign(self) -> int:
        """1 where less is better, -1 where more is: times it, less is always better."""
        return 1 if self.lower_is_better else -1

    def contrast(self, weights: Floats) -> Floats:
        """(n,) the weighted sum of each seed of which all runs that count are finished; not a number where one of those diverged.

        Sums that are nothing but rounding are 0.
        """
        counts = weights != 0
        cells = self.values[self.ready(weights)][:, counts]  # (n, cells)
        sums = cells @ weights[counts]
        return np.where(np.abs(sums) <= ROUNDING * np.max(np.abs(cells), axis=1, initial=0), 0.0, sums)

    def ready(self, weights: Floats) -> NDArray[np.bool_]:
        """(S,) whether all runs of the seed that count in a contrast are finished."""
        return (self.trained | (weights == 0)).reshape(len(self.values), -1).all(1)

    def cell(self, levels: Mapping[str, int], *, averaged: bool) -> Floats:
        """(2, ..., 2) weights of the mean over runs with these levels; the other factors are off, or averaged over off and on."""
        rest = np.array([0.5, 0.5] if averaged else [1.0, 0.0])
        weights = np.ones(())
        for factor in self.factors:
            weights = np.multiply.outer(weights, np.eye(2)[levels[factor]] if factor in levels else rest)
        return weights


@dataclass(frozen=True)
class Estimate:
    """The mean of a contrast over seeds, and its t interval; with one seed, or after a divergence, the ends are not numbers."""

    value: float
    low: float
    high: float
    deviation: float  # between seeds
    seeds: int
    diverged: int = 0  # seeds without a number

    @classmethod
    def of(cls, contrasts: Floats) -> Estimate:
        """From one contrast a seed, (n,). The mean is not a number where n is 0 or a seed diverged."""
        n, diverged = len(contrasts), int(np.sum(~np.isfinite(contrasts)))
        if n == 0 or diverged:
            return cls(math.nan, math.nan, math.nan, math.nan, n, diverged)
        mean = float(contrasts.mean())
        if n == 1:
            return cls(mean, math.nan, math.nan, math.nan, 1)
        deviation = float(contrasts.std(ddof=1))
        half = _quantile(n) * deviation / math.sqrt(n)
        return cls(mean, mean - half, mean + half, deviation, n)

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    @property
    def tells(self) -> bool:
        """Whether the interval excludes zero."""
        return self.known and (self.low > 0 or self.high < 0)

    @property
    def nothing(self) -> bool:
        """Whether it is exactly zero in every seed: the runs were the same."""
        return self.known and self.value == 0 and self.deviation == 0

    @property
    def seeds_to_tell(self) -> int | None:
        """With so many seeds the interval would exclude zero with a chance of `POWER`, if mean and deviation are as they seem.

        None where it would take more than `MOST_SEEDS`, or where there is no interval.
        """
        if not self.known or self.value == 0:
            return None
        return 2 if self.deviation == 0 else seeds_for(abs(self.value) / self.deviation)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two factors together: the four cells, and their contrasts, all over the same seeds."""

    names: tuple[str, str]
    cells: Floats  # (4, n) of each seed: neither, the first alone, the second alone, both
    first: Estimate  # what the first one changes alone
    second: Estimate
    together: Estimate  # what both change
    interaction: Estimate  # that, less the sum of the two
    beyond_best: Estimate  # both, less the better one alone: what the other one adds
    best: str  # the better one alone
    lower_is_better: bool

    @property
    def means(self) -> tuple[float, float, float, float]:
        """Over the seeds: neither, the first alone, the second alone, both."""
        neither, first, second, both = self.cells.mean(1).tolist()
        return neither, first, second, both

    @property
    def expected(self) -> float:
        """The mean that both would have if their effects added up."""
        neither, first, second, _ = self.means
        return first + second - neither

    @property
    def verdict(self) -> str:
        """`complements`: together they are better than the sum. `substitutes`: not as good. `conflict`: nor as good as the better one.
        `cannot tell`: the interval of the interaction holds zero. Further `one seed`, `diverged`, `no difference`.
        """
        found, sign = self.interaction, 1 if self.lower_is_better else -1
        if found.diverged:
            return "diverged"
        if not found.known:
            return "one seed"
        if found.nothing:
            return "no difference"
        if not found.tells:
            return "cannot tell"
        if sign * found.value < 0:
            return "complements"
        # Where neither helps alone, both are worse than either by the interaction at least.
        neither_helps = min(sign * self.first.value, sign * self.second.value) >= 0
        worse = self.beyond_best.tells and sign * self.beyond_best.value > 0
        return "conflict" if neither_helps or worse else "substitutes"


def effects(table: Table, *, averaged: bool) -> dict[str, Estimate]:
    """What each factor changes: averaged over all combinations of the others (its main effect), or with the others off (alone)."""

    def effect(factor: str) -> Floats:
        return table.cell({factor: 1}, averaged=averaged) - table.cell({factor: 0}, averaged=averaged)

    return {factor: Estimate.of(table.contrast(effect(factor))) for factor in table.factors}


def pairs(table: Table, *, averaged: bool) -> list[Pair]:
    """Each pair of factors, in their order; those whose runs are not finished in any seed are left out."""
    found = [_pair(table, first, second, averaged) for first, second in combinations(table.factors, 2)]
    return [pair for pair in found if pair]


def _pair(table: Table, first: str, second: str, averaged: bool) -> Pair | None:
    neither, alone_1, alone_2, both = (table.cell({first: a, second: b}, averaged=averaged) for a, b in ((0, 0), (1, 0), (0, 1), (1, 1)))
    interaction = both - alone_1 - alone_2 + neither
    ready = table.ready(interaction)
    if not ready.any():
        return None
    # All over the same seeds: those of which all these runs are finished.
    some = replace(table, values=table.values[ready], trained=table.trained[ready])
    cells = np.array([some.contrast(cell) for cell in (neither, alone_1, alone_2, both)])
    _, one, other, _ = table.sign * cells.mean(1)
    best = first if one <= other or math.isnan(other) else second
    alone = alone_1 if best == first else alone_2
    contrasts = (alone_1 - neither, alone_2 - neither, both - neither, interaction, both - alone)
    estimates = [Estimate.of(some.contrast(weights)) for weights in contrasts]
    return Pair((first, second), cells, *estimates, best=best, lower_is_better=table.lower_is_better)


@lru_cache(maxsize=4096)
def seeds_for(size: float) -> int | None:
    """The least number of seeds with which a t interval excludes zero with a chance of `POWER`; None beyond `MOST_SEEDS`.

    Arguments:
        size: the true mean in units of the deviation between seeds, above 0 (Cohen's d of a paired test).
    """
    if _chance(MOST_SEEDS, size) < POWER:
        return None
    low, high = 1, MOST_SEEDS  # the chance grows with the number
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _chance(middle, size) >= POWER else (middle, high)
    return high


def _chance(seeds: int, size: float) -> float:
    """That an interval of so many seeds excludes zero on the right side: noncentral t."""
    shift = size * math.sqrt(seeds)
    if shift > 35:  # beyond what SciPy computes, and certain
        return 1.0
    return float(stats.nct.sf(_quantile(seeds), seeds - 1, shift))


@lru_cache(maxsize=MOST_SEEDS)
def _quantile(seeds: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1))


def ranking(table: Table) -> list[tuple[tuple[int, ...], Floats]]:
    """Each combination, as levels of the factors, with its numbers so far (n,): the best mean first, those that diverged last."""

    def numbers(levels: tuple[int, ...]) -> Floats:
        at = (slice(None), *levels)
        return table.values[at][table.trained[at]]

    def order(item: tuple[tuple[int, ...], Floats]) -> tuple[float, int]:
        mean = table.sign * float(item[1].mean())
        return (mean if math.isfinite(mean) else math.inf), sum(item[0])

    found = [(levels, numbers(levels)) for levels in np.ndindex(*(2,) * len(table.factors))]
    return sorted([item for item in found if len(item[1])], key=order)
