"""What cross-validation chooses: on planted losses, against scikit-learn, and with the test set poisoned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers import count_compilations
from tests.test_experiments import made
from wdviz import datasets, runs
from wdviz.experiments import price, ridge, tuning
from wdviz.experiments.tuning import Curve, Tuning
from wdviz.plans import Search, between
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings
from wdviz.sweeps import Cache, Sweep

QUICK = Settings(steps=100, seeds=2)
FEW = Search(candidates=4, folds=3)
DECAYS_OF_FEW = tuning.candidates(FEW)


def curve(losses: Sequence[Sequence[float]], scores: Sequence[Sequence[float]] | None = None, folds: int = 0) -> Curve:
    """A curve with these held-out losses, (folds, decays)."""
    table = np.array(losses, float)
    decays = (0.0, *(10.0**i for i in range(table.shape[1] - 1)))
    accuracies = np.array(scores, float) if scores is not None else np.nan * table
    return Curve(0, decays, table, accuracies, table / 2, accuracies, folds or len(table), True)


def planted(settings: Settings, plan: Search, loss: Callable[[int, int, float], float], score: float = 0.9) -> dict[Run, History]:
    """Made-up results of all runs: `loss` of repetition, fold and decay."""
    planned = iter(tuning.groups(settings, plan))
    return {
        run: made(test=loss(i, fold, run.settings.decay), scores=(1.0, score))
        for i in range(settings.seeds)
        for fold in range(plan.folds * plan.repeats)
        for run in next(planned)
    }


# Plans


def test_candidates_are_no_decay_and_an_even_grid_on_the_slider():
    assert tuning.candidates(Search(lowest=DECAYS[1], highest=DECAYS[4], candidates=4)) == (0.0, *DECAYS[1:5])
    assert tuning.candidates(Search(candidates=4, lowest=0.01, highest=10.0)) == (0.0, 0.01, 0.1, 1.0, 10.0)
    assert tuning.candidates(Search(candidates=25, lowest=1.0, highest=2.0)) == (0.0, 1.0, 2.0)


@given(st.sampled_from(DECAYS[1:]), st.sampled_from(DECAYS[1:]), st.integers(2, 25))
def test_a_grid_starts_and_ends_where_it_is_told_and_ascends(low, high, count):
    if low < high:
        found = between(DECAYS[1:], low, high, count, name="decay")
        assert (found[0], found[-1]) == (low, high)
        assert list(found) == sorted(set(found))
        assert 2 <= len(found) <= count
        assert set(found) <= set(DECAYS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowest": 5.0, "highest": 0.1}, "the range is reversed: the lowest decay is 5 and the highest 0.1; swap them"),
        ({"lowest": 5.0, "highest": 5.0}, "a grid from 5 to 5 leaves no decay to choose between; take two values at least"),
        ({"candidates": 1}, "a grid of 1 value leaves no decay to choose between; take two values at least"),
    ],
)
def test_a_grid_without_a_choice_is_refused_in_words(changes: dict[str, Any], message: str):
    for experiment in (tuning, price):
        with pytest.raises(ValueError, match=message):
            experiment.groups(Settings(), Search(**changes))
    with pytest.raises(ValueError, match=message):
        tuning.summarise(Settings(), Search(**changes), {})


def test_more_trainings_than_one_visitor_may_ask_for_are_refused_with_the_sum():
    with pytest.raises(ValueError, match=r"13 decays x 20 folds x 10 repeats x 5 seeds are 13,000 trainings; 4,000 at most"):
        tuning.groups(Settings(), Search(folds=20, repeats=10))
    assert sum(map(len, tuning.groups(Settings(seeds=2), Search(candidates=9, folds=20, repeats=10)))) == tuning.MOST_RUNS


def test_groups_hold_one_fold_each_and_the_first_repetition_comes_first():
    plan = replace(FEW, repeats=2)
    chosen = Settings(seed=7, seeds=2, decay=3.0, switch_at=100, decay_after=5.0)
    groups = tuning.groups(chosen, plan)
    assert [{(r.seed, r.fold) for r in group} for group in groups] == [
        {(7 + i, (fold, 3, repeat))} for i in range(2) for repeat in range(2) for fold in range(3)
    ]
    for group in groups:
        assert [r.settings.decay for r in group] == list(DECAYS_OF_FEW)
        assert {r.settings.switch_at for r in group} == {0}


def test_the_decay_of_the_slider_and_its_switch_change_no_run():
    assert tuning.groups(Settings(decay=2.0), FEW) == tuning.groups(Settings(decay=50.0, switch_at=100, decay_after=7.0), FEW)


# Curves


def test_mean_and_standard_error_are_those_of_the_folds():
    c = curve([[4, 1, 3], [2, 2, 3], [3, 3, 6]])
    assert c.mean.tolist() == [3, 2, 4]
    np.testing.assert_allclose(c.error, np.std([[4, 1, 3], [2, 2, 3], [3, 3, 6]], axis=0, ddof=1) / math.sqrt(3))


def test_the_standard_error_of_the_accuracies_is_theirs_not_that_of_the_losses():
    c = curve([[4, 1], [2, 2]], [[0.5, 0.9], [0.7, 0.8]])
    np.testing.assert_allclose(c.score, [0.6, 0.85])
    np.testing.assert_allclose(c.score_error, np.std([[0.5, 0.9], [0.7, 0.8]], axis=0, ddof=1) / math.sqrt(2))


def test_repeats_of_the_same_folds_do_not_shrink_the_standard_error():
    four_times = curve([[1.0], [2.0], [4.0]] * 4, folds=3)
    assert four_times.error[0] == pytest.approx(np.std([1, 2, 4] * 4, ddof=1) / math.sqrt(3))


def test_one_fold_alone_has_no_standard_error_and_its_minimum_is_both_choices():
    c = curve([[3, 1, 2]])
    assert np.isnan(c.error).all()
    assert (c.best, c.simplest, c.right) == (1, 1, (1, 1))


def test_the_one_standard_error_choice_is_the_largest_decay_that_is_about_as_good():
    c = curve([[9, 3.0, 2.0, 2.2, 2.9, 2], [9, 5.0, 4.0, 4.2, 6.9, 9]])  # error at the minimum: 1
    assert c.mean.tolist() == [9, 4, 3, 3.2, 4.9, 5.5]
    assert (c.best, c.simplest, c.right) == (2, 3, (1, 3))


def test_the_range_ends_where_the_curve_first_leaves_it():
    c = curve([[2.5, 9, 2, 9, 2.5], [4.5, 9, 4, 9, 4.5]])
    assert c.mean.tolist() == [3.5, 9, 3, 9, 3.5]
    assert c.right == (2, 2)


@given(st.lists(st.lists(st.floats(0.01, 10), min_size=4, max_size=4), min_size=2, max_size=6))
def test_the_range_holds_the_minimum_and_nothing_above_the_bound(losses):
    c = curve(losses)
    assert c.right is not None
    assert c.best is not None
    low, high = c.right
    bound = c.mean[c.best] + c.error[c.best]
    assert low <= c.best <= high == c.simplest
    assert (c.mean[low : high + 1] <= bound).all()
    assert low == 0 or c.mean[low - 1] > bound
    assert high == 3 or c.mean[high + 1] > bound


def test_best_by_loss_and_by_accuracy_may_differ_and_ties_go_to_the_larger_decay():
    c = curve([[3, 1, 2, 4]] * 2, [[0.7, 0.8, 0.9, 0.9], [0.8, 0.9, 0.9, 0.9]])
    assert (c.best, c.most_accurate) == (1, 3)
    assert curve([[2, 1, 1, 3]]).best == 2
    assert curve([[1, 1]], [[0.1 + 0.2, 0.3]]).most_accurate == 1  # which rounding alone tells apart


def test_a_tie_is_a_tie_but_for_rounding_alone():
    assert curve([[1, 0.3, 0.3 * (1 + 1e-10)]]).best == 2
    assert curve([[1, 0.3, 0.3004]]).best == 1


def test_diverged_candidates_are_never_chosen():
    c = curve([[3, 1, math.nan], [3, 2, 0.1]], [[0.5, 0.4, math.nan], [0.5, 0.4, 1.0]])
    assert (c.best, c.simplest, c.most_accurate) == (1, 1, 0)
    nothing = curve([[math.nan, math.inf]] * 2, [[math.nan, math.nan]] * 2)
    assert (nothing.best, nothing.simplest, nothing.most_accurate, nothing.right) == (None, None, None, None)
    assert math.isnan(nothing.cost(1.0))


def test_cost_of_a_guess_is_read_off_the_line_between_candidates():
    c = curve([[4, 3, 2, 5]])  # decays 0, 1, 10, 100
    assert c.cost(10.0) == 0
    assert c.cost(1.0) == pytest.approx(0.5)
    assert c.cost(math.sqrt(10)) == pytest.approx(0.25)
    assert c.cost(0.5) == pytest.approx(0.75)
    assert math.isnan(c.cost(200.0))
    small = curve([[2, 1.5, 0.5, 2.5]])
    assert [small.cost(d) for d in (0.0, 1.0, 10.0, 100.0)] == pytest.approx([3, 2, 0, 4])
    assert math.isnan(curve([[1, 0, 2]]).cost(1.0))  # nothing is a share of no loss at all


def test_places_between_candidates():
    decays = (0.0, 1.0, 10.0, 100.0)
    assert [tuning.place(decays, d) for d in (0.0, 0.01, 1.0, math.sqrt(10), 10.0, math.sqrt(1000), 100.0, 101.0)] == pytest.approx(
        [0, 0.5, 1, 1.5, 2, 2.5, 3, 4]
    )


# Summaries


def test_a_curve_is_whole_with_all_folds_of_all_repeats():
    plan, chosen = replace(FEW, repeats=2), Settings(seeds=1, seed=5)
    given, groups = planted(chosen, plan, lambda i, fold, d: 1 + d), tuning.groups(chosen, plan)
    for folds in range(1, 7):
        found = tuning.summarise(chosen, plan, {run: given[run] for group in groups[:folds] for run in group})
        assert found is not None
        (c,) = found.curves
        assert (c.seed, len(c.losses), c.whole) == (5, folds, folds == 6)
        assert (set(c.train_scores.ravel()), set(c.scores.ravel())) == ({1.0}, {0.9})


def test_the_first_repetition_fills_in_fold_by_fold_and_others_count_when_whole():
    plan, chosen = FEW, Settings(seeds=2, seed=5)
    results: dict[Run, History] = {}
    seen: list[Any] = []
    found = None
    made_up = planted(chosen, plan, lambda i, fold, d: 1 + i + fold / 10 + d)
    for group in tuning.groups(chosen, plan):
        results |= {run: made_up[run] for run in group[:-1]}  # a fold counts once all candidates are trained on it
        half = tuning.summarise(chosen, plan, results)
        assert (half and [len(c.losses) for c in half.curves]) == (found and [len(c.losses) for c in found.curves])
        results[group[-1]] = made_up[group[-1]]
        found = tuning.summarise(chosen, plan, results)
        assert found is not None
        seen.append([(len(c.losses), c.whole) for c in found.curves])
    first, second, whole = (1, False), (2, False), (3, True)
    assert seen == [[first], [second], [whole], [whole], [whole], [whole, whole]]
    assert tuning.summarise(chosen, plan, {}) is None
    assert found is not None
    assert [c.seed for c in found.curves] == [5, 6]
    np.testing.assert_allclose(found.curves[1].mean, [2.1 + d for d in DECAYS_OF_FEW])


def test_choices_over_repetitions():
    chosen = Settings(seeds=3)
    results = planted(chosen, FEW, lambda i, fold, d: abs(DECAYS_OF_FEW.index(d) - (1, 3, 2)[i]) + 1.0)
    found = tuning.summarise(chosen, FEW, results)
    assert found is not None
    spread = found.spread("best")
    assert spread is not None
    assert (spread.median, spread.low, spread.high, spread.seeds) == (DECAYS_OF_FEW[2], DECAYS_OF_FEW[1], DECAYS_OF_FEW[3], 3)


def test_the_median_of_an_even_number_of_choices_is_the_lower_of_the_middle_ones():
    results = planted(QUICK, FEW, lambda i, fold, d: abs(DECAYS_OF_FEW.index(d) - (4, 1)[i]) + 1.0)
    found = tuning.summarise(QUICK, FEW, results)
    spread = found and found.spread("best")
    assert spread
    assert (spread.median, spread.low, spread.high) == (DECAYS_OF_FEW[1], DECAYS_OF_FEW[1], DECAYS_OF_FEW[4])


def test_where_all_diverged_there_is_no_choice_and_no_error():
    results = planted(QUICK, FEW, lambda *_: math.nan)
    found = tuning.summarise(QUICK, FEW, results)
    assert found is not None
    assert found.spread("best") is None


def test_a_training_that_diverged_counts_as_none_even_where_a_loss_is_left():
    results = planted(QUICK, FEW, lambda i, fold, d: 1.0 + d)
    for run in results:
        if run.settings.decay == 0:  # with early stopping the weights kept may be from before
            results[run] = made(test=0.1, norm=math.inf)
    found = tuning.summarise(QUICK, FEW, results)
    assert found is not None
    assert np.isnan(found.curves[0].mean[0])
    assert found.curves[0].best == 1


# Real runs


@pytest.fixture(scope="module")
def default() -> Tuning:
    return tuning.run(Settings(seeds=1))


def test_the_default_has_a_minimum_within_the_grid_between_overfitting_and_underfitting(default):
    (c,) = default.curves
    assert c.whole
    assert c.losses.shape == (5, 13)
    low, high = c.right
    assert 1 < low <= c.best <= high < 12
    assert c.train.mean(0)[0] < 0.1 < c.mean[0]  # left of it: nearly no training loss, and a large one on new points
    assert c.train.mean(0)[-1] > 0.6  # right of it: not even the training points are learnt
    assert c.mean[0] > 5 * c.mean[c.best]


def test_held_out_losses_are_those_of_the_fold(default):
    """By another way: the kernel's parameters, in NumPy, on the rows that scikit-learn holds out."""
    chosen = Settings(seeds=1)
    (run,) = (run for run in tuning.groups(chosen, Search())[2] if run.settings.decay == 2)
    history = runs.result_of(run)
    split = datasets.split_for(chosen, 0)
    rows = datasets.held_out(split, 5, 0)[2]
    x = split.x_train[rows].astype(np.float64)
    layers = [history.params[name] for name in history.layers]
    for layer in layers[:-1]:
        x = np.maximum(x @ layer["weight"] + layer["bias"], 0)
    logits = x @ layers[-1]["weight"] + layers[-1]["bias"]
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    loss = -logs[np.arange(len(rows)), split.y_train[rows]].mean()
    (c,) = default.curves
    assert c.losses[2, default.decays.index(2.0)] == pytest.approx(loss, rel=1e-4)
    assert c.scores[2, default.decays.index(2.0)] == pytest.approx((logits.argmax(1) == split.y_train[rows]).mean())


@pytest.mark.parametrize("name", ["moons", "diabetes"])
def test_cross_validation_never_touches_the_test_set(name, monkeypatch):
    chosen, plan = replace(QUICK, dataset=name, n_train=30, seeds=1), replace(FEW, folds=2)

    def losses() -> np.ndarray:
        with runs.FairPool(1) as pool:
            jobs = [job for group in tuning.groups(chosen, plan) for job in group]
            sweep = Sweep(jobs, pool.start, Cache())
            found = tuning.summarise(chosen, plan, sweep.wait_all())
        assert found is not None
        return found.curves[0].losses

    clean, original = losses(), datasets.split_for
    touched = []

    def poisoned(settings: Settings, seed: int) -> datasets.Split:
        split = original(settings, seed)
        touched.append(seed)
        return replace(split, y_test=np.zeros_like(split.y_test), x_test=np.full_like(split.x_test, np.nan))

    monkeypatch.setattr(datasets, "split_for", poisoned)
    np.testing.assert_array_equal(losses(), clean)
    assert touched
    # The same poison does reach a run that looks at the test set.
    assert not np.isfinite(price.groups(chosen, plan)[0][0].execute().loss("test"))


def test_a_move_of_the_slider_trains_nothing_and_compiles_nothing(default):
    with count_compilations() as compiled:
        moved = replace(Settings(seeds=1), decay=50.0, switch_at=50, decay_after=0.1)
        jobs = [job for group in tuning.groups(moved, Search()) for job in group]
        assert runs.sweep(jobs).done
        found = tuning.summarise(moved, Search(), runs.finished(jobs))
    assert not compiled
    assert found is not None
    np.testing.assert_array_equal(found.curves[0].losses, default.curves[0].losses)


@pytest.mark.parametrize(
    "changes",
    [
        {"regularisers": ("early stopping",), "patience": 20},
        {"dataset": "sine", "n_train": 20},
        {"n_train": 4, "flip": 0.0},
        {"learning_rate": 10.0, "optimiser": "sgd", "dataset": "sine", "n_train": 20},
    ],
)
def test_other_settings_run_through(changes):
    found = tuning.run(replace(QUICK, seeds=1, **changes), replace(FEW, folds=2))
    (c,) = found.curves
    if changes.get("optimiser") == "sgd":
        assert found.spread("best") is None  # all diverged
    else:
        assert c.best is not None
    assert (c.most_accurate is None) == ("dataset" in changes)


def test_labels_of_one_class_are_no_error():
    chosen = Settings(n_train=4, flip=0.5, steps=60, seeds=1)
    chosen = replace(chosen, seed=next(s for s in range(99) if datasets.split_for(chosen, s).one_class))
    (c,) = tuning.run(chosen, replace(FEW, folds=2)).curves
    assert c.score.tolist() == [1.0] * 5


# The linear model's closed form

LINE = Settings(
    dataset="sine",
    n_train=20,
    noise=0.3,
    model="linear",
    optimiser="momentum",
    decay_kind="coupled",
    learning_rate=0.1,
    schedule="constant",
    steps=1500,
    seeds=1,
)
LEAVE_ONE_OUT = Search(folds=20, candidates=5, lowest=0.001, highest=10.0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decay_kind": "decoupled"},
        {"decay_kind": "decoupled", "optimiser": "sgd", "learning_rate": 0.1},
        {"decay_kind": "independent"},
        {"optimiser": "adam", "learning_rate": 0.03, "schedule": "cosine"},
    ],
)
def test_with_as_many_folds_as_points_the_trained_curve_is_the_exact_one(changes):
    plan = replace(LEAVE_ONE_OUT, highest=1.0) if changes.get("decay_kind") == "independent" else LEAVE_ONE_OUT
    found = tuning.run(replace(LINE, **changes), plan)
    assert found.exact is not None
    np.testing.assert_allclose(found.curves[0].mean, found.exact.losses, rtol=2e-4)
    assert np.ptp(found.exact.losses) > 0.1 * found.exact.losses.min()  # a curve, not a flat line


def test_of_a_set_that_is_standardised_the_exact_curve_is_near_and_that_with_each_folds_own_scale_is_exact():
    chosen = replace(LINE, dataset="diabetes", noise=0.0, steps=2000)
    plan = replace(LEAVE_ONE_OUT, lowest=0.01)
    found = tuning.run(chosen, plan)
    (c,) = found.curves
    assert found.exact is not None
    np.testing.assert_allclose(found.exact.losses[1:], c.mean[1:], rtol=0.05)
    split = datasets.split_for(chosen, 0)
    x, y = split.x_train[:20].astype(np.float64), split.y_train[:20].astype(np.float64)
    for at, decay in enumerate(found.decays):
        if decay:
            model = make_pipeline(StandardScaler(), SklearnRidge(alpha=19 * decay))
            scores = cross_val_score(model, x, y, cv=KFold(20), scoring="neg_mean_squared_error")
            assert c.mean[at] == pytest.approx(-0.5 * scores.mean(), rel=2e-3)


def test_cross_validation_in_five_folds_is_that_of_scikit_learn():
    chosen, plan = LINE, replace(LEAVE_ONE_OUT, folds=5)
    (c,) = tuning.run(chosen, plan).curves
    split = datasets.split_for(chosen, 0)
    x, y = split.x_train[:20].astype(np.float64), split.y_train[:20].astype(np.float64)
    for at, decay in enumerate(c.decays):
        cut = KFold(5, shuffle=True, random_state=0)
        scores = cross_val_score(SklearnRidge(alpha=16 * decay), x, y, cv=cut, scoring="neg_mean_squared_error")
        np.testing.assert_allclose(c.losses[:, at], -0.5 * scores, rtol=2e-4)


@pytest.mark.parametrize(("kind", "counts"), [("coupled", 1.0), ("decoupled", 0.7)])  # momentum of 0.3: (1 - 0.3) times
def test_degrees_of_freedom_are_those_of_the_fit_to_all_points(kind, counts):
    decays = (0.0, 0.1, 2.0)
    exact = ridge.leave_one_out(replace(LINE, dataset="diabetes", noise=0.0, decay_kind=kind, momentum=0.3), decays)
    assert exact is not None
    rates = np.linalg.eigvalsh(np.cov(datasets.split_for(replace(LINE, dataset="diabetes", noise=0.0), 0).x_train[:20].T, bias=True))
    np.testing.assert_allclose(exact.freedom, [1 + (rates / (rates + counts * decay)).sum() for decay in decays], rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "feedforward"}, "the model is not linear"),
        ({"model": "recurrent"}, "the model is not linear"),
        ({"dataset": "moons"}, "classes have no least squares"),
        ({"optimiser": "adam", "decay_kind": "decoupled"}, "AdamW minimises no penalised loss"),
        ({"optimiser": "adam", "decay_kind": "independent"}, "AdamW minimises no penalised loss"),
        ({"decay_on": "everything"}, "not the weights alone decay"),
        ({"decay_on": "weights and biases"}, "not the weights alone decay"),
        ({"spare": "output layer"}, "not the weights alone decay"),
        ({"regularisers": ("l1",)}, "l1 is on"),
        ({"regularisers": ("input noise", "l1")}, "input noise is on"),
    ],
)
def test_where_there_is_no_closed_form_it_says_why(changes, why):
    chosen = replace(LINE, **changes)
    assert ridge.why_not(chosen) == why
    assert ridge.leave_one_out(chosen, (0.0, 1.0)) is None
    assert ridge.why_not(LINE) == ""
