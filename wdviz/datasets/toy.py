"""Toy sets: points drawn afresh for each seed, so that overfitting can be seen in the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import make_circles, make_moons

from wdviz.datasets.card import Card, Dataset, Floats, Numbers
from wdviz.settings import MAX_TRAIN

N_VALIDATION = 200
N_TEST = 400
SPIRAL_RADIUS, SPIRAL_TURNS = 2.5, 1.25  # neighbouring arms lie radius / (2 turns) = 1 apart, like the two moons' arcs
GAUSSIAN_CENTRE, GAUSSIAN_SPREAD = 0.7, 3.0  # at noise 0.22 the best possible classifier errs on about 7 % of the points

Random = np.random.Generator


def moons(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """Two interleaved half circles of radius 1 with Gaussian noise of standard deviation `noise`."""
    return _take_turns(make_moons(points, noise=noise, random_state=_state(rng)))


def circles(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """Circles of radius 1 and 0.4 about one centre with Gaussian noise of standard deviation `noise`."""
    return _take_turns(make_circles(points, noise=noise, factor=0.4, random_state=_state(rng)))


def gaussians(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """Two round Gaussian clouds at (-0.7, -0.7) and (0.7, 0.7), each of standard deviation 3 x `noise` along each axis."""
    y = np.arange(points) % 2
    centres = GAUSSIAN_CENTRE * (2.0 * y[:, None] - 1) * np.ones(2)
    return centres + GAUSSIAN_SPREAD * noise * rng.standard_normal((points, 2)), y


def xor(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """The square from -1 to 1: class 0 where x1 and x2 have the same sign, 1 otherwise; noise moves points over the borders."""
    turn = np.arange(points)
    y = turn % 2
    first = np.where(turn % 4 < 2, 1.0, -1.0)  # both quadrants of a class take turns too
    signs = np.stack([first, np.where(y == 0, first, -first)], axis=1)
    inside = signs * rng.uniform(0, 1, (points, 2))
    return inside + noise * rng.standard_normal((points, 2)), y


def spirals(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """Two spirals of 1.25 turns out to radius 2.5, half a turn apart, with Gaussian noise of standard deviation `noise`."""
    y = np.arange(points) % 2
    along = np.sqrt(rng.uniform(0.02, 1, points))  # the root spreads points evenly along the arm, not crowded at its centre
    angle = 2 * np.pi * SPIRAL_TURNS * along + np.pi * y
    arm = SPIRAL_RADIUS * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return arm + noise * rng.standard_normal((points, 2)), y


def sine(points: int, noise: float, rng: Random) -> tuple[Floats, Numbers]:
    """y = sin(2 pi x) + Gaussian noise of standard deviation `noise`, for x uniform on -1 to 1."""
    x = rng.uniform(-1, 1, (points, 1))
    return x, np.sin(2 * np.pi * x[:, 0]) + noise * rng.standard_normal(points)


def _state(rng: Random) -> int:
    """A seed for scikit-learn, which takes no `Generator`."""
    return int(rng.integers(2**32))


def _take_turns(drawn: Any) -> tuple[Floats, Numbers]:
    """Puts points of two equally large classes in the order 0, 1, 0, 1, ... so that each prefix is balanced."""
    x, y = map(np.asarray, drawn)
    order = np.stack([np.flatnonzero(y == 0), np.flatnonzero(y == 1)], axis=1).ravel()
    return x[order], y[order]


def _entry(name: str, classes: tuple[str, ...], card: Card, draw: Callable[..., tuple[Floats, Numbers]]) -> Dataset:
    """A set of classes in the plane. Its inputs stay as drawn, so that the plane's axes hold still while `n_train` moves."""
    return Dataset(name, "classification", 2, classes, ("x1", "x2"), MAX_TRAIN, N_VALIDATION, N_TEST, card, True, draw, divisor=1.0)


_LICENCE = "Drawn by this app: none needed"
_SIZE = f"Up to {MAX_TRAIN} training points, {N_VALIDATION} for validation, {N_TEST} for testing; equally many of each class"
_PLANE = "The two inputs, x1 and x2, as drawn (not scaled)"
_FRESH = "No values are missing. Validation and test points are as noisy as the training points; their labels are never flipped."

TOY = (
    _entry(
        "moons",
        ("upper moon", "lower moon"),
        Card(
            "Two moons",
            "Two interleaved half circles. Noise is the standard deviation of the points around them.",
            "scikit-learn, make_moons",
            _LICENCE,
            _SIZE,
            _PLANE,
            _FRESH,
        ),
        moons,
    ),
    _entry(
        "circles",
        ("outer circle", "inner circle"),
        Card(
            "Two circles",
            "A circle of radius 1 around one of radius 0.4. Noise is the standard deviation of the points around them.",
            "scikit-learn, make_circles",
            _LICENCE,
            _SIZE,
            _PLANE,
            _FRESH,
        ),
        circles,
    ),
    _entry(
        "gaussians",
        ("lower left", "upper right"),
        Card(
            "Two Gaussian clouds",
            "Two round clouds that overlap, so the best border is a straight line. Each cloud's standard deviation is 3 x noise.",
            "Drawn with NumPy",
            _LICENCE,
            _SIZE,
            _PLANE,
            _FRESH + " At noise 0.22 even the best possible classifier is wrong for about 7 % of the points.",
        ),
        gaussians,
    ),
    _entry(
        "xor",
        ("same sign", "opposite signs"),
        Card(
            "Exclusive or",
            "Four squares: one class where x1 and x2 have the same sign, the other where they differ. Noise moves points over the borders.",
            "Drawn with NumPy",
            _LICENCE,
            _SIZE,
            _PLANE,
            _FRESH,
        ),
        xor,
    ),
    _entry(
        "spirals",
        ("first spiral", "second spiral"),
        Card(
            "Two spirals",
            "Two spirals wound around each other, arms 1 apart. Noise is the standard deviation of the points around them.",
            "Drawn with NumPy",
            _LICENCE,
            _SIZE,
            _PLANE,
            _FRESH,
        ),
        spirals,
    ),
    Dataset(
        name="sine",
        task="regression",
        inputs=1,
        classes=(),
        feature_names=("x",),
        capacity=MAX_TRAIN,
        n_validation=N_VALIDATION,
        n_test=N_TEST,
        card=Card(
            "Noisy sine",
            "Two periods of a sine wave, to be fitted as a curve. Noise is the standard deviation of the targets around it.",
            "Drawn with NumPy: y = sin(2 pi x) + noise, x uniform from -1 to 1",
            _LICENCE,
            f"Up to {MAX_TRAIN} training points, {N_VALIDATION} for validation, {N_TEST} for testing",
            "Across: the input x. Up: the target y. Neither is scaled",
            "No values are missing. Test targets are noisy too, so the test R2 of a perfect fit is about 0.5 / (0.5 + noise squared): "
            "0.91 at noise 0.22. There are no labels to flip: flipped labels do nothing here.",
        ),
        toy=True,
        load=sine,
        divisor=1.0,  # as for the toy classes: unscaled, so that the axes hold still
    ),
)
