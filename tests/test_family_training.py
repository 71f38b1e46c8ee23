"""Tests that every family trains through the one kernel, and of what the kernel does with augmentation, mixup and idle regularisers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import numpy as np
import pytest

from tests.helpers import count_compilations, random_data
from wdviz import runs, training
from wdviz.program import Hyperparameters, Program
from wdviz.runs import Run
from wdviz.settings import REGULARISERS, Settings

FAMILIES = ("feedforward", "convolutional", "recurrent", "attention")
IMAGES = Program(
    "classification", inputs=16, outputs=3, n_train=48, n_validation=24, n_test=24, shape=(4, 4, 1), hidden=(8,), batch_size=16,
    max_steps=300, checkpoints=6,
)  # fmt: skip
HYPER = Hyperparameters(learning_rate=0.02, steps=200, seed=1)
DIGITS = Settings(dataset="digits", n_train=60, flip=0.2, steps=40, depth=1, width=16, seeds=1)
IDLE = tuple(name for name in REGULARISERS if name != "batch norm")  # what can be in a program without doing anything


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_learns_and_decays_through_the_kernel(family):
    program, data = replace(IMAGES, family=family), random_data(IMAGES, noise=0.0)
    plain = training.train(program, HYPER, data)
    assert plain.losses["train"][-1] < 0.6 * plain.losses["train"][0]
    assert plain.score("train") > 0.8
    with count_compilations() as compilations:
        decayed, strong = (training.train(program, replace(HYPER, decay=decay), data) for decay in (1.0, 40.0))
    assert len(compilations) == 0
    assert strong.norm < decayed.norm < plain.norm
    assert strong.norm < 0.1 * plain.norm
    assert plain.norms.shape == (6, len(plain.layers))
    np.testing.assert_allclose(plain.norms[0], [np.linalg.norm(plain.start[name]["weight"]) for name in plain.layers], rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_the_same_curves_whatever_else_the_machine_does(family):
    """Bit for bit, though several run at once."""
    program, data = replace(IMAGES, family=family), random_data(IMAGES)
    with ThreadPoolExecutor(3) as pool:
        alone, *others = pool.map(lambda seed: training.train(program, replace(HYPER, decay=0.5, seed=seed), data), [5, 5, 6, 5])
    for other, same in zip(others, (True, False, True), strict=True):
        assert np.array_equal(alone.losses["test"], other.losses["test"]) == same
        assert all(np.array_equal(alone.params[n]["weight"], other.params[n]["weight"]) == same for n in alone.layers)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_no_learning_only_what_decays_shrinks(family):
    program, data = replace(IMAGES, family=family), random_data(IMAGES)
    history = training.train(program, replace(HYPER, learning_rate=1e-7, decay=1e5, decay_on="first layer", steps=100), data)
    first, others = history.layers[0].split(" ")[0], [name for name in history.layers if name.startswith(("output", "block"))]
    assert history.layers[0].startswith(first)
    np.testing.assert_allclose(history.norms[-1][0] / history.norms[0][0], history.shrink[-1], rtol=1e-3)
    for name in others:
        at = history.layers.index(name)
        np.testing.assert_allclose(history.norms[-1][at], history.norms[0][at], rtol=1e-3)


@pytest.mark.parametrize("idle", [*((name,) for name in IDLE), IDLE])
def test_a_regulariser_of_which_there_is_nothing_changes_nothing(idle):
    plain, within = Run.of(DIGITS, 0), Run.of(DIGITS, 0, within=idle)
    assert plain != within
    a, b = plain.execute(), within.execute()
    np.testing.assert_allclose(a.losses["test"], b.losses["test"], rtol=2e-3)
    assert a.kept == b.kept


def test_combinations_share_one_program():
    used = ("augmentation", "dropout", "early stopping", "label smoothing")
    both = [Run.of(replace(DIGITS, regularisers=names), 0, within=used) for names in ((), used, used[:2])]
    assert len({runs.program_for(run) for run in both}) == 1
    a, b, c = (run.execute() for run in both)
    assert len({h.loss("train") for h in (a, b, c)}) == 3
    assert runs.program_for(Run.of(replace(DIGITS, regularisers=("batch norm",)), 0, within=used)) != runs.program_for(both[0])


def test_fewer_evaluations_are_the_same_training():
    often, seldom = (Run.of(DIGITS, 0, checkpoints=count).execute() for count in (60, 4))
    assert len(seldom.steps) == 4
    np.testing.assert_allclose(seldom.loss("test"), often.loss("test"), rtol=1e-5)


def test_mixup_is_the_loss_on_mixed_examples_and_labels(monkeypatch: pytest.MonkeyPatch):
    """One step of plain gradient descent on the whole set, against the gradient written out."""
    program = Program("classification", 4, 3, 6, 4, 4, hidden=(), optimiser="sgd", schedule="constant", regularisers=("mixup",))
    data = random_data(program)
    share, rate = 0.3, 0.1
    monkeypatch.setattr(training.augmentation, "shares", lambda seed, alpha, steps: np.full(steps, share))
    monkeypatch.setattr(training.augmentation, "partners", lambda key, counted, size: jax.numpy.roll(jax.numpy.arange(size), 1))
    history = training.train(program, Hyperparameters(mixup=1.0, learning_rate=rate, steps=1), data)
    x, y = data["x_train"], np.eye(3)[data["y_train"]]
    other = np.roll(np.arange(6), 1)
    x, y = share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
    gradient = x.T @ (1 / 3 - y) / 6  # at weights of zero every class has a third
    np.testing.assert_allclose(history.params["output"]["weight"], -rate * gradient, rtol=1e-4, atol=1e-7)


def test_moved_images_are_harder_to_memorise():
    base = replace(DIGITS, n_train=200, flip=0.3, noise=0.0, decay=0.0, width=64, depth=2, learning_rate=0.02, steps=500)
    plain, moved = (Run.of(replace(base, regularisers=used), 0, checkpoints=4).execute() for used in ((), ("augmentation",)))
    assert plain.score("train") == 1
    assert moved.score("train") < 0.95
    assert moved.loss("test") < plain.loss("test")
