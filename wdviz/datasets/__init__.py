"""Data sets: a registry of toy and real ones, and `load`, which turns one and a seed into arrays ready for training."""

from __future__ import annotations

import math
from functools import lru_cache

from wdviz.datasets.card import Card, Dataset
from wdviz.datasets.folds import check_folds, held_out, without
from wdviz.datasets.plane import Plane, grid_points, plane
from wdviz.datasets.prepare import MIN_TRAIN, Split, prepare
from wdviz.datasets.real import REAL
from wdviz.datasets.toy import TOY
from wdviz.edits import parse
from wdviz.settings import DATASETS, SPECS, Settings

__all__ = [
    "MIN_TRAIN",
    "REGISTRY",
    "Card",
    "Dataset",
    "Plane",
    "Split",
    "check_folds",
    "editable",
    "grid_points",
    "held_out",
    "load",
    "max_train",
    "plane",
    "split_for",
    "without",
]

MAX_SEED = 2**31

_ENTRIES = {entry.name: entry for entry in (*TOY, *REAL)}
REGISTRY: dict[str, Dataset] = {name: _ENTRIES[name] for name in DATASETS}


def load(dataset: str, n_train: int, noise: float, flip: float, seed: int, *, edits: str = "") -> Split:
    """Training, validation and test points of one data set for one seed; the same arguments give the same arrays.

    Changing `n_train`, `noise` (of a real set) or `flip` keeps the validation and test points; a toy set's noise moves them too.
    The points for a smaller `n_train` are the first of those for a larger one (before the scaling of real sets, which is fitted
    to the training points in use). Only training labels are flipped.

    Args:
        dataset: a key of `REGISTRY`.
        n_train: training points, 4 to `max_train(dataset)`.
        noise: spread of a toy set around its shape, or standard deviation of noise on a real set's scaled training inputs; 0 to 1.
        flip: share of the training labels to replace by a wrong one, 0 to 0.5; does nothing for regression.
        seed: whole number from 0 to 2**31.
        edits: training points to take away and to put in after them, as `wdviz.edits` writes them; only where `editable(dataset)`.
            Of a one-input set x is the input and y the target. Validation and test points stay as they are.

    Raises:
        ValueError: for an argument that is not allowed; the message names the value and what is allowed.
    """
    entry = _entry(dataset)
    _whole("n_train", n_train, MIN_TRAIN, math.inf)
    if n_train > entry.capacity:
        raise ValueError(f"n_train is {n_train}; {dataset} has at most {entry.capacity} training points")
    SPECS["noise"].check("noise", noise)
    SPECS["flip"].check("flip", flip)
    _whole("seed", seed, 0, MAX_SEED)
    SPECS["edits"].check("edits", edits)
    return _load(entry, int(n_train), float(noise), float(flip), int(seed), parse(edits))


_load = lru_cache(maxsize=64)(prepare)


def split_for(settings: Settings, seed: int) -> Split:
    """`load` with the values of `settings`, for one of its seeds. Raises ValueError as `load` does.

    Edits belong to the points drawn with `settings.seed`: with them all repetitions share these points and differ in start and
    batches only.
    """
    s = settings
    return load(s.dataset, s.n_train, s.noise, s.flip, s.seed if s.edits else seed, edits=s.edits)


def max_train(dataset: str) -> int:
    """The most training points that `dataset` has. Raises ValueError for an unknown name."""
    return _entry(dataset).capacity


def editable(dataset: str) -> bool:
    """Whether training points of `dataset` can be edited: it is drawn in its own plane. Raises ValueError for an unknown name."""
    return _entry(dataset).toy


def _entry(dataset: str) -> Dataset:
    if not isinstance(dataset, str) or dataset not in REGISTRY:
        raise ValueError(f"dataset is {dataset!r}; it must be one of {', '.join(REGISTRY)}")
    return REGISTRY[dataset]


def _whole(name: str, value: float, low: int, high: float) -> None:
    allowed = f"a whole number from {low}" + ("" if math.isinf(high) else f" to {high}")
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value != int(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be {allowed}")
