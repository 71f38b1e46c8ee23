"""Folds: each training point held out once, nothing of it or of the test set in the training, and messages that say what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from wdviz import datasets
from wdviz.datasets import Split
from wdviz.runs import Run
from wdviz.settings import DATASETS, Settings


def small(name: str = "moons", n: int = 40, flip: float = 0.15, seed: int = 0, noise: float = 0.2) -> Split:
    return datasets.load(name, n, noise, flip, seed)


folded = st.tuples(st.sampled_from(("moons", "iris", "digits", "diabetes")), st.integers(40, 75), st.integers(2, 6), st.integers(0, 9))


@given(folded)
def test_each_point_is_held_out_once_and_folds_are_alike_in_size(case):
    name, n, count, repeat = case
    split = small(name, n)
    try:
        folds = datasets.held_out(split, count, repeat)
    except ValueError:
        assert name == "digits"  # the rarest of ten labels
        return
    assert len(folds) == count
    assert sorted(np.concatenate(folds)) == list(range(n))
    assert max(map(len, folds)) - min(map(len, folds)) <= (1 if split.task == "regression" else split.outputs)


@given(st.integers(2, 9), st.integers(0, 9))
def test_folds_are_scikit_learns(count, repeat):
    labels = small("iris", 60, noise=0.0).y_train[:60]
    reference = StratifiedKFold(count, shuffle=True, random_state=repeat).split(np.zeros((60, 1)), labels)
    for found, (_, expected) in zip(datasets.held_out(small("iris", 60, noise=0.0), count, repeat), reference, strict=True):
        np.testing.assert_array_equal(found, expected)
    reference = KFold(count, shuffle=True, random_state=repeat).split(np.zeros((60, 1)))
    for found, (_, expected) in zip(datasets.held_out(small("diabetes", 60), count, repeat), reference, strict=True):
        np.testing.assert_array_equal(found, expected)


@given(st.integers(2, 8))
def test_classes_have_their_shares_in_all_folds(count):
    split = small("penguins", 80)
    labels = split.y_train[:80]
    counts = np.array([np.bincount(labels[fold], minlength=split.outputs) for fold in datasets.held_out(split, count, 0)])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_each_repeat_draws_other_folds_and_the_same_one_the_same():
    split = small()
    first, again, other = (datasets.held_out(split, 5, repeat) for repeat in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(a.tolist() != b.tolist() for a, b in zip(first, other, strict=True))


@settings(max_examples=20)
@given(st.sampled_from(("moons", "breast cancer", "diabetes")), st.integers(0, 3))
def test_the_kept_come_first_then_the_held_out_and_the_inputs_are_scaled_by_the_kept_alone(name, which):
    split = small(name, 50)
    fold = datasets.held_out(split, 4, 0)[which]
    data = datasets.without(split, fold)
    kept = np.setdiff1d(np.arange(50), fold)
    assert (data["n_train"], data["n_held"]) == (len(kept), len(fold))
    x, y = np.asarray(data["x_train"]), np.asarray(data["y_train"])
    np.testing.assert_array_equal(y[:50], split.y_train[np.concatenate([kept, fold])])
    assert x.shape == split.x_train.shape
    assert (x[50:] == 0).all()
    if split.standardised:
        scaler: Any = StandardScaler().fit(split.x_train[kept].astype(np.float64))
        np.testing.assert_allclose(x[: len(kept)], scaler.transform(split.x_train[kept]), atol=1e-5)
        np.testing.assert_allclose(x[len(kept) : 50], scaler.transform(split.x_train[fold]), atol=1e-5)
        np.testing.assert_allclose(np.asarray(data["x_validation"]), scaler.transform(split.x_validation), atol=1e-5)
    else:
        np.testing.assert_array_equal(x[: len(kept)], split.x_train[kept])


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_trained_on_does_not_know_the_points_held_out(name):
    split = small(name, 40, flip=0.0, noise=0.0)
    fold = np.arange(8)
    poisoned = split.x_train.copy()
    poisoned[fold] += 1000
    clean, other = datasets.without(split, fold), datasets.without(replace(split, x_train=poisoned), fold)
    np.testing.assert_array_equal(np.asarray(clean["x_train"])[:32], np.asarray(other["x_train"])[:32])
    np.testing.assert_array_equal(clean["x_validation"], other["x_validation"])


@pytest.mark.parametrize("name", ["moons", "breast cancer", "diabetes"])
def test_test_points_are_not_even_passed_on(name):
    split = small(name, 40)
    data = datasets.without(split, np.arange(10))
    assert not np.asarray(data["x_test"]).any()
    assert not np.asarray(data["y_test"]).any()


def test_a_column_that_does_not_vary_among_the_kept_is_no_division_by_zero():
    split = small("breast cancer", 10, flip=0.0)
    x = split.x_train.copy()
    x[:10, 0] = [*[1.0] * 8, 5.0, 7.0]
    data = datasets.without(replace(split, x_train=x), np.array([8, 9]))
    assert np.isfinite(np.asarray(data["x_train"])).all()
    assert np.asarray(data["x_train"])[:8, 0].tolist() == [0.0] * 8


# Messages


def test_more_folds_than_points_or_fewer_than_two_are_refused_with_what_is_allowed():
    for count in (-1, 0, 1, 41):
        with pytest.raises(ValueError, match=rf"folds is {count}; with 40 training points it must be from 2 to 40"):
            datasets.check_folds(small(), count)


def test_as_many_folds_as_points_leave_one_out():
    folds = datasets.held_out(small("sine", 10), 10, 0)
    assert sorted(int(row) for (row,) in folds) == list(range(10))


def with_labels(labels: list[int]) -> Split:
    split = small("iris", len(labels), flip=0.0)
    y = split.y_train.copy()
    y[: len(labels)] = labels
    return replace(split, y_train=y)


def test_more_folds_than_members_of_a_class_are_refused_with_the_class_and_the_most_that_go():
    split = with_labels([0] * 8 + [1] * 8 + [2] * 3)
    name = split.classes[2]
    message = rf"folds is 5, but only 3 training points are labelled '{name}' and each fold needs one: use 3 folds at most"
    with pytest.raises(ValueError, match=message):
        datasets.check_folds(split, 5)
    datasets.check_folds(split, 3)


def test_a_class_of_one_point_cannot_be_cut_at_all_and_the_message_does_not_advise_one_fold():
    split = with_labels([0] * 8 + [1] * 8 + [2])
    with pytest.raises(ValueError, match=r"only 1 training point is labelled .* so no cross-validation is possible: take more") as caught:
        datasets.check_folds(split, 2)
    assert "at most" not in str(caught.value)


def test_a_class_that_is_not_there_does_not_count():
    datasets.check_folds(with_labels([0] * 5 + [1] * 5), 5)
    datasets.check_folds(with_labels([1] * 5), 5)  # all labels alike
    assert len(datasets.held_out(with_labels([1] * 5), 5, 0)) == 5


def test_a_run_is_checked_before_it_is_queued():
    with pytest.raises(ValueError, match="use 11 folds at most, or more training points"):
        Run.of(Settings(dataset="wine", n_train=40, flip=0.0), 0, fold=(0, 20, 0)).check()
    with pytest.raises(ValueError, match="from 2 to 4"):
        Run.of(Settings(n_train=4), 0, fold=(0, 5, 0)).check()
