"""Experiments E3 and E3b: in which convention the best decay moves with the learning rate, and a network that decay makes faster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from wdviz.program import Hyperparameters, Program
from wdviz.results import History
from wdviz.training import train

N, REDRAWN = 200, 0.3  # training points, and the share of their labels drawn anew from all ten digits
SEEDS = range(5)
RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2)
GRIDS = {
    "coupled": (0.003, 0.01, 0.03, 0.1),
    "decoupled": (0.1, 0.3, 1.0, 3.0),
    "paper": (0.002, 0.005, 0.01, 0.02, 0.04, 0.08),  # what a step takes off: decay / learning rate in the convention of optax
}
BASE = Program(
    "classification", inputs=64, outputs=10, n_train=N, n_validation=100, n_test=800, hidden=(32,), optimiser="adam",
    schedule="constant", batch_size=50, max_steps=300, checkpoints=3,
)  # fmt: skip
IMAGES, DIGITS = load_digits(return_X_y=True)


def digits(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(IMAGES))[: N + 900]
    x, y = IMAGES[order] / 16, DIGITS[order].copy()
    redrawn = rng.permutation(N)[: round(REDRAWN * N)]
    y[redrawn] = rng.integers(0, 10, len(redrawn))
    splits = {"train": slice(0, N), "validation": slice(N, N + 100), "test": slice(N + 100, N + 900)}
    return {f"x_{s}": x[rows] for s, rows in splits.items()} | {f"y_{s}": y[rows] for s, rows in splits.items()} | {"n_train": N}


DATA = [digits(seed) for seed in SEEDS]


def trained(program: Program, amounts: list[dict[str, Any]]) -> list[list[History]]:
    """For each set of amounts a run of each seed."""
    jobs = [Hyperparameters(steps=program.max_steps, seed=seed, **given) for given in amounts for seed in SEEDS]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda hyper: train(program, hyper, DATA[hyper.seed]), jobs))
    return [runs[i : i + len(SEEDS)] for i in range(0, len(runs), len(SEEDS))]


@pytest.fixture(scope="module")
def best() -> dict[str, np.ndarray]:
    """For each convention and learning rate the decay with the highest median test accuracy."""
    found = {}
    for kind, grid in GRIDS.items():
        program = Program(**{**vars(BASE), "decay_kind": "coupled" if kind == "coupled" else "decoupled"})
        amounts = [{"learning_rate": rate, "decay": d / rate if kind == "paper" else d} for rate in RATES for d in grid]
        accuracies = np.median([[run.score("test") for run in runs] for runs in trained(program, amounts)], 1)
        found[kind] = np.array(grid)[accuracies.reshape(len(RATES), -1).argmax(1)]
    return found


def test_coupled_and_optax_decay_stay_where_they_are(best):
    for kind in ("coupled", "decoupled"):
        assert best[kind].max() / best[kind].min() <= 3.4, kind  # one step of the grid, over an eightfold learning rate
        assert best[kind][0] == best[kind][-1], kind


def test_the_papers_decay_grows_with_the_learning_rate(best):
    assert np.all(np.diff(best["paper"]) >= 0)
    assert best["paper"][-1] / best["paper"][0] >= 4
    power = np.polyfit(np.log(RATES), np.log(best["paper"]), 1)[0]
    assert power == pytest.approx(1, abs=0.4)


def test_with_batch_norm_decay_of_the_first_layer_speeds_fitting_up():
    """E3b, with a cosine schedule: by the end of 300 steps the training loss is far lower, and the test loss higher."""
    program = Program(**{**vars(BASE), "schedule": "cosine", "regularisers": ("batch norm",)})
    rate = 2e-3
    amounts = [{"learning_rate": rate, "decay": share / rate, "decay_on": "first layer"} for share in (0.0, 0.03)]
    without, with_decay = trained(program, amounts)
    losses = {s: np.array([[run.loss(s) for run in runs] for runs in (without, with_decay)]) for s in ("train", "test")}
    assert np.all(losses["train"][0] > 2 * losses["train"][1])  # in every seed
    assert np.all(losses["test"][0] < losses["test"][1])
    norms = np.array([[run.norms[-1, 0] for run in runs] for runs in (without, with_decay)])
    assert np.all(norms[0] > 4 * norms[1])  # smaller weights, so larger steps
