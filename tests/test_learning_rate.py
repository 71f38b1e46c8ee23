"""Maps of learning rate against decay: which runs in which order, what is best, and which convention leaves the best decay alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from wdviz import runs
from wdviz.experiments import learning_rate, overfitting
from wdviz.experiments.learning_rate import Cell, Map, Maps, Trend
from wdviz.plans import Landscape
from wdviz.results import SPLITS, History, Spread
from wdviz.runs import Run
from wdviz.settings import Settings, decay_rate

PLAN = Landscape(side=5, map_seeds=2)
DEFAULT = Landscape()


def every(settings: Settings, plan: Landscape) -> list[Run]:
    return [run for group in learning_rate.groups(settings, plan) for run in group]


def cell(rate: float, decay: float, loss: float, regime: str = "generalises") -> Cell:
    return Cell(rate, decay, dict.fromkeys(SPLITS, Spread(loss, loss, loss, 1)), regime)


def map_of(losses: np.ndarray, rates: tuple[float, ...], decays: tuple[float, ...]) -> Map:
    """A map with these losses (decays, rates); one that is not finite is a diverged cell."""
    places = list(np.ndindex(*losses.shape))
    regime = {at: "generalises" if math.isfinite(losses[at]) else "diverged" for at in places}
    return Map("decoupled", rates, decays, {(i, j): cell(rates[j], decays[i], float(losses[i, j]), regime[i, j]) for i, j in places})


# Plans


def test_the_axes_are_even_and_the_first_decay_is_none():
    rates, decays = learning_rate.axes(DEFAULT)
    assert len(rates) == len(decays) == 12
    assert decays[0] == 0
    assert (rates[0], rates[-1], decays[1], decays[-1]) == (DEFAULT.rate_from, DEFAULT.rate_to, DEFAULT.decay_from, DEFAULT.decay_to)
    assert Settings().learning_rate in rates  # the page opens on a cell
    assert Settings().decay in decays


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate_from": 0.1, "rate_to": 0.01}, "reversed: the lowest learning rate is 0.1 and the highest 0.01; swap them"),
        ({"decay_from": 5.0, "decay_to": 1.0}, "reversed: the lowest decay is 5"),
        ({"rate_from": 0.1, "rate_to": 0.1}, "no learning rate to choose between"),
        ({"decay_from": 1.0, "decay_to": 1.0}, "no decay to choose between"),
    ],
)
def test_a_range_without_a_choice_says_what_is_wrong(changes, said):
    with pytest.raises(ValueError, match=said):
        learning_rate.groups(Settings(), replace(PLAN, **changes))


def test_every_cell_is_trained_with_every_seed_and_no_decay_once():
    planned = set(every(Settings(seed=4), PLAN))
    rates, decays = learning_rate.axes(PLAN)
    for seed in (4, 5):
        for rate in rates:
            for decay in decays:
                for kind in ("decoupled", "coupled"):
                    chosen = Settings(learning_rate=rate, decay=decay, decay_kind=kind if decay else "decoupled", seed=4)
                    assert Run.of(chosen, seed) in planned
    own = {run for pair in learning_rate.pairs(Settings(seed=4), PLAN) for run in pair}
    assert len(planned - own) <= 2 * 5 * (2 * 5 - 1) <= len(planned)


def test_the_first_group_is_small_and_spans_both_maps():
    first = learning_rate.groups(Settings(), DEFAULT)[0]
    assert len(first) <= 20
    assert {run.seed for run in first} == {0}
    for kind in ("decoupled", "coupled"):
        mine = [run.settings for run in first if run.settings.decay_kind == kind]
        assert len({s.learning_rate for s in mine}) >= 3
        assert len({s.decay for s in mine}) >= 3


def test_the_first_seed_fills_both_maps_before_the_second_begins():
    seeds = [run.seed for group in learning_rate.groups(Settings(), DEFAULT)[1:] for run in group if run.settings.learning_rate != 0.03]
    assert seeds == sorted(seeds)
    assert set(seeds) == {0, 1, 2}


def test_runs_of_the_maps_stay_as_they_are_while_the_sliders_move():
    def mapped(settings: Settings) -> list[Run]:
        own = {run for pair in learning_rate.pairs(settings, PLAN) for run in pair}
        return [run for run in every(settings, PLAN) if run not in own]

    there = set(mapped(Settings(decay=7.0)))
    assert there == set(mapped(Settings(decay=70.0, learning_rate=5.0, decay_kind="coupled", seeds=9)))


def test_the_chosen_setting_on_a_cell_is_that_cell_and_shares_its_runs_with_the_overfitting_page():
    chosen, plan = Settings(), replace(PLAN, side=12, map_seeds=3)
    own = learning_rate.pairs(chosen, plan)
    assert [run.settings.decay for run in own[0]] == [0.0, chosen.decay]
    assert own[1] == overfitting.pair(chosen, 1)
    with_own, without = (len(set(every(s, plan))) for s in (chosen, replace(chosen, decay=0.3)))
    assert without == with_own + plan.map_seeds


def test_a_switch_of_decay_is_left_out():
    chosen = Settings(switch_at=100, decay_after=0.3)
    assert all(run.settings.switch_at == 0 for run in every(chosen, PLAN))


# Summaries of made-up results


def results(settings: Settings, plan: Landscape, groups: int | None = None) -> dict[Run, History]:
    """For each run a history whose losses name its learning rate, decay and seed."""
    planned = [run for group in learning_rate.groups(settings, plan)[:groups] for run in group]
    return {run: made(0.1, 0.2 + run.settings.learning_rate + run.settings.decay / 1000 + run.seed / 100) for run in planned}


def test_nothing_before_the_first_group_is_whole():
    given_results = results(Settings(), PLAN, groups=1)
    assert learning_rate.summarise(Settings(), PLAN, given_results) is not None
    for run in given_results:
        assert learning_rate.summarise(Settings(), PLAN, {r: h for r, h in given_results.items() if r != run}) is None


def test_cells_have_their_own_runs_and_the_median_of_their_seeds():
    found = learning_rate.summarise(Settings(), PLAN, results(Settings(), PLAN))
    assert found is not None
    for shown in found.maps:
        assert shown.whole
        for (i, j), one in shown.cells.items():
            assert (one.learning_rate, one.decay) == (shown.rates[j], shown.decays[i])
            low = 0.2 + one.learning_rate + one.decay / 1000
            loss = one.losses["validation"]
            assert (loss.median, loss.low, loss.high, loss.seeds) == pytest.approx((low + 0.005, low, low + 0.01, 2))
    assert found.chosen is found.maps[0]
    assert [arm.decay for arm in found.arms] == [0.0, 2.0]
    assert len(found.with_decay.histories) == 2


def test_a_cell_not_yet_trained_shows_its_nearest_neighbour():
    found = learning_rate.summarise(Settings(), DEFAULT, results(Settings(), DEFAULT, groups=1))
    assert found is not None
    shown = found.maps[0]
    assert 9 <= len(shown.cells) < 20
    assert not shown.whole
    assert set(shown.filled) == set(np.ndindex(12, 12))
    for at, near in shown.filled.items():
        distance = [math.dist(at, other) for other in shown.cells]
        assert math.dist(at, near) == min(distance)
        assert (at == near) == (at in shown.cells)


def test_the_kind_on_neither_map_has_none():
    chosen = Settings(decay_kind="independent")
    found = learning_rate.summarise(chosen, PLAN, results(chosen, PLAN))
    assert found is not None
    assert found.chosen is None


@pytest.mark.parametrize("power", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_the_trend_is_the_power_with_which_the_best_decay_moves(power):
    rates, decays = tuple(10.0 ** np.arange(-3, 1)), (0.0, *10.0 ** np.linspace(-5, 5, 101))
    best = [0.1 * rate**power for rate in rates]
    losses = np.array([[1.0 if d == 0 else abs(math.log(d / b)) / 100 for b in best] for d in decays])
    trend = map_of(losses, rates, decays).trend
    assert trend is not None
    assert trend.power == pytest.approx(power, abs=0.02)
    assert trend.kind == ("stays" if abs(power) < 0.25 else "follows" if abs(power) >= 0.6 else "drifts")
    assert trend.decays == pytest.approx(best, rel=0.13)
    if power == -1:
        assert trend.product == pytest.approx(0.1, rel=0.13)


def test_learning_rates_at_which_decay_hardly_matters_say_nothing():
    rates, decays = (1.0, 2.0, 3.0, 4.0), (0.0, 1.0, 10.0)
    losses = np.array([[1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 0.9, 0.9], [0.95, 0.95, 0.95, 0.95]])
    trend = map_of(losses, rates, decays).trend
    assert trend is not None
    assert (trend.decays, trend.kind) == ((1.0,) * 4, "stays")
    losses[2, 3] = 0.2
    losses[:, 0] = (1.0, 0.99, 0.96)
    trend = map_of(losses, rates, decays).trend
    assert trend is not None
    assert (trend.rates, trend.decays) == ((2.0, 3.0, 4.0), (1.0, 1.0, 10.0))


def test_the_best_cell_has_the_lowest_validation_loss_and_none_diverged():
    losses = np.array([[3.0, 2.0, 1.0], [math.nan, 0.5, 4.0], [0.1, math.inf, 9.0]])
    shown = map_of(losses, (1.0, 2.0, 3.0), (0.0, 1.0, 2.0))
    assert shown.best == (2, 0)
    assert shown.ridge == ((2, 0), (1, 1), (0, 2))
    assert shown.trend is None  # of three learning rates one is best without decay
    lost = map_of(np.full((2, 2), math.nan), (1.0, 2.0), (0.0, 1.0))
    assert (lost.best, lost.ridge, lost.trend) == (None, (), None)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12))
def test_the_middle_is_one_of_the_best_decays(decays):
    middle = Trend((1.0,) * len(decays), tuple(decays), 0.0).middle
    assert middle in decays
    assert sum(d < middle for d in decays) <= len(decays) / 2
    assert sum(d > middle for d in decays) <= len(decays) / 2


# Real runs


@pytest.fixture(scope="module")
def real() -> Maps:
    return learning_rate.run(Settings(), Landscape(side=7, map_seeds=1))


def test_the_default_ranges_show_all_four_regimes(real):
    assert {c.regime for c in real.maps[0].cells.values()} == {"diverged", "learns nothing", "memorises", "generalises"}
    assert {c.regime for c in real.maps[1].cells.values()} == {"learns nothing", "memorises", "generalises"}


def test_decoupled_decay_diverges_where_learning_rate_times_decay_is_above_two(real):
    for one in real.maps[0].cells.values():
        assert (one.regime == "diverged") == (one.learning_rate * one.decay > 2)


def test_the_best_decay_moves_with_the_learning_rate_in_the_papers_convention_alone(real):
    against = learning_rate.run(Settings(), Landscape(side=7, map_seeds=1, against="independent")).maps[1]
    powers = [shown.trend.power for shown in (*real.maps, against) if shown.trend]
    assert len(powers) == 3
    assert abs(powers[0]) < 0.6
    assert abs(powers[1]) < 0.4
    assert powers[2] > 0.4
    assert powers[2] - powers[0] == pytest.approx(1, abs=0.35)  # the same runs, read along the diagonal


def test_the_library_call_and_the_page_see_the_same_numbers(real):
    planned = every(real.settings, real.plan)
    again = learning_rate.summarise(real.settings, real.plan, runs.finished(planned))
    assert again is not None
    assert repr([shown.cells for shown in again.maps]) == repr([shown.cells for shown in real.maps])  # NaN is not NaN


def test_independent_decay_is_what_the_step_takes_off():
    assert decay_rate(Settings(decay_kind="independent", learning_rate=0.5), 0.01) == 0.01
