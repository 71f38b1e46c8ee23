"""Experiment E6: before batch norm plain SGD sees learning rate x decay alone, and turns the weights by sqrt(2 learning rate decay)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import test_experiment_e3 as e3
from wdviz.program import Program
from wdviz.results import History

OTHERS = 0.05  # learning rate of all but the first layer's weight
RATES = (0.3, 3.0, 30.0)  # of the first layer's weight
PRODUCTS = (0.003, 0.03, 0.3)  # learning rate x decay
PROGRAM: Program = replace(e3.BASE, optimiser="sgd", regularisers=("batch norm",), max_steps=800, checkpoints=60)


@pytest.fixture(scope="module")
def histories() -> dict[tuple[float, float], list[History]]:
    """For each rate and product a run of each seed."""
    places = [(rate, product) for rate in RATES for product in PRODUCTS]
    amounts = [
        {"learning_rate": OTHERS, "first_rate": rate / OTHERS, "decay": product / rate, "decay_on": "first layer"}
        for rate, product in places
    ]
    return dict(zip(places, e3.trained(PROGRAM, amounts), strict=True))


def late(curve: np.ndarray) -> float:
    """Mean of the last 15 checkpoints, the last two fifths of training: a constant rate keeps the loss moving."""
    return float(np.mean(curve[-15:]))


def test_the_best_decay_lies_on_one_product_over_a_hundredfold_learning_rate(histories):
    for rate in RATES:
        losses = [np.median([late(run.losses["test"]) for run in histories[rate, product]]) for product in PRODUCTS]
        assert PRODUCTS[int(np.argmin(losses))] == 0.03, rate


def test_the_angle_of_a_step_is_the_predicted_one(histories):
    for (rate, product), runs in histories.items():
        if product < 0.01:
            continue  # 1 / product steps are too many to settle
        angle = np.sqrt(np.mean([run.angles[-20:, 0].astype(np.float64) ** 2 for run in runs]))
        assert angle == pytest.approx(np.sqrt(2 * product), rel=0.05), (rate, product)


def test_the_norm_balances_gradient_and_decay(histories):
    """norm^4 = rate E||g~||^2 / (2 decay), and ||g~|| from the angle of a step."""
    for (rate, product), runs in histories.items():
        if product != 0.03:
            continue
        for run in runs:
            norms, angles = run.norms[-20:, 0].astype(np.float64), run.angles[-20:, 0]
            squares = np.mean((angles * norms**2 / rate) ** 2)
            assert np.mean(norms) == pytest.approx((rate * squares / (2 * product / rate)) ** 0.25, rel=0.1)


def test_the_weights_settle_at_a_size_of_their_own_for_each_learning_rate(histories):
    """Equal products, other sizes: a hundredfold rate at the same product makes the weights tenfold (T10)."""
    sizes = [np.median([run.norms[-1, 0] for run in histories[rate, 0.03]]) for rate in RATES]
    assert sizes[1] / sizes[0] == pytest.approx(np.sqrt(10), rel=0.15)
    assert sizes[2] / sizes[1] == pytest.approx(np.sqrt(10), rel=0.15)
