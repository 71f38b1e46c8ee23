"""Effects and interactions of a factorial: those of a regression, intervals of a t test, verdicts, and how often noise is called noise."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression

from wdviz import factorial
from wdviz.factorial import Estimate, Pair, Table

NAMES = ("decay", "augmentation", "dropout", "batch norm")


def table(values: np.ndarray, *, lower_is_better: bool = True, trained: np.ndarray | None = None) -> Table:
    """A table of (S, 2, ..., 2) values, all trained unless said otherwise."""
    values = np.asarray(values, np.float64)
    return Table(NAMES[: values.ndim - 1], values, np.ones(values.shape, bool) if trained is None else trained, lower_is_better)


def random_table(factors: int, seeds: int = 5, seed: int = 0) -> Table:
    return table(np.random.default_rng(seed).normal(size=(seeds, *(2,) * factors)))


def of_means(neither: float, first: float, second: float, both: float, *, spread: float = 0.01, seeds: int = 5) -> Table:
    """Two factors whose cells have these means over the seeds, exactly, and a little noise."""
    noise = np.random.default_rng(1).normal(size=(seeds, 2, 2)) * spread
    return table(np.array([[neither, second], [first, both]]) + noise - noise.mean(0))


def only(found: Table, *, averaged: bool = False) -> Pair:
    (pair,) = factorial.pairs(found, averaged=averaged)
    return pair


# The same as a regression


def regression(found: Table, codes: tuple[float, float]) -> dict[tuple[str, ...], float]:
    """The coefficients of a least-squares fit with all products of factors, off and on coded by `codes`; one dummy a seed beside."""
    rows, targets = [], []
    terms = [t for size in range(1, len(found.factors) + 1) for t in combinations(range(len(found.factors)), size)]
    seeds = len(found.values)
    for at in np.ndindex(found.values.shape):
        x = [codes[level] for level in at[1:]]
        rows.append([math.prod(x[i] for i in term) for term in terms] + [float(at[0] == s) for s in range(1, seeds)])
        targets.append(found.values[at])
    fitted = LinearRegression().fit(np.array(rows), np.array(targets))
    return {tuple(found.factors[i] for i in term): float(c) for term, c in zip(terms, fitted.coef_, strict=False)}


@pytest.mark.parametrize("factors", [2, 3, 4])
@pytest.mark.parametrize(("averaged", "codes"), [(True, (-0.5, 0.5)), (False, (0.0, 1.0))])
def test_effects_and_interactions_are_the_coefficients_of_a_regression(factors: int, averaged: bool, codes: tuple[float, float]):
    found = random_table(factors, seed=factors)
    fitted = regression(found, codes)
    for name, estimate in factorial.effects(found, averaged=averaged).items():
        assert estimate.value == pytest.approx(fitted[(name,)], abs=1e-8)
    for pair in factorial.pairs(found, averaged=averaged):
        assert pair.interaction.value == pytest.approx(fitted[pair.names], abs=1e-8)


def test_intervals_are_those_of_a_paired_t_test():
    found = random_table(2)
    pair, v = only(found), found.values
    known = stats.ttest_1samp(v[:, 1, 1] - v[:, 1, 0] - v[:, 0, 1] + v[:, 0, 0], 0).confidence_interval(0.95)
    assert (pair.interaction.low, pair.interaction.high) == pytest.approx((known.low, known.high), abs=1e-12)
    assert pair.interaction.tells == (known.low > 0 or known.high < 0)
    known = stats.ttest_rel(v[:, 1].mean(1), v[:, 0].mean(1)).confidence_interval(0.95)
    main = factorial.effects(found, averaged=True)["decay"]
    assert (main.low, main.high) == pytest.approx((known.low, known.high), abs=1e-12)


@given(st.integers(0, 2**31), st.booleans())
def test_what_a_seed_has_in_common_does_not_matter(seed: int, averaged: bool):
    found = random_table(3, seed=seed)
    shift = 100 * np.random.default_rng(seed + 1).normal(size=(5, 1, 1, 1))
    moved = replace(found, values=found.values + shift)
    for a, b in zip(factorial.pairs(found, averaged=averaged), factorial.pairs(moved, averaged=averaged), strict=True):
        assert b.interaction.value == pytest.approx(a.interaction.value, abs=1e-9)
        assert b.interaction.low == pytest.approx(a.interaction.low, abs=1e-9)


# Simulated tables


def simulated(rng: np.random.Generator, seeds: int, interaction: float) -> Table:
    """Main effects and whole seeds that differ a lot, noise of deviation 1 in each cell, and an interaction of the first two factors."""
    values = rng.normal(size=(seeds, 2, 2, 2)) + 5 * rng.normal(size=(seeds, 1, 1, 1)) + np.array([0, -3.0])[None, :, None, None]
    values[:, 1, 1] += interaction
    return table(values)


def test_noise_is_called_noise_in_95_of_100_tables():
    rng = np.random.default_rng(7)
    verdicts = [p.verdict for _ in range(1000) for p in factorial.pairs(simulated(rng, 5, 0.0), averaged=True)]
    share = np.mean([v == "cannot tell" for v in verdicts])
    assert share == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / len(verdicts)))


@pytest.mark.parametrize("averaged", [True, False])
def test_a_planted_interaction_is_found_with_its_size_and_sign_and_no_other_is(averaged: bool):
    rng = np.random.default_rng(8)
    found = [factorial.pairs(simulated(rng, 10, -4.0), averaged=averaged) for _ in range(200)]
    planted = [pairs[0] for pairs in found]
    assert all(pair.names == ("decay", "augmentation") for pair in planted)
    assert np.mean([pair.interaction.value for pair in planted]) == pytest.approx(-4, abs=0.15)
    assert np.mean([pair.verdict == "complements" for pair in planted]) > 0.9
    assert np.mean([p.verdict == "cannot tell" for pairs in found for p in pairs[1:]]) == pytest.approx(0.95, abs=0.035)
    inside = [p.interaction.low <= -4 <= p.interaction.high for p in planted]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.047)


# How many seeds it would take


@pytest.mark.parametrize(("size", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_seeds_to_tell_are_those_of_power_tables(size: float, seeds: int):
    # Cohen (1988), two-sided paired t test at 5 %, power 80 %; as G*Power gives them.
    assert factorial.seeds_for(size) == seeds


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_the_chance_to_tell_is_that_of_simulated_seeds(seeds: int):
    draws = np.random.default_rng(seeds).normal(1.5, 1.0, (100_000, seeds))
    half = stats.t.ppf(0.975, seeds - 1) * draws.std(1, ddof=1) / math.sqrt(seeds)
    assert factorial._chance(seeds, 1.5) == pytest.approx(np.mean(draws.mean(1) > half), abs=0.005)


def test_with_so_many_seeds_four_of_five_intervals_exclude_zero():
    seeds = factorial.seeds_for(0.7)
    assert seeds is not None
    rng = np.random.default_rng(3)
    told = [Estimate.of(rng.normal(0.7, 1.0, seeds)).tells for _ in range(3000)]
    assert 0.78 < np.mean(told) < 0.85
    fewer = [Estimate.of(rng.normal(0.7, 1.0, seeds - 2)).tells for _ in range(3000)]
    assert np.mean(fewer) < 0.79


@given(st.floats(0.001, 1e6))
def test_seeds_to_tell_are_the_fewest_or_more_than_are_looked_for(size: float):
    seeds = factorial.seeds_for(size)
    if seeds is None:
        assert factorial._chance(factorial.MOST_SEEDS, size) < factorial.POWER
        return
    assert 2 <= seeds <= factorial.MOST_SEEDS
    assert factorial._chance(seeds, size) >= factorial.POWER
    assert seeds == 2 or factorial._chance(seeds - 1, size) < factorial.POWER


# Verdicts


@pytest.mark.parametrize(
    ("means", "verdict", "best"),
    [
        ((2.0, 1.0, 1.5, 0.1), "complements", "decay"),  # gains of 1 and .5 make 1.9
        ((2.0, 1.0, 1.5, 1.0), "substitutes", "decay"),  # the second adds nothing
        ((2.0, 1.0, 1.5, 0.8), "substitutes", "decay"),  # or less than alone
        ((2.0, 1.0, 0.9, 1.4), "conflict", "augmentation"),  # worse than the better one alone
        ((2.0, 1.0, 1.5, 0.5), "cannot tell", "decay"),  # the very sum
        ((1.0, 1.5, 1.5, 3.0), "conflict", "decay"),  # both harm, and more so together
        ((1.0, 1.1, 1.1, 1.25), "conflict", "decay"),
        ((1.0, 1.5, 1.5, 1.5), "complements", "decay"),  # both harm, but not twice: better than the sum
        ((1.0, 0.5, 2.0, 0.2), "complements", "decay"),  # harmful alone, of use beside the other
    ],
)
@pytest.mark.parametrize("flip", [False, True])
def test_verdicts_on_a_loss_and_on_its_mirror_image(means: tuple[float, float, float, float], verdict: str, best: str, flip: bool):
    found = of_means(*means)
    if flip:
        found = replace(found, values=-found.values, lower_is_better=False)
    pair = only(found)
    assert pair.verdict == verdict
    if means[1] != means[2]:
        assert pair.best == best
    assert pair.means == pytest.approx([-m for m in means] if flip else means)
    assert pair.interaction.value == pytest.approx(pair.means[3] - pair.expected)


def test_worse_than_the_better_one_by_less_than_the_interval_is_no_conflict():
    pair = only(of_means(2.0, 1.0, 1.5, 1.05, spread=0.1))
    assert pair.beyond_best.value > 0
    assert not pair.beyond_best.tells
    assert pair.verdict == "substitutes"


def test_where_neither_helps_alone_less_than_the_sum_is_a_conflict():
    # Both harm a little, together more; the first one's harm differs so much between seeds that "worse than the second" cannot be told.
    found = of_means(1.0, 1.1, 1.09, 1.4, spread=0.001)
    found.values[0, 1] += 2.0  # no part of the interaction
    found.values[1, 1] -= 2.0
    pair = only(found)
    assert pair.interaction.tells
    assert not pair.beyond_best.tells
    assert pair.verdict == "conflict"


def test_one_seed_has_no_interval():
    pair = only(random_table(2, seeds=1))
    assert pair.verdict == "one seed"
    assert math.isfinite(pair.interaction.value)
    assert math.isnan(pair.interaction.low)
    assert pair.interaction.seeds_to_tell is None


def test_equal_runs_are_no_difference_though_sums_round():
    values = np.random.default_rng(0).normal(size=(5, 2, 1, 2)) * np.ones((5, 2, 2, 2)) + 0.1  # the second factor does nothing
    pairs = {pair.names: pair for pair in factorial.pairs(table(values), averaged=True)}
    for names in (("decay", "augmentation"), ("augmentation", "dropout")):
        assert pairs[names].verdict == "no difference"
        assert pairs[names].interaction.value == 0
    assert pairs["decay", "dropout"].verdict != "no difference"
    assert factorial.effects(table(values), averaged=True)["augmentation"].nothing


def test_without_any_spread_the_interval_is_a_point():
    pair = only(of_means(2.0, 1.0, 1.5, 1.0, spread=0.0))
    assert pair.interaction.low == pair.interaction.high == pytest.approx(0.5)
    assert pair.verdict == "substitutes"
    assert pair.interaction.seeds_to_tell == 2


def test_a_divergence_leaves_no_number_where_it_counts_and_all_others_alone():
    found = random_table(3)
    found.values[2, 1, 1, 1] = np.nan
    assert [p.verdict == "diverged" for p in factorial.pairs(found, averaged=True)] == [True, True, True]
    assert not any(p.verdict == "diverged" for p in factorial.pairs(found, averaged=False))
    found.values[2, 1, 1, 0] = np.nan
    pairs = {p.names: p for p in factorial.pairs(found, averaged=False)}
    assert pairs["decay", "augmentation"].interaction.diverged == 1
    assert pairs["decay", "dropout"].verdict != "diverged"


# Tables that are still filled


def test_a_seed_counts_once_all_runs_of_a_contrast_are_finished():
    found = random_table(3)
    trained = np.ones(found.values.shape, bool)
    trained[3:] = False
    trained[2, 1, 1, 1] = False
    found = replace(found, trained=trained)
    off, averaged = ({p.names: p for p in factorial.pairs(found, averaged=a)} for a in (False, True))
    assert {p.interaction.seeds for p in off.values()} == {3}
    assert {p.interaction.seeds for p in averaged.values()} == {2}
    whole = {p.names: p for p in factorial.pairs(table(found.values[:3]), averaged=False)}
    assert off["decay", "dropout"].interaction == whole["decay", "dropout"].interaction


def test_pairs_without_a_finished_seed_are_left_out_and_effects_have_no_number():
    found = random_table(2, seeds=2)
    found = replace(found, trained=np.zeros((2, 2, 2), bool))
    assert factorial.pairs(found, averaged=False) == []
    assert factorial.effects(found, averaged=True)["decay"].seeds == 0
    assert factorial.ranking(found) == []


def test_the_ranking_is_by_the_mean_the_smaller_first_among_equals_and_divergence_last():
    values = np.array([[[[3.0, 1.0], [1.0, 2.0]], [[np.nan, 5.0], [4.0, 0.5]]]])
    order = [levels for levels, _ in factorial.ranking(table(values))]
    assert order[:3] == [(1, 1, 1), (0, 0, 1), (0, 1, 0)]
    assert order[-1] == (1, 0, 0)
    assert len(order) == 8
    upside_down = [levels for levels, _ in factorial.ranking(table(values, lower_is_better=False))]
    assert upside_down[0] == (1, 0, 1)
    assert upside_down[-1] == (1, 0, 0)


@pytest.mark.parametrize(("factors", "shape"), [(("decay",), (3, 2)), (("decay", "dropout"), (3, 2)), (("decay", "dropout"), (3, 2, 3))])
def test_a_table_of_another_shape_is_refused(factors: tuple[str, ...], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"factors is|values are"):
        Table(factors, np.zeros(shape), np.ones(shape, bool))
