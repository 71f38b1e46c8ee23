"""Measurements of a trained network against closed forms, NumPy, finite differences and brute force."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import count_compilations, forward, softmax
from tests.test_experiments import made
from wdviz import datasets, measuring, probing, runs
from wdviz.measured import BINS, Calibration, Probed
from wdviz.models import feedforward
from wdviz.program import Program
from wdviz.results import History
from wdviz.runs import Run, program_for
from wdviz.settings import Settings

SHAPES = [(1, 1, (16,)), (2, 2, (16, 16)), (5, 3, (16,)), (3, 5, (16,)), (64, 10, (48, 48))]
MOONS, DIGITS = Settings(), Settings(dataset="digits", n_train=100, noise=0.0)


def program(inputs: int, outputs: int, hidden: tuple[int, ...] = (16, 16), **more: Any) -> Program:
    return Program("classification" if outputs > 1 else "regression", inputs, outputs, 1, 1, 1, hidden=hidden, **more)


def network(p: Program, seed: int = 0, **params: Any) -> History:
    """A network with random weights and biases, or the given parameters of its output layer."""
    tree, state = feedforward.init(p, jax.random.key(seed))
    rng = np.random.default_rng(seed)
    drawn = jax.tree.map(lambda a: np.asarray(a) + 0.3 * rng.standard_normal(np.shape(a)).astype(np.float32), tree)
    if params:
        drawn["output"] = {name: np.asarray(value, np.float32) for name, value in params.items()}
    names = feedforward.layer_names(p)
    return replace(made(), params={name: drawn[name] for name in names}, state=jax.tree.map(np.asarray, state), layers=names)


def trained(settings: Settings, seed: int = 0) -> tuple[Program, History, datasets.Split]:
    run = Run.of(settings, seed)
    return program_for(run), runs.result_of(run), datasets.split_for(settings, seed)


def probed(settings: Settings) -> Probed:
    return probing.probe(*trained(settings))


@pytest.fixture(scope="module")
def moons() -> tuple[Program, History, datasets.Split, Probed]:
    p, history, split = trained(replace(MOONS, decay=0.3))
    return p, history, split, probing.probe(p, history, split)


def reactions(p: Program, history: History, x: np.ndarray) -> np.ndarray:
    return measuring.call("reactions", p, history, x.astype(np.float32))


def numeric_jacobians(history: History, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """(n, outputs, inputs) by central differences in float64."""
    moved = [(forward(history.params, x + step * e) - forward(history.params, x - step * e)) / (2 * step) for e in np.eye(x.shape[1])]
    return np.stack(moved, -1)


# Jacobians


@pytest.mark.parametrize(("inputs", "outputs", "hidden"), SHAPES)
def test_reactions_are_spectral_norms_of_finite_differences(inputs, outputs, hidden):
    p = program(inputs, outputs, hidden)
    history, x = network(p), np.random.default_rng(1).standard_normal((60, inputs))
    expected = np.linalg.norm(numeric_jacobians(history, x), 2, axis=(1, 2))
    np.testing.assert_allclose(reactions(p, history, x), expected, rtol=1e-3)


def test_a_linear_model_reacts_alike_everywhere():
    p, weight = program(4, 3, ()), np.random.default_rng(0).standard_normal((4, 3))
    found = reactions(p, network(p, weight=weight, bias=np.zeros(3)), np.random.default_rng(1).standard_normal((20, 4)))
    np.testing.assert_allclose(found, np.linalg.norm(weight, 2), rtol=1e-4)


@pytest.mark.parametrize("k", [3, 10])
def test_the_largest_eigenvalue_also_where_the_next_one_is_close(k):
    rng = np.random.default_rng(0)
    base = np.linalg.qr(rng.standard_normal((k, k)))[0]
    for gap in (1e-1, 1e-2, 1e-3, 1e-4, 0):
        gram = base @ np.diag([1, 1 - gap, *np.full(k - 2, 0.1)]) @ base.T
        found = measuring._largest(jnp.asarray(np.stack([gram, 1e6 * gram, 0 * gram]), "float32"))
        np.testing.assert_allclose(found, [1, 1e6, 0], rtol=3e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid"])
def test_no_input_reacts_more_than_the_product_of_the_layers(activation):
    p = program(3, 4, activation=activation)
    history = network(p, seed=1)
    found = reactions(p, history, 2 * np.random.default_rng(0).standard_normal((60, 3)))
    assert 0 < found.max() <= np.prod(probing.layer_stretches(p, history))
    bare = np.prod([np.linalg.norm(layer["weight"], 2) for layer in history.params.values()])
    steepest = {"relu": 1, "tanh": 1, "gelu": 1.13, "sigmoid": 1 / 4}[activation]  # in each of two hidden layers
    assert np.prod(probing.layer_stretches(p, history)) == pytest.approx(bare * steepest**2)


def test_batch_norm_is_folded_into_the_bound():
    p, history, split = trained(replace(MOONS, decay=0.0, regularisers=("batch norm",)))
    found = reactions(p, history, split.x_test)
    assert 0 < found.max() <= np.prod(probing.layer_stretches(p, history))
    bare = np.prod([np.linalg.norm(layer["weight"], 2) for layer in history.params.values()])
    assert np.prod(probing.layer_stretches(p, history)) > 1.5 * bare or found.max() > bare


def test_the_bound_is_reached_by_a_linear_model_and_is_one_norm_a_layer(moons):
    linear = probed(replace(MOONS, model="linear", steps=50))
    np.testing.assert_allclose(linear.reactions, linear.product, rtol=1e-3)
    _, history, _, found = moons
    np.testing.assert_allclose(found.spectral, [np.linalg.svd(layer["weight"])[1][0] for layer in history.params.values()], rtol=1e-5)


# Noise


def test_scores_under_noise_agree_with_numpy(moons):
    _, history, split, found = moons
    noise = probing._noise(split.x_test)
    assert abs(noise.std() - 1) < 0.03
    assert abs(noise.mean()) < 0.03
    for at, strength in enumerate(found.strengths):
        logits = np.stack([forward(history.params, split.x_test + strength * z) for z in noise])
        right = (logits.argmax(-1) == split.y_test).mean()
        assert found.scores[at] == pytest.approx(right, abs=2 / logits[..., 0].size)
        p = softmax(logits.reshape(-1, 2))[np.arange(logits[..., 0].size), np.tile(split.y_test, len(noise))]
        assert found.losses[at] == pytest.approx(-np.log(p).mean(), rel=1e-3)
    assert found.score_at(0) == pytest.approx(history.score("test"))
    with pytest.raises(ValueError, match=r"0\.25"):
        found.score_at(0.25)


def test_a_linear_regression_under_noise_has_its_closed_form():
    p, history, split = trained(Settings(dataset="diabetes", model="linear", n_train=80, noise=0.0, steps=100))
    found = probing.probe(p, history, split)
    w = history.params["output"]["weight"][:, 0].astype(float)
    # Half the mean squared error grows by half the variance that noise of strength s brings: s^2 |w|^2 / 2.
    expected = found.losses[0] + found.strengths**2 * (w @ w) / 2
    np.testing.assert_allclose(found.losses, expected, rtol=0.15)
    np.testing.assert_allclose(found.scores, 1 - 2 * found.losses / split.y_test.var(), rtol=1e-3, atol=1e-3)


def test_all_decays_meet_the_same_noise(moons):
    p, history, split, found = moons
    np.testing.assert_array_equal(probing.probe(p, history, split).scores, found.scores)


# Calibration


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_agrees_with_a_count_by_hand(answers):
    sure, right = (np.array(column) for column in zip(*answers, strict=True))
    found, error = Calibration.of(sure, right), 0.0
    for i in range(BINS):
        mine = (sure > i / BINS) & (sure <= (i + 1) / BINS) if i else sure <= 1 / BINS
        # Values on an edge may fall to either side of it in floating point; both are right.
        if found.counts[i] != mine.sum():
            return
        if mine.any():
            error += mine.sum() / len(sure) * abs(right[mine].mean() - sure[mine].mean())
    assert found.error == pytest.approx(error, abs=1e-9)
    assert found.counts.sum() == len(sure)
    assert found.excess == pytest.approx(sure.mean() - right.mean(), abs=1e-9)


def test_planted_calibration():
    always = Calibration.of(np.ones(10), np.zeros(10))
    assert (always.error, always.excess) == (1, 1)
    assert Calibration.of(np.full(100, 0.75), np.arange(100) < 75).error == pytest.approx(0)
    both = Calibration.of(np.r_[np.full(50, 0.9), np.full(50, 0.6)], np.r_[np.arange(50) < 25, np.arange(50) < 50])
    assert both.error == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    assert both.excess == pytest.approx(0.5 * 0.4 - 0.5 * 0.4)
    assert np.isnan(Calibration.of(np.zeros(0), np.zeros(0)).error)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Calibration.of(np.array([1.5]), np.array([True]))
    with pytest.raises(ValueError, match="shape"):
        Calibration.of(np.ones(2), np.ones(3))


def test_the_measured_calibration_is_that_of_the_test_answers(moons):
    _, history, split, found = moons
    p = softmax(forward(history.params, split.x_test))
    expected = Calibration.of(p.max(1), p.argmax(1) == split.y_test)
    np.testing.assert_array_equal(found.calibration.counts, expected.counts)
    assert found.calibration.error == pytest.approx(expected.error, abs=1e-4)


# Distances


@pytest.mark.parametrize(("inputs", "classes"), [(2, 2), (5, 2), (2, 3), (6, 4)])
def test_distances_in_a_linear_model_are_the_closed_form(inputs, classes):
    rng = np.random.default_rng(2)
    p, weight, bias = program(inputs, classes, ()), rng.standard_normal((inputs, classes)), 0.3 * rng.standard_normal(classes)
    history, x = network(p, weight=weight, bias=bias), rng.standard_normal((50, inputs)).astype(np.float32)
    scores = x @ weight + bias
    answers, rows = scores.argmax(1), np.arange(50)
    with np.errstate(invalid="ignore"):
        gaps = (scores[rows, answers][:, None] - scores) / np.linalg.norm(weight[:, answers].T[:, :, None] - weight[None], axis=1)
    expected = np.nanmin(np.where(np.arange(classes) == answers[:, None], np.nan, gaps), axis=1)
    found, points = probing.nearest_change(p, history, x, answers, x, answers)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(points - x, axis=1), found, rtol=1e-4)
    assert ((points @ weight + bias).argmax(1) != answers).mean() > 0.95  # on the boundary itself NumPy and JAX may round apart


@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_distances_in_a_trained_network_agree_with_brute_force(decay):
    p, history, split = trained(replace(MOONS, decay=decay))
    found = probing.probe(p, history, split).distances[:40]
    spacing = 0.015
    side = np.arange(-3.2, 4.2, spacing)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    classes = forward(history.params, grid).argmax(1)
    own = forward(history.params, split.x_test[:40]).argmax(1)
    brute = np.array([np.linalg.norm(grid[classes != c] - x, axis=1).min() for x, c in zip(split.x_test[:40], own, strict=True)])
    # Brute force knows the distance to about its spacing, and never finds anything closer than there is. Now and then a fold of the
    # boundary is narrower than the grid on which the search starts: then what it finds is a little farther.
    assert (found <= brute + 2e-3).mean() > 0.95
    assert (found <= brute + 2e-2).all()
    assert (found >= brute - 1.5 * spacing).all()


def test_in_many_dimensions_the_change_flips_and_is_no_longer_than_any_other_found():
    p, history, split = trained(replace(DIGITS, steps=100))
    x, answers = split.x_test[:40], forward(history.params, split.x_test).argmax(1)
    found, points = probing.nearest_change(p, history, x, answers[:40], split.x_test, answers)
    assert np.isfinite(found).all()
    assert (forward(history.params, points).argmax(1) != answers[:40]).mean() > 0.9
    others = np.where(answers[None] != answers[:40, None], np.linalg.norm(x[:, None] - split.x_test[None], axis=2), np.inf).min(1)
    assert (found < 0.9 * others).all()
    # No random direction of that length flips it: the nearest change is far closer than noise must be.
    rng = np.random.default_rng(0)
    away = rng.standard_normal((20, *x.shape))
    away *= found[:, None] / np.linalg.norm(away, axis=2, keepdims=True)
    assert (forward(history.params, (x + away).reshape(-1, 64)).argmax(1).reshape(20, -1) == answers[:40]).mean() > 0.95


@pytest.mark.parametrize("inputs", [2, 5])
def test_a_network_that_always_answers_the_same_never_flips(inputs):
    p = program(inputs, 2, ())
    x, same = np.zeros((7, inputs), np.float32), np.zeros(7, int)
    distances, _ = probing.nearest_change(p, network(p, weight=np.zeros((inputs, 2)), bias=[1.0, 0.0]), x, same, x, same)
    assert np.isinf(distances).all()


# Rescaling


def test_before_batch_norm_the_size_of_the_weights_changes_nothing():
    p, history, split = trained(replace(MOONS, decay=0.0, regularisers=("batch norm",)))
    found = probing.rescale(p, history, split)
    assert found.change.max() < 2e-3
    assert np.ptp(found.scores) <= 2 / len(split.x_test)
    # What is left is the constant in the division: it matters less the larger the weights are.
    assert found.change[0] > found.change[2]


def test_without_batch_norm_it_does_as_numpy_says(moons):
    p, history, split, _ = moons
    found = probing.rescale(p, history, split)
    before = softmax(forward(history.params, split.x_test))
    for factor, change, score in zip(found.factors, found.change, found.scores, strict=True):
        scaled = {n: v if n == "output" else v | {"weight": factor * v["weight"]} for n, v in history.params.items()}
        after = softmax(forward(scaled, split.x_test))
        assert change == pytest.approx(np.abs(after - before)[:, 0].mean(), abs=1e-4)
        assert score == pytest.approx((after.argmax(1) == split.y_test).mean(), abs=0.01)
    assert found.change[list(found.factors).index(1)] == 0
    assert found.change[0] > 0.1


# One image


def test_one_image_and_what_flips_it():
    p, history, split = trained(replace(DIGITS, steps=100))
    calm, noisy, noisier = (probing.flip(p, history, split, 3, jitter) for jitter in (0.0, 0.2, 0.4))
    np.testing.assert_array_equal(calm.x, split.x_test[3])
    np.testing.assert_allclose(noisier.x - calm.x, 2 * (noisy.x - calm.x), atol=1e-5)
    assert noisy.label == split.y_test[3]
    np.testing.assert_allclose(noisy.probabilities, softmax(forward(history.params, noisy.x[None]))[0], atol=1e-4)
    assert noisy.distance == pytest.approx(np.linalg.norm(noisy.change))
    first, second = np.sort(noisy.after)[-2:][::-1]
    assert first == pytest.approx(second, abs=0.02)  # just beyond the boundary both are as likely
    with pytest.raises(ValueError, match="800"):
        probing.flip(p, history, split, 800, 0.1)
    p, history, split = trained(Settings(dataset="sine", n_train=20, steps=10))
    with pytest.raises(ValueError, match="no answer to flip"):
        probing.flip(p, history, split, 0, 0.1)


# Divergence, compilation, threads


def test_a_run_that_diverged_is_all_nan():
    run = Run.of(replace(DIGITS, decay=100.0, learning_rate=10.0, steps=20), 0)
    p, history, split = program_for(run), runs.result_of(run), datasets.split_for(run.settings, 0)
    assert history.diverged
    found = probing.probe(p, history, split, np.zeros((9, 64), np.float32))
    assert found.diverged
    assert np.isnan([found.reaction, found.product, found.score_at(0), found.calibration.error, found.typical_distance]).all()
    assert np.isnan(found.map).all()
    assert np.isnan(probing.rescale(p, history, split).change).all()
    flipped = probing.flip(p, history, split, 0, 0.1)
    assert np.isnan(flipped.probabilities).all()
    assert flipped.distance == np.inf


def test_moving_decay_compiles_nothing(moons):
    p, _, split, _ = moons
    _, other, _ = trained(replace(MOONS, decay=5.0, optimiser="sgd", flip=0.1))
    grid = datasets.plane(split).grid
    probing.probe(p, moons[1], split, grid)
    with count_compilations() as compiled:
        found = probing.probe(replace(p, optimiser="sgd"), other, split, grid)
    assert not compiled
    assert found.map.shape == (6400,)
    assert found.nbytes > found.map.nbytes


def test_two_threads_measure_at_once():
    """LAPACK inside a compiled loop would wait for ever here, see `measuring._largest`."""
    p, history, split = trained(replace(DIGITS, steps=20))
    done = []
    threads = [threading.Thread(target=lambda: done.append(probing.probe(p, history, split).reaction), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 4
    assert len(set(done)) == 1
