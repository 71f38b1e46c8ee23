"""Experiment E1: on noisy digits the test loss has its minimum at a decay that is neither none nor all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from wdviz.program import Hyperparameters, Program
from wdviz.results import History
from wdviz.training import train

DECAYS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
SEEDS = range(10)
REDRAWN = 0.25  # share of the training labels drawn anew from all ten digits
PROGRAM = Program(
    "classification", inputs=64, outputs=10, n_train=150, n_validation=100, n_test=800, hidden=(32,), optimiser="momentum",
    decay_kind="coupled", batch_size=150, max_steps=400, checkpoints=3,
)  # fmt: skip


def digits(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(x))[:1050]
    x, y = x[order] / 16, y[order]
    redrawn = rng.permutation(150)[: round(REDRAWN * 150)]
    y[redrawn] = rng.integers(0, 10, len(redrawn))
    splits = {"train": slice(0, 150), "validation": slice(150, 250), "test": slice(250, 1050)}
    return {f"x_{s}": x[rows] for s, rows in splits.items()} | {f"y_{s}": y[rows] for s, rows in splits.items()} | {"n_train": 150}


@pytest.fixture(scope="module")
def histories() -> list[list[History]]:
    """For each decay, ten runs."""

    def run(job: tuple[float, int]) -> History:
        decay, seed = job
        return train(PROGRAM, Hyperparameters(decay=decay, learning_rate=0.2, momentum=0.9, steps=400, seed=seed), digits(seed))

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(run, [(decay, seed) for decay in DECAYS for seed in SEEDS]))
    return [runs[i : i + len(SEEDS)] for i in range(0, len(runs), len(SEEDS))]


def test_the_best_decay_is_neither_none_nor_the_strongest(histories):
    losses = np.array([[run.loss("test") for run in runs] for runs in histories])  # (decays, seeds)
    best = np.argmin(np.median(losses, 1))
    assert DECAYS[best] in (0.003, 0.01, 0.03)
    assert np.median(losses[0] / losses[best]) >= 1.4
    assert np.all(losses[0] > losses[best])  # for each seed


def test_too_much_decay_underfits_and_none_fits_the_noise(histories):
    accuracies = np.median([[run.score("train") for run in runs] for runs in histories], 1)
    assert accuracies[0] == 1
    assert accuracies[-1] < 0.5
    assert np.all(np.diff(accuracies) <= 0)


def test_the_weights_shrink_with_the_decay(histories):
    norms = np.array([[run.norm for run in runs] for runs in histories[: DECAYS.index(0.1) + 1]])
    assert np.all(np.diff(norms, axis=0) < 0)
    assert not any(run.diverged for runs in histories for run in runs)
