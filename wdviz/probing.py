"""How a trained network reacts to small changes of its input: Jacobians, noise, and the way to the nearest other answer."""

from __future__ import annotations

import math

import numpy as np

from wdviz import measuring, models
from wdviz.datasets import Split
from wdviz.measured import Calibration, Flipped, Probed, Rescaled
from wdviz.program import Program
from wdviz.results import History

STRENGTHS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)  # standard deviations of the noise on each input
FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # by which hidden weights are multiplied
NOISY_ROWS = 1600  # noisy inputs for each strength, at least
MOST_POINTS = 200  # test points whose nearest other answer is looked for, where there are more than two inputs
REACH, FAR = 2.0, 10.0  # how far is looked: with two inputs, with more
STARTS = 2  # of the search, beside the linear model's
COARSE = 112  # points a side of the grid on which the search starts with two inputs
SLOPES = {"relu": 1.0, "tanh": 1.0, "gelu": 1.13, "sigmoid": 0.25}  # the steepest slope of each activation
EPS = 1e-5  # of batch normalisation, see `layers.batch_norm`


def probe(program: Program, history: History, split: Split, grid: np.ndarray | None = None) -> Probed:
    """Everything that the Sensitivity page says about one network, on the test inputs of `split`.

    The noise depends on the shape of the test inputs alone, so networks that differ in decay meet the same noise. Of a run that diverged
    all numbers are NaN.

    Arguments:
        grid: (G, inputs) of a picture, at which the history has predictions; the Jacobian norms there are then wanted too.
    """
    strengths, reach = np.array(STRENGTHS, np.float32), REACH if program.inputs == 2 else FAR
    if history.diverged:
        return _nothing(strengths, reach, split, history, 0 if grid is None else len(grid))
    x, y = split.x_test, split.y_test
    coarse = _coarse(x, reach) if split.inputs == 2 and split.classes else x[:0]
    measured = measuring.call("measure", program, history, x, y, _noise(x), strengths, coarse)
    distances, calibration = np.zeros(0), Calibration.of(np.zeros(0), np.zeros(0))
    if split.classes:
        outputs = measured["outputs"].astype(np.float64)
        answers, confidence = outputs.argmax(1), np.exp(outputs.max(1) - np.logaddexp.reduce(outputs, 1))
        calibration = Calibration.of(confidence, answers == y)
        known = (coarse, measured["coarse"].argmax(1)) if len(coarse) else (x, answers)
        few = slice(None) if len(coarse) else slice(MOST_POINTS)
        distances, _ = nearest_change(program, history, x[few], answers[few], *known)
    return Probed(
        strengths,
        measured["scores"],
        measured["losses"],
        measured["reactions"],
        layer_stretches(program, history),
        np.where(distances <= reach, distances, np.inf),
        reach,
        calibration,
        map=np.zeros(0) if grid is None else measuring.call("reactions", program, history, grid),
        answers=history.grid,
    )


def layer_stretches(program: Program, history: History) -> np.ndarray:
    """(L,) by how much each layer stretches a change at most: spectral norm of its weights x steepest slope of its activation.

    Their product bounds the Jacobian's norm at every input. Batch normalisation is folded in as it acts after training: it multiplies
    each unit by its scale / running deviation. None (L = 0) for families whose layers are more than one matrix after another.
    """
    found = []
    for name in models.layer_names(program) if program.family in ("feedforward", "linear") else ():
        layer = history.params[name]
        weight, slope = layer["weight"].astype(np.float64), 1.0 if name == "output" else SLOPES[program.activation]
        if name in history.state:
            gathered = history.state[name]
            variance = gathered["variance"] / gathered["weight"] if gathered["weight"] > 0 else np.ones_like(gathered["variance"])
            weight = weight * (layer["scale"] / np.sqrt(variance + EPS))
        found.append(slope * float(np.linalg.norm(weight, 2)) if np.isfinite(weight).all() else math.nan)
    return np.array(found)


def rescale(program: Program, history: History, split: Split) -> Rescaled:
    """What becomes of the answers on the test inputs when all hidden weights are multiplied by each of `FACTORS`.

    With batch normalisation the means and variances are measured anew on the test inputs, as in a training step: the running ones
    belong to the weights before. Then f(c w) = f(w), but for the small constant that keeps the division by the deviation safe.
    """
    factors = np.array(FACTORS, np.float32)
    if history.diverged:
        return Rescaled(factors, np.full(len(factors), np.nan), np.full(len(factors), np.nan))
    measured = measuring.call("rescale", program, history, split.x_test, split.y_test, factors)
    return Rescaled(factors, measured["change"], measured["scores"])


def flip(program: Program, history: History, split: Split, image: int, jitter: float) -> Flipped:
    """One test input with noise of standard deviation `jitter`, and the smallest change found that flips the answer.

    The noise depends on `image` alone and grows with `jitter`. The change may take inputs out of the range of the data.

    Raises:
        ValueError: where there is no such test input, or for regression.
    """
    if not 0 <= image < len(split.x_test):
        raise ValueError(f"image is {image}; it must be from 0 to {len(split.x_test) - 1}")
    if not split.classes:
        raise ValueError(f"{split.name} has values, not classes: there is no answer to flip")
    clean = split.x_test[image]
    x = (clean + jitter * np.random.default_rng([image, 8]).standard_normal(clean.shape)).astype(np.float32)
    label, nothing = int(split.y_test[image]), np.full(split.outputs, np.nan, np.float32)
    if history.diverged:
        return Flipped(x, nothing, np.full_like(x, np.nan), nothing, label, clean)

    def answers(at: np.ndarray) -> np.ndarray:  # beside the test inputs: then this is compiled for one shape alone
        return measuring.call("outputs", program, history, np.concatenate([at, split.x_test]))

    outputs = answers(x[None])
    chosen = outputs.argmax(1)
    (distance,), points = nearest_change(program, history, x[None], chosen[:1], split.x_test, chosen[1:])
    if not math.isfinite(distance):
        return Flipped(x, _softmax(outputs[0]), np.full_like(x, np.nan), nothing, label, clean)
    return Flipped(x, _softmax(outputs[0]), points[0] - x, _softmax(answers(points)[0]), label, clean)


def nearest_change(
    program: Program, history: History, x: np.ndarray, answers: np.ndarray, others: np.ndarray, other_answers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far from each input the nearest input lies that the network answers differently, and such an input.

    The search starts at the nearest two of `others` that are answered differently, and where a linear model of the network says (the
    step of DeepFool, Moosavi-Dezfooli et al. 2016). Each start moves to the decision boundary on its line to x by bisection, then to the
    point nearest to x of the boundary's tangent plane there, and of where that meets the tangent plane before, and so on. What is found is
    a change of the answer for certain, so the distance is an upper bound; with two inputs and a fine grid of `others` it is the distance
    itself, to about a thousandth, but where the boundary has folds narrower than the grid.

    Arguments:
        x: (n, inputs) float32.
        answers: (n,) classes that the network answers there.
        others: (r, inputs) with `other_answers` (r,) likewise.

    Returns:
        distances (n,), infinite where no other answer was found; and points (n, inputs).
    """
    starts, there = _starts(x, answers, others, other_answers)
    found = measuring.call("search", program, history, x, starts, there)
    return found["distances"].astype(np.float64), found["points"]


def _starts(x: np.ndarray, answers: np.ndarray, others: np.ndarray, other_answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, STARTS, inputs) of `others` that are answered differently, the nearest first; and (n, STARTS) whether there is one."""
    if len(others) == COARSE * COARSE:  # only those beside another answer can be the nearest
        edge = _beside_others(other_answers.reshape(COARSE, COARSE)).ravel()
        others, other_answers = others[edge], other_answers[edge]
    if not len(others):
        return np.repeat(x[:, None], STARTS, 1), np.zeros((len(x), STARTS), bool)
    rows = np.arange(len(x))
    squares = np.sum(x**2, 1)[:, None] + np.sum(others**2, 1) - 2 * x @ others.T
    squares[answers[:, None] == other_answers] = np.inf
    found, there = [], []
    for _ in range(STARTS):
        nearest = squares.argmin(1)
        found.append(others[nearest])
        there.append(np.isfinite(squares[rows, nearest]))
        # The next start lies elsewhere: not beyond the plane that halves the way to this one.
        ahead = found[-1] - x
        along = ahead @ others.T - np.sum(ahead * x, 1)[:, None]
        squares[along > 0.5 * np.sum(ahead**2, 1)[:, None]] = np.inf
    return np.stack(found, 1).astype(np.float32), np.stack(there, 1)


def _beside_others(answers: np.ndarray) -> np.ndarray:
    """(r, c) whether one of the four neighbours has another answer."""
    edge = np.zeros(answers.shape, bool)
    for axis in (0, 1):
        a = np.moveaxis(answers, axis, 0)
        e = np.moveaxis(edge, axis, 0)
        differs = a[1:] != a[:-1]
        e[1:] |= differs
        e[:-1] |= differs
    return edge


def _coarse(x: np.ndarray, reach: float) -> np.ndarray:
    """(COARSE^2, 2) inputs that cover the test inputs and all that lies within `reach` of them."""
    across, up = (np.linspace(x[:, i].min() - reach, x[:, i].max() + reach, COARSE, dtype=np.float32) for i in (0, 1))
    return np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)


def _noise(x: np.ndarray) -> np.ndarray:
    """(draws, n, inputs) standard normal, the same for the same shape: the noise of all networks that are compared."""
    draws = -(-NOISY_ROWS // len(x))
    return np.random.default_rng([7, *x.shape]).standard_normal((draws, *x.shape), np.float32)


def _softmax(outputs: np.ndarray) -> np.ndarray:
    powers = np.exp(outputs - outputs.max())
    return powers / powers.sum()


def _nothing(strengths: np.ndarray, reach: float, split: Split, history: History, grid: int) -> Probed:
    def nan(*shape: int) -> np.ndarray:
        return np.full(shape, np.nan)

    n, s = len(split.x_test), len(strengths)
    none = Calibration.of(np.zeros(0), np.zeros(0))
    return Probed(strengths, nan(s), nan(s), nan(n), nan(len(history.layers)), np.zeros(0), reach, none, nan(grid), history.grid)
