"""A map of cells: where a value lies, labels of an axis, the visitor's own cell, lines of equal product, where a region's name stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft

Place = tuple[int, int]  # row and column

TICKS = 5  # labels of an axis at most, no decay aside: more would not fit on a phone
LINE_STEPS = 121  # points of a line of equal learning rate x decay
LEAST = 4  # cells from which a region is named


def position(values: Sequence[float], value: float) -> float:
    """Where a value lies on an axis of cells, on a logarithmic scale between neighbours; 0 stands alone, half a cell from the next."""
    if value in values:
        return float(values.index(value))
    positive = [i for i, v in enumerate(values) if v > 0]
    logs = [math.log(values[i]) for i in positive]
    if value <= 0:
        return -0.5
    at = float(np.interp(math.log(value), logs, positive))
    if value < values[positive[0]]:
        return max(at - 0.5, -0.5)
    return at if value <= values[-1] else at + 0.5


def ticks(values: Sequence[float]) -> dict[str, Any]:
    """Labels of an axis of cells: the first one where it is 0, and, from the last one down, every so many-th."""
    last = len(values) - 1
    every = max(1, math.ceil(len(values) / TICKS))
    use = [
        i for i in range(len(values)) if (i == 0 and values[0] == 0) or ((last - i) % every == 0 and (i > 1 or values[0] > 0 or every == 1))
    ]
    return {"tickvals": use, "ticktext": [f"{values[i]:g}" for i in use]}


def add_frame(fig: Draft, x: float, y: float) -> None:
    """Marks the visitor's setting: dark in a light edge, where borders and the line of the best are light in a dark one."""
    for colour, width in ((palette.PALE, 6), (palette.INK, 3)):
        rim = {"color": colour, "width": width}
        fig.add_shape(type="rect", x0=x - 0.5, x1=x + 0.5, y0=y - 0.5, y1=y + 0.5, line=rim, name="your setting")


def equal(rates: Sequence[float], decays: Sequence[float], product: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x and y, in cells, of the line on which learning rate x decay is `product`, as far as it is on the map (NaN elsewhere)."""
    x = np.linspace(-0.5, len(rates) - 0.5, LINE_STEPS)
    positive = np.array([d for d in decays if d > 0])
    first = len(decays) - len(positive)
    rate = np.exp(_extended(x, np.arange(len(rates)), np.log(rates)))
    y = _extended(np.log(product / rate), np.log(positive), np.arange(first, len(decays)))
    return x.astype(np.float32), np.where((y >= first - 0.5) & (y <= len(decays) - 0.5), y, np.nan).astype(np.float32)


def centre(places: set[Place]) -> Place | None:
    """The place of a region's name: in its largest connected part, where there is most room to all sides; None where it is small."""
    largest: set[Place] = set()
    left = set(places)
    while left:
        part, edge = set(), {left.pop()}
        while edge:
            part |= edge
            edge = {(i + a, j + b) for i, j in edge for a, b in ((0, 1), (0, -1), (1, 0), (-1, 0))} & left
            left -= edge
        largest = max(largest, part, key=len)
    if len(largest) < LEAST:
        return None
    middle = np.mean(list(largest), axis=0)

    def room(at: Place) -> tuple[float, float]:
        def free(di: int, dj: int) -> int:
            return next(k for k in range(99) if (at[0] + k * di, at[1] + k * dj) not in largest)

        across, along = min(free(0, 1), free(0, -1)), min(free(1, 0), free(-1, 0))
        return min(across / 2, along), -float(np.hypot(*(np.array(at) - middle)))

    return max(sorted(largest), key=room)


def _extended(x: NDArray[np.floating], xp: NDArray[Any], fp: NDArray[Any]) -> NDArray[np.float64]:
    """`numpy.interp`, continued in a straight line beyond both ends."""
    y = np.interp(x, xp, fp)
    y = np.where(x < xp[0], fp[0] + (x - xp[0]) * (fp[1] - fp[0]) / (xp[1] - xp[0]), y)
    return np.where(x > xp[-1], fp[-1] + (x - xp[-1]) * (fp[-1] - fp[-2]) / (xp[-1] - xp[-2]), y)
