"""Three searches on planted tables: what each picks, what it pays, and that none sees the test set before it is asked for."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from wdviz.experiments import searching
from wdviz.experiments.searching import Table, grid, halving, random
from wdviz.plans import Search
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings
from wdviz.training import checkpoints

STEPS = checkpoints(900, 60)
NARROW = Search(lowest=0.1, highest=10.0)


def table(looks: np.ndarray, steps: np.ndarray = STEPS) -> Table:
    return Table(steps, looks, looks[:, -1])


def never_crossing(order: list[int]) -> Table:
    """Curves that fall alike, in this order of quality from the start on."""
    fall = np.exp(-STEPS / 300)[None, :]
    return table(np.array(order, float)[:, None] + fall)


tables = st.permutations(range(14)).map(never_crossing)
any_tables = st.integers(0, 9999).map(lambda seed: table(np.random.default_rng(seed).uniform(0.1, 2, (14, 60))))


def picked(chances: np.ndarray) -> int:
    assert sorted(chances)[-2:] == [0, 1]
    return int(chances.argmax())


# Each search


@given(any_tables, st.integers(1, 14))
def test_a_grid_trains_evenly_spaced_decays_to_the_end_and_picks_the_best_of_them(t: Table, budget: int):
    pick = grid(t, budget)
    tried = np.unique(np.round(np.linspace(0, 13, budget)).astype(int)) if budget > 1 else [7]
    assert picked(pick.chances) == min(tried, key=lambda i: t.final[i])
    assert pick.steps == len(tried) * 900 <= budget * 900


def test_a_grid_holds_both_ends():
    falling = table(np.linspace(2, 1, 14)[:, None] * np.ones(60))
    assert picked(grid(falling, 2).chances) == 13
    assert picked(grid(table(falling.looks[::-1]), 2).chances) == 0


@given(any_tables, st.integers(1, 14))
def test_random_search_has_the_chances_of_all_draws(t: Table, budget: int):
    draws = list(itertools.islice(itertools.combinations(range(14), budget), 4000))
    chances = random(t, budget).chances
    assert chances.sum() == pytest.approx(1)
    if len(draws) == math.comb(14, budget):
        counted = np.bincount([min(draw, key=lambda i: t.final[i]) for draw in draws], minlength=14) / len(draws)
        np.testing.assert_allclose(chances, counted, atol=1e-12)
    assert random(t, budget).steps == budget * 900


@given(tables, st.integers(2, 14))
def test_halving_finds_the_best_it_starts_where_curves_never_cross(t: Table, budget: int):
    pick = halving(t, budget)
    if budget >= 5:  # enough to start all fourteen
        assert picked(pick.chances) == t.final.argmin()
    assert pick.steps <= budget * 900


@given(any_tables, st.integers(1, 14))
def test_no_search_pays_more_than_its_budget_and_halving_what_its_looks_cost(t: Table, budget: int):
    for search in (grid, random, halving):
        assert search(t, budget).steps <= budget * 900
    assert halving(t, budget).steps > 0.6 * budget * 900  # and it uses most of it


@pytest.mark.parametrize("size", [4, 13, 14, 31])
def test_halving_starts_as_many_as_it_can_pay_for_and_keeps_more_than_a_third_where_all_can_start(size):
    t = table(np.random.default_rng(size).uniform(0.1, 2, (size, 60)))
    ends = [int(STEPS[abs(STEPS - part).argmin()]) for part in (100, 300, 900)]

    def cost(start: int, share: Fraction) -> int:
        second = max(1, int(start * share))
        third = max(1, int(second * share))
        return start * ends[0] + second * (ends[1] - ends[0]) + third * (900 - ends[1])

    shares = [Fraction(20 + i, 60) for i in range(41)]  # from a third to all
    for budget in range(1, size + 1):
        starts = [cost(n, shares[0]) for n in range(1, size + 1)]
        wholes = [cost(size, share) for share in shares]
        assert halving(t, budget).steps == max(
            paid for paid in (starts + wholes if wholes[0] <= 900 * budget else starts) if paid <= 900 * budget
        )


def test_halving_pays_for_each_look_only_what_it_adds():
    looks = searching._looks(never_crossing(list(range(14))))
    ends = [int(STEPS[look]) for look in looks]
    assert ends[-1] == 900
    assert ends[0] == pytest.approx(100, rel=0.1)
    assert ends[1] == pytest.approx(300, rel=0.1)
    t = never_crossing(list(range(14)))
    assert searching._cost(t, [9, 3, 1]) == 9 * ends[0] + 3 * (ends[1] - ends[0]) + (900 - ends[1])


def test_halving_judges_at_its_looks_and_is_fooled_by_curves_that_cross():
    looks = np.ones((14, 60))
    looks[5] = np.where(STEPS < 500, 3.0, 0.1)  # a late bloomer
    assert picked(halving(table(looks), 5).chances) != 5
    assert picked(grid(table(looks), 14).chances) == 5


@given(any_tables)
def test_a_budget_of_the_whole_table_finds_its_best_with_every_search(t: Table):
    for search in (grid, random, halving):
        assert picked(search(t, 14).chances) == t.final.argmin()


@given(any_tables)
def test_random_search_gets_better_with_its_budget(t: Table):
    expected = [random(t, budget).chances @ t.final for budget in range(1, 15)]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(expected))


def test_a_table_of_two():
    t = table(np.array([[2.0] * 60, [1.0] * 60]))
    for search in (grid, random, halving):
        assert search(t, 2).chances.tolist() == [0, 1]


# Summaries


def histories(settings: Settings, plan: Search, final: list[list[float]]) -> dict[Run, History]:
    groups = searching.groups(settings, plan)
    return {
        run: made(0.1, loss, scores=(1, 0.9))
        for group, row in zip(groups, final, strict=True)
        for run, loss in zip(group, row, strict=True)
    }


def test_the_table_is_every_value_of_the_slider_within_the_bounds():
    decays = searching.decays_of(NARROW)
    assert decays == (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
    assert searching.budgets_of(decays) == (3, 6, 11)
    assert searching.budgets_of(DECAYS[1:]) == (3, 6, 12, 24, 31)
    assert searching.budgets_of(DECAYS[1:13]) == (3, 6, 12)
    assert searching.decays_of(Search(lowest=DECAYS[1], highest=DECAYS[2])) == DECAYS[1:3]
    groups = searching.groups(Settings(seed=3, seeds=2, decay=5.0), NARROW)
    assert [[r.settings.decay for r in group] for group in groups] == [list(decays)] * 2
    assert [{r.seed for r in group} for group in groups] == [{3}, {4}]
    with pytest.raises(ValueError, match="the range is reversed"):
        searching.decays_of(Search(lowest=10.0, highest=0.1))


def test_losses_are_counted_from_the_best_of_the_table_for_each_repetition():
    chosen = Settings(seeds=2)
    rows = [[2.0, *[1.5] * 9, 1.0], [1.0, *[3.0] * 9, 2.0]]
    found = searching.summarise(chosen, NARROW, histories(chosen, NARROW, rows))
    assert found is not None
    assert found.above["grid"].tolist() == [[0, 0]] * 3  # both ends are in every grid
    np.testing.assert_allclose(found.above["random"][-1], 0, atol=1e-12)
    expected = (1 - 3 / 11) * 0.5  # with 3 of 11: the best is among them in 3 of 11 cases, else a 1.5 at least
    assert found.above["random"][0, 0] == pytest.approx(expected)
    assert found.used["grid"] == (3, 6, 11)


def test_the_test_loss_is_read_only_where_it_is_asked_for():
    chosen = Settings(seeds=1)
    results = histories(chosen, NARROW, [[1.0 + i for i in range(11)]])
    poisoned = {run: replace(h, losses={s: h.losses[s] for s in ("train", "validation")}) for run, h in results.items()}
    clean, other = (searching.summarise(chosen, NARROW, r) for r in (results, poisoned))
    assert clean is not None
    assert other is not None
    assert clean.test == other.test == {}
    np.testing.assert_array_equal(clean.above["halving"], other.above["halving"])
    tested = searching.summarise(chosen, NARROW, results, tested=True)
    assert tested is not None
    assert tested.test["grid"].tolist() == [[0.0]] * 3


def test_repetitions_count_when_their_table_is_whole():
    chosen = Settings(seeds=2)
    results = histories(chosen, NARROW, [[1.0] * 11] * 2)
    last = searching.groups(chosen, NARROW)[1][-1]
    found = searching.summarise(chosen, NARROW, {run: h for run, h in results.items() if run != last})
    assert found is not None
    assert found.above["grid"].shape == (3, 1)
    assert searching.summarise(chosen, NARROW, {}) is None


def test_diverged_decays_are_not_picked_while_there_are_others():
    chosen = Settings(seeds=1)
    found = searching.summarise(chosen, NARROW, histories(chosen, NARROW, [[math.nan] * 6 + [1.0] + [math.nan] * 4]))
    assert found is not None
    assert found.above["grid"][-1].tolist() == [0]
    assert found.above["halving"][-1].tolist() == [0]
    assert np.isinf(found.above["random"][0])  # some draws hold nothing else
    nothing = searching.summarise(chosen, NARROW, histories(chosen, NARROW, [[math.nan] * 11]))
    assert nothing is not None
    assert np.isnan(nothing.above["grid"]).all()


def test_a_test_loss_that_is_no_number_counts_as_the_worst_and_one_that_was_not_asked_for_is_none():
    pair = [made(0.1, math.nan), made(0.1, 0.4)]
    assert searching._table(pair, False, True).test.tolist() == [math.inf, 0.4]
    assert np.isnan(searching._table(pair, False, False).test).all()


def test_with_early_stopping_a_look_is_at_the_weights_kept_by_then():
    def stopped(losses: list[float]) -> History:
        one = made()
        return replace(one, steps=np.arange(len(losses)), losses=one.losses | {"validation": np.array(losses)})

    runs_ = [stopped([3, 1, 2]), stopped([3, 2, 1, 4, 5])]
    kept = searching._table(runs_, True, False)
    assert kept.looks.tolist() == [[3, 1, 1, 1, 1], [3, 2, 1, 1, 1]]
    assert searching._table(runs_, False, False).looks.tolist() == [[3, 1, 2, 2, 2], [3, 2, 1, 4, 5]]


def test_real_runs_with_a_small_budget_come_near_the_best():
    found = searching.run(Settings(seeds=2, steps=300), NARROW)
    assert np.median(found.above["halving"][1]) < 0.05
    assert set(found.test) == {"grid", "random", "halving"}
    assert found.used["grid"] == found.used["random"] == (3, 6, 11)
    assert all(0.6 * most < used <= most and used % 1 for used, most in zip(found.used["halving"][:2], (3, 6), strict=True))
    assert (found.above["random"] >= 0).all()
