"""One data set as the registry knows it: its shapes, its card for the page, and how its points are drawn or read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wdviz.settings import Task

Floats: TypeAlias = NDArray[np.floating[Any]]
Numbers: TypeAlias = NDArray[np.floating[Any] | np.integer[Any]]  # targets or class indices


@dataclass(frozen=True)
class Card:
    """What the page shows about a data set, in plain sentences."""

    title: str
    description: str
    source: str
    licence: str
    size: str
    axes: str  # what the axes of the picture mean
    notes: str = ""  # missing or odd values and how they were handled


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    `load` of a toy set is `load(points, noise, rng) -> (x, y)` and draws fresh points, classes taking turns; of a real set it
    is `load() -> (x, y)` and returns every usable row. `x` is (points, inputs); `y` is (points,) class index or target.
    """

    name: str
    task: Task
    inputs: int
    classes: tuple[str, ...]  # () for regression
    feature_names: tuple[str, ...]
    capacity: int  # most training points, and the rows of the padded training arrays
    n_validation: int
    n_test: int
    card: Card
    toy: bool
    load: Callable[..., tuple[Floats, Numbers]]
    divisor: float = 0.0  # inputs are divided by this; 0: standardised by the training rows instead
    shape: tuple[int, ...] = ()  # (height, width, channels) of an input that is an image, (steps, 1, channels) of a series; else ()

    @property
    def outputs(self) -> int:
        """Width of the network's last layer: one per class, or 1 for regression."""
        return len(self.classes) or 1
