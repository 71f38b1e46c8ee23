"""Ridge in closed form against scikit-learn, brute-force refits and the kernel's own objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.linear_model import Ridge as SklearnRidge

from wdviz import datasets
from wdviz.experiments.ridge import Ridge

ALPHAS = (1e-3, 0.1, 1.0, 30.0, 1e4)


def diabetes(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    split = datasets.load("diabetes", n, 0.0, 0.0, 0)
    return split.x_train[:n].astype(np.float64), split.y_train[:n].astype(np.float64)


def drawn(n: int, inputs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, inputs)) * rng.uniform(0.1, 3, inputs) + rng.normal(size=inputs)
    return x, x @ rng.normal(size=inputs) + 2 + rng.normal(size=n)


cases = st.tuples(st.integers(3, 40), st.integers(1, 12), st.integers(0, 999)).map(lambda case: drawn(*case))


@given(cases, st.sampled_from(ALPHAS))
def test_weights_and_bias_are_those_of_scikit_learn(case, alpha):
    x, y = case
    weights, bias = Ridge.of(x, y).fit(alpha)
    reference = SklearnRidge(alpha=alpha, solver="svd").fit(x, y)
    np.testing.assert_allclose(weights, reference.coef_, rtol=0, atol=1e-8 * (1 + abs(reference.coef_).max()))
    assert bias == pytest.approx(reference.intercept_, abs=1e-8)


@given(cases, st.sampled_from((0.01, 0.3, 5.0)))
def test_it_is_the_minimum_of_the_kernels_loss_with_alpha_n_times_decay(case, decay):
    x, y = case
    weights, bias = Ridge.of(x, y).fit(len(y) * decay)
    residuals = x @ weights + bias - y
    scale = 1 + abs(x).max() * abs(y).max()
    np.testing.assert_allclose(x.T @ residuals / len(y) + decay * weights, 0, atol=1e-10 * scale)  # the gradient there
    assert residuals.mean() == pytest.approx(0, abs=1e-10 * scale)


@given(cases, st.sampled_from(ALPHAS))
def test_degrees_of_freedom_are_the_trace_of_the_hat_matrix(case, alpha):
    x, y = case
    ridge = Ridge.of(x, y)
    design = np.column_stack([np.ones(len(y)), x])
    penalty = alpha * np.diag([0.0] + [1.0] * x.shape[1])
    assert ridge.freedom(alpha) == pytest.approx(np.trace(ridge.hat(alpha)), rel=1e-12)
    # The hat matrix itself against its definition, by the normal equations.
    np.testing.assert_allclose(ridge.hat(alpha), design @ np.linalg.solve(design.T @ design + penalty, design.T), atol=1e-9)
    np.testing.assert_allclose(ridge.hat(alpha) @ y, y - ridge.residuals(alpha), atol=1e-9 * abs(y).max())


def test_degrees_of_freedom_run_from_all_weights_and_the_bias_to_the_bias_alone():
    ridge = Ridge.of(*diabetes())
    assert ridge.freedom(0.0) == pytest.approx(11)
    assert ridge.freedom(1e12) == pytest.approx(1, abs=1e-6)
    falling = [ridge.freedom(alpha) for alpha in (0.0, *ALPHAS)]
    assert falling == sorted(falling, reverse=True)
    rates = np.linalg.eigvalsh(np.cov(diabetes()[0].T, bias=True))  # h_i / (h_i + decay)
    assert ridge.freedom(60 * 0.2) - 1 == pytest.approx((rates / (rates + 0.2)).sum(), rel=1e-12)


@settings(max_examples=25)
@given(cases, st.sampled_from(ALPHAS))
def test_left_out_residuals_are_those_of_refits_without_the_point(case, alpha):
    x, y = case
    found = Ridge.of(x, y).left_out(alpha)
    keep = ~np.eye(len(y), dtype=bool)
    refits = [SklearnRidge(alpha=alpha, solver="svd").fit(x[k], y[k]) for k in keep]
    expected = np.array([y[i] - refit.predict(x[i : i + 1])[0] for i, refit in enumerate(refits)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * (1 + abs(expected).max()))


@given(cases, st.sampled_from(ALPHAS))
def test_left_out_residuals_follow_from_the_hat_matrix(case, alpha):
    x, y = case
    ridge = Ridge.of(x, y)
    H = ridge.hat(alpha)
    expected = (y - H @ y) / (1 - np.diag(H))
    np.testing.assert_allclose(ridge.left_out(alpha), expected, rtol=0, atol=1e-10 * (1 + abs(expected).max()))


def test_left_out_losses_are_those_of_ridgecv_and_so_is_the_choice():
    x, y = diabetes()
    ridge, alphas = Ridge.of(x, y), np.geomspace(0.01, 1e3, 30)
    reference: Any = RidgeCV(alphas, store_cv_results=True).fit(x, y)
    squared = reference.cv_results_.mean(0)
    losses = [ridge.left_out_loss(alpha) for alpha in alphas]
    np.testing.assert_allclose(losses, 0.5 * squared, rtol=1e-10)
    assert alphas[np.argmin(losses)] == reference.alpha_
    np.testing.assert_allclose(ridge.fit(reference.alpha_)[0], reference.coef_, rtol=1e-8)


def test_without_penalty_it_is_least_squares_even_of_inputs_that_repeat():
    x, y = diabetes()
    np.testing.assert_allclose(Ridge.of(x, y).fit(0.0)[0], LinearRegression().fit(x, y).coef_, atol=1e-8)
    twice = np.column_stack([x, x[:, 0], np.ones(len(y))])  # a column twice, and one that does not vary
    weights, _ = Ridge.of(twice, y).fit(0.0)
    assert np.isfinite(weights).all()
    assert weights[0] == pytest.approx(weights[10])  # the smallest norm shares alike
    assert weights[11] == pytest.approx(0, abs=1e-12)


def test_the_unit_of_the_inputs_is_of_no_account():
    x, y = drawn(20, 3, seed=0)
    for unit in (1e-20, 1e20):
        np.testing.assert_allclose(Ridge.of(x * unit, y).fit(0.0)[0] * unit, Ridge.of(x, y).fit(0.0)[0], rtol=1e-9)


def test_inputs_that_do_not_vary_leave_the_mean():
    ridge = Ridge.of(np.ones((4, 2)), [1.0, 2.0, 3.0, 6.0])
    weights, bias = ridge.fit(1.0)
    assert (weights.tolist(), bias, ridge.freedom(1.0)) == ([0.0, 0.0], 3.0, 1.0)
    np.testing.assert_allclose(ridge.left_out(1.0), [1 - 11 / 3, 2 - 10 / 3, 3 - 9 / 3, 6 - 6 / 3])


def test_what_is_no_data_set_is_refused_with_its_shape():
    with pytest.raises(ValueError, match=r"x is \(3,\) and y \(3,\)"):
        Ridge.of([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match=r"n of at least 2"):
        Ridge.of([[1.0]], [1.0])
    with pytest.raises(ValueError, match="finite"):
        Ridge.of([[1.0], [np.nan]], [1.0, 2.0])
    for targets in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(ValueError, match=rf"x is \(3, 1\) and y \({len(targets)},\)"):
            Ridge.of([[1.0], [2.0], [3.0]], targets)
    with pytest.raises(ValueError, match=r"x is \(2, 1, 1\)"):
        Ridge.of([[[1.0]], [[2.0]]], [1.0, 2.0])
    for alpha in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"alpha is {alpha}"):
            Ridge.of([[1.0], [2.0]], [1.0, 2.0]).fit(alpha)
