"""The width of the range of good decays: its ends between candidates, where it is open, and what it is measured against."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from wdviz import datasets
from wdviz.experiments import widths
from wdviz.experiments.widths import within
from wdviz.plans import Search
from wdviz.settings import DATASETS, Settings
from wdviz.settings import DECAYS as SLIDER

DECAYS = (0.1, 1.0, 10.0, 100.0)


def ranged(*losses: float, share: float = 0.05) -> widths.Range:
    found = within(DECAYS[: len(losses)], np.array(losses), share)
    assert found is not None
    return found


def test_ends_lie_where_straight_lines_over_log_decay_pass_the_bound():
    found = ranged(2.0, 1.0, 1.5, share=0.1)
    assert (found.best, found.open_low, found.open_high) == (1.0, False, False)
    assert found.low == pytest.approx(10**-0.1)  # a tenth of the way from 1 to 2
    assert found.high == pytest.approx(10**0.2)
    assert found.decades == pytest.approx(0.3)


def test_a_range_that_runs_into_the_end_of_the_grid_is_open():
    left, right = ranged(1.0, 1.02, 9.0), ranged(9.0, 1.02, 1.0)
    assert (left.open_low, left.open_high, left.low) == (True, False, 0.1)
    assert (right.open_low, right.open_high, right.high) == (False, True, 10.0)
    assert ranged(1.0, 1.0, 1.0).decades == 2
    first = ranged(1.02, 1.0, 9.0)  # the lowest loss is the second
    assert (first.best, first.low, first.open_low, first.open_high) == (1.0, 0.1, True, False)


def test_unless_told_otherwise_five_per_cent_count_as_little_and_candidates_may_lie_apart_as_they_like():
    found = within((1.0, 100.0), np.array([1.0, 1.5]))
    assert found is not None
    assert found.high == pytest.approx(100 ** (0.05 / 0.5))


def test_a_second_valley_beyond_a_hill_does_not_count():
    found = ranged(1.01, 9.0, 1.0, 9.0)
    assert found.low > 1


def test_neighbours_that_diverged_end_the_range_at_its_candidate():
    found = ranged(math.nan, 1.0, math.inf)
    assert (found.low, found.high, found.open_low, found.open_high) == (1.0, 1.0, False, False)
    assert within(DECAYS, np.full(4, np.nan)) is None


def test_a_loss_of_exactly_zero_is_no_error():
    assert ranged(0.0, 0.0, 1.0).low == 0.1


@given(st.lists(st.floats(0.01, 10), min_size=4, max_size=4), st.floats(0.01, 0.5))
def test_the_loss_read_off_the_lines_is_within_the_bound_inside_and_not_just_outside(losses, share):
    found = ranged(*losses, share=share)
    bound = min(losses) * (1 + share)

    def read(log_decay: float) -> float:
        return float(np.interp(log_decay, np.log10(DECAYS), losses))

    low, high = math.log10(found.low), math.log10(found.high)
    assert all(read(at) <= bound * (1 + 1e-9) for at in np.linspace(low, high, 50))
    assert found.open_low or read(low - 0.01) > bound * (1 - 1e-9)
    assert found.open_high or read(high + 0.01) > bound * (1 - 1e-9)


@pytest.mark.parametrize("name", DATASETS)
def test_axes_are_what_the_data_set_has(name):
    axes = widths.axes(Settings(dataset=name, n_train=4))
    assert all(20 <= n <= datasets.max_train(name) for n in axes["n_train"])
    assert len(axes["n_train"]) >= 2
    assert ("flip" in axes) == (name not in ("sine", "diabetes"))
    assert ("noise" in axes) == (name == "sine")


def test_groups_train_three_seeds_of_nine_decays_for_each_value_and_nothing_else_changes():
    chosen = Settings(decay=5.0, seed=5, n_train=33, edits="")
    groups = widths.groups(chosen, Search())
    assert len(groups) == 10
    for group, n in zip(groups[:5], widths.SIZES, strict=True):
        assert len(set(group)) == 27
        assert {(r.settings.n_train, r.settings.flip) for r in group} == {(n, 0.15)}
        assert {r.seed for r in group} == {5, 6, 7}
    assert [{(r.settings.n_train, r.settings.flip) for r in group} for group in groups[5:]] == [{(33, f)} for f in widths.NOISES]
    assert groups == widths.groups(Settings(decay=50.0, seed=5, n_train=33), Search())
    noisy = widths.groups(Settings(dataset="sine"), Search())[-len(widths.NOISES) :]
    assert [{r.settings.noise for r in group} for group in noisy] == [{noise} for noise in widths.NOISES]
    assert widths.decays_of(Search(lowest=SLIDER[1], highest=SLIDER[2])) == SLIDER[1:3]


def test_widths_fill_in_value_by_value_from_the_medians_over_seeds():
    chosen, plan = Settings(), Search()
    decays = widths.decays_of(plan)
    groups = widths.groups(chosen, plan)
    results = {}
    for run in groups[1]:  # 40 points; one seed in three disagrees
        at = decays.index(run.settings.decay)
        results[run] = made(test=1.0 + abs(at - 4) if run.seed else 0.01 * (1 + at))
    assert widths.summarise(chosen, plan, {}, "n_train") is None
    found = widths.summarise(chosen, plan, results, "n_train")
    assert found is not None
    assert found.values == (40,)
    (only,) = found.ranges
    assert only is not None
    assert only.best == decays[4]
    assert widths.summarise(chosen, plan, results, "noise") is None


def test_what_diverges_is_no_range():
    chosen, plan = Settings(), Search()
    results = {run: made(test=math.nan) for run in widths.groups(chosen, plan)[0]}
    found = widths.summarise(chosen, plan, results, "n_train")
    assert found is not None
    assert found.ranges == (None,)


def test_an_axis_that_the_data_set_does_not_have_is_refused():
    with pytest.raises(ValueError, match="against is 'flip'; for diabetes it must be one of n_train"):
        widths.run(Settings(dataset="diabetes", n_train=40), against="flip")


def test_with_more_points_the_best_decay_is_smaller():
    found = widths.run(Settings(steps=300), against="n_train")
    first, last = found.ranges[0], found.ranges[-1]
    assert first is not None
    assert last is not None
    assert last.best < first.best / 3
