"""The plane a picture is drawn in: the inputs themselves where there are two, else the first two principal components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wdviz.datasets.card import Numbers
from wdviz.datasets.prepare import Split

CURVE_POINTS = 400  # points along the only input of a one-input set
PADDING = 0.08  # share of the range added at each end
SIZE = 80  # points a side of a surface, unless asked otherwise
STEP = 0.1  # ranges are rounded outwards to this

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plane:
    """Where to evaluate a model for a picture, and where the split's points lie in it. All arrays are float32.

    With two inputs or more, `grid` row `j * size + i` is the input at (x[i], y[j]): `predictions.reshape(size, size)` has y down
    and x across. With one input, `grid` holds the 400 inputs `x`, and `y` spans the targets.
    """

    grid: Array  # (size * size, inputs), or (400, 1)
    x: Array  # (size,), or (400,)
    y: Array  # (size,)
    points: Array  # (n_train, 2) training points
    test_points: Array  # (n_test, 2)
    labels: tuple[str, str]  # axis titles
    projected: bool  # whether the points are a projection, so that the picture shows one slice of the input space
    origin: Array  # (inputs,) the input at (0, 0)
    directions: Array  # (2, inputs), or (1, inputs): grid = origin + coordinates @ directions


@lru_cache(maxsize=64)  # as many as splits are kept
def plane(split: Split, size: int = SIZE) -> Plane:
    """The plane for pictures of `split`, `size` points a side.

    The ranges of a toy set follow its validation and test points only, so that they hold still while `n_train` moves.

    Raises:
        ValueError: where `size` is not a whole number of at least 2.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 2:
        raise ValueError(f"size is {size!r}; it must be a whole number of at least 2")
    return _curve(split, size) if split.inputs == 1 else _surface(split, size)


def grid_points(inputs: int) -> int:
    """Rows of the grid of `plane` at its usual size, for a set with so many inputs."""
    return CURVE_POINTS if inputs == 1 else SIZE * SIZE


def _curve(split: Split, size: int) -> Plane:
    x_range = _range(np.concatenate([split.x_validation[:, 0], split.x_test[:, 0]]))
    y_range = _range(np.concatenate([split.y_validation, split.y_test]))
    x = np.linspace(*x_range, CURVE_POINTS, dtype=np.float32)
    y = np.linspace(*y_range, size, dtype=np.float32)
    points = np.column_stack([split.x_train[: split.n_train, 0], split.y_train[: split.n_train]]).astype(np.float32)
    test_points = np.column_stack([split.x_test[:, 0], split.y_test]).astype(np.float32)
    origin, directions = np.zeros(1, np.float32), np.ones((1, 1), np.float32)
    return Plane(x[:, None], x, y, points, test_points, (split.feature_names[0], "y"), False, origin, directions)


def _surface(split: Split, size: int) -> Plane:
    train = split.x_train[: split.n_train]
    projected = split.inputs > 2
    if projected:
        origin, directions, shares = _principal(train)
        labels = (_title(1, shares[0]), _title(2, shares[1]))
    else:
        origin, directions = np.zeros(2, np.float32), np.eye(2, dtype=np.float32)
        labels = (split.feature_names[0], split.feature_names[1])

    def project(x: Array) -> Array:
        return ((x - origin) @ directions.T).astype(np.float32)

    points, validation_points, test_points = map(project, (train, split.x_validation, split.x_test))
    # Principal components turn with the training points anyway, so there these may widen the range as well.
    shown = np.concatenate([validation_points, test_points, *([points] if projected else [])])
    x, y = (np.linspace(*_range(shown[:, axis]), size, dtype=np.float32) for axis in (0, 1))
    grid = (origin + y[:, None, None] * directions[1] + x[None, :, None] * directions[0]).reshape(size * size, split.inputs)
    return Plane(grid, x, y, points, test_points, labels, projected, origin, directions)


def _principal(x: Array) -> tuple[Array, Array, tuple[float, float]]:
    """Mean, first two principal directions (2, inputs) and their shares of the variance.

    The sign of a direction is free; here its largest weight is positive, so that a picture does not turn over between runs.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    _, values, rows = np.linalg.svd(x - mean, full_matrices=False)
    directions = rows[:2]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.where(largest < 0, -1.0, 1.0)
    total = float((values**2).sum()) or 1.0  # all points equal: no variance to share
    return mean.astype(np.float32), directions.astype(np.float32), (float(values[0] ** 2 / total), float(values[1] ** 2 / total))


def _title(which: int, share: float) -> str:
    return f"principal component {which} ({100 * share:.0f} %)"


def _range(values: Numbers) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = PADDING * (high - low)
    return float(np.floor((low - margin) / STEP) * STEP), float(np.ceil((high + margin) / STEP) * STEP)
