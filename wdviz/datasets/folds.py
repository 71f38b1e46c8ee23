"""Cross-validation: training points cut into folds, each held out once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from wdviz.datasets.prepare import Split, standard


def check_folds(split: Split, count: int) -> None:
    """Raises ValueError where `count` folds are not possible: fewer than 2, more than points, or more than the points of a class."""
    if not 2 <= count <= split.n_train:
        raise ValueError(f"folds is {count}; with {split.n_train} training points it must be from 2 to {split.n_train}")
    if split.task == "regression":
        return
    sizes = np.bincount(split.y_train[: split.n_train], minlength=split.outputs)
    smallest = int(np.argmin(np.where(sizes > 0, sizes, split.n_train + 1)))
    size, name = int(sizes[smallest]), split.classes[smallest]
    if size < 2:
        raise ValueError(
            f"only {size} training point is labelled {name!r}, so no cross-validation is possible: take more training points, or fewer "
            "flipped labels"
        )
    if count > size:
        raise ValueError(
            f"folds is {count}, but only {size} training points are labelled {name!r} and each fold needs one: use {size} folds at most, "
            "or more training points"
        )


@lru_cache(maxsize=64)
def held_out(split: Split, count: int, repeat: int) -> tuple[NDArray[np.int64], ...]:
    """The rows of each of `count` folds of the training points, drawn anew for each `repeat` (0, 1, ...).

    scikit-learn's `StratifiedKFold`, which keeps the shares of the classes alike in all folds, or `KFold` for regression.

    Raises:
        ValueError: as `check_folds`.
    """
    check_folds(split, count)
    rows, labels = np.arange(split.n_train), split.y_train[: split.n_train]
    splitter = (KFold if split.task == "regression" else StratifiedKFold)(count, shuffle=True, random_state=repeat)
    return tuple(held for _, held in splitter.split(rows[:, None], labels))


def without(split: Split, held: NDArray[np.int64]) -> dict[str, NDArray[np.generic] | int]:
    """Arrays for `training.train`: the other training points first, then those held out; validation and test points are not in use.

    Inputs that are standardised are standardised anew, by the points that remain, so that nothing of the held-out ones leaks.
    """
    kept = np.setdiff1d(np.arange(split.n_train), held)
    order = np.concatenate([kept, held])
    x, y = split.x_train.copy(), split.y_train.copy()
    x[: split.n_train], y[: split.n_train] = split.x_train[order], split.y_train[order]
    validation = split.x_validation
    if split.standardised:
        mean, scale = standard(x[: len(kept)])
        x[: split.n_train] = (x[: split.n_train] - mean) / scale
        validation = ((validation - mean) / scale).astype(np.float32)
    return {
        "x_train": x,
        "y_train": y,
        "n_train": len(kept),
        "n_held": len(held),
        "x_validation": validation,
        "y_validation": split.y_validation,
        "x_test": np.zeros_like(split.x_test),
        "y_test": np.zeros_like(split.y_test),
    }
