"""From a data set and a seed to arrays ready for training: split, scale, add noise, flip labels, pad."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from wdviz.datasets.card import Dataset, Floats, Numbers
from wdviz.edits import Edits
from wdviz.settings import Task

MIN_TRAIN = 4

Rows = NDArray[np.int32]
Targets = NDArray[np.int32 | np.float32]  # class indices, or targets for regression
Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Split:
    """One seed's training, validation and test points, NumPy arrays that cannot be written to.

    Inputs are float32 (points, inputs), labels int32 class indices, or float32 targets for regression. The training arrays have
    `capacity` rows, of which the first `n_train` count and the rest are 0, so that moving `n_train` changes no shape.
    """

    name: str
    task: Task
    x_train: NDArray[np.float32]  # (capacity, inputs)
    y_train: Targets  # (capacity,)
    n_train: int
    flipped: NDArray[np.bool_]  # (capacity,) training labels that were replaced by a wrong one
    x_validation: NDArray[np.float32]
    y_validation: Targets
    x_test: NDArray[np.float32]
    y_test: Targets
    inputs: int
    outputs: int  # classes, or 1 for regression
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    mean: NDArray[np.float32]  # (inputs,) x = (raw - mean) / scale
    scale: NDArray[np.float32]
    target_mean: float  # y = (raw - target_mean) / target_scale; 0 and 1 for classes
    target_scale: float
    train_rows: Rows  # (n_train,) row of the original table for each training point; empty for toy sets
    validation_rows: Rows
    test_rows: Rows
    refs: Rows  # (n_train,) for each training point the index at which it was drawn, or -1 - k for the k-th added by an edit
    standardised: bool  # whether mean and scale come from the training points
    note: str  # missing or odd values and how they were handled

    def __post_init__(self) -> None:
        for f in fields(self):  # a split is cached and shared, so nobody may write to it
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def one_class(self) -> bool:
        """Whether all training labels are the same class, so that there is nothing to tell apart."""
        return self.task == "classification" and np.unique(self.y_train[: self.n_train]).size == 1


def prepare(entry: Dataset, n_train: int, noise: float, flip: float, seed: int, edits: Edits = Edits()) -> Split:
    """The split of `entry` that `seed` names; pure. See `wdviz.datasets.load`, which checks the other arguments first.

    Raises:
        ValueError: for edits that do not suit the data set or leave too few or too many training points.
    """
    train, validation, test = _draw(entry, noise, seed) if entry.toy else _cut(entry, seed)
    seen = train.x[:n_train]
    mean, scale = (np.zeros(entry.inputs), np.full(entry.inputs, entry.divisor)) if entry.divisor else standard(seen)
    target_mean, target_scale = (0.0, 1.0) if entry.toy or entry.classes else map(float, standard(train.y[:n_train]))

    x = (seen - mean) / scale
    if not entry.toy:  # drawn row by row, so a point keeps its noise when `n_train` moves
        x = x + noise * _stream(entry, seed, "noise").standard_normal(x.shape)
    y, flipped = train.y[:n_train], np.zeros(n_train, dtype=bool)
    if entry.classes:
        y, flipped = _flip(y, len(entry.classes), entry.capacity, flip, _stream(entry, seed, "flip"))

    refs = np.arange(n_train, dtype=np.int32)
    if edits != Edits():
        x, y, flipped, refs = _edited(entry, edits, x, y, flipped)

    kind = np.int32 if entry.classes else np.float32

    def target(values: Numbers) -> Targets:
        return ((values - target_mean) / target_scale).astype(kind)

    return Split(
        name=entry.name,
        task=entry.task,
        x_train=_pad(x.astype(np.float32), entry.capacity),
        y_train=_pad(target(y), entry.capacity),
        n_train=len(x),
        flipped=_pad(flipped, entry.capacity),
        x_validation=((validation.x - mean) / scale).astype(np.float32),
        y_validation=target(validation.y),
        x_test=((test.x - mean) / scale).astype(np.float32),
        y_test=target(test.y),
        inputs=entry.inputs,
        outputs=entry.outputs,
        classes=entry.classes,
        feature_names=entry.feature_names,
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        target_mean=target_mean,
        target_scale=target_scale,
        train_rows=train.rows[:n_train].copy(),
        validation_rows=validation.rows,
        test_rows=test.rows,
        refs=refs,
        standardised=not entry.divisor,
        note=entry.card.notes,
    )


class _Part(NamedTuple):
    x: Floats
    y: Numbers
    rows: Rows


def _stream(entry: Dataset, seed: int, purpose: str) -> np.random.Generator:
    """A random stream of its own for each data set, seed and purpose, so that no setting disturbs what another one draws."""
    return np.random.default_rng([seed, zlib.crc32(f"{entry.name}/{purpose}".encode())])


def _draw(entry: Dataset, noise: float, seed: int) -> list[_Part]:
    """Training, validation and test points of a toy set; always `capacity` training points, of which a prefix is used."""
    sizes = {"train": entry.capacity, "validation": entry.n_validation, "test": entry.n_test}
    none = np.zeros(0, dtype=np.int32)
    return [_Part(*entry.load(size, noise, _stream(entry, seed, part)), none.copy()) for part, size in sizes.items()]


def _cut(entry: Dataset, seed: int) -> list[_Part]:
    """Training, validation and test rows of a real set: disjoint, of fixed sizes, stratified by class."""
    x, y = entry.load()
    if len(x) < entry.capacity + entry.n_validation + entry.n_test:
        raise ValueError(f"{entry.name} has {len(x)} rows; its split needs {entry.capacity + entry.n_validation + entry.n_test}")
    groups = [np.flatnonzero(y == c) for c in range(len(entry.classes))] or [np.arange(len(y))]
    rng = _stream(entry, seed, "split")
    left = [rng.permutation(group) for group in groups]
    parts: list[_Part] = []
    for size in (entry.n_test, entry.n_validation, entry.capacity):
        shares = _shares(size, np.array([len(group) for group in left]))
        if entry.classes and not shares.all():
            missing = entry.classes[int(np.argmin(shares))]
            raise ValueError(f"{entry.name} has too few points of class {missing!r}; each part of the split needs at least one")
        rows = _take_turns([group[:share] for group, share in zip(left, shares, strict=True)])
        left = [group[share:] for group, share in zip(left, shares, strict=True)]
        parts.append(_Part(x[rows], y[rows], rows.astype(np.int32)))
    return parts[::-1]


def _shares(size: int, available: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many of `size` places each class gets, in proportion to what is available (largest remainders get the places left over)."""
    exact = size * available / available.sum()
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: size - shares.sum()]] += 1
    return shares


def _take_turns(groups: list[NDArray[np.integer]]) -> NDArray[np.integer]:
    """All groups in one order in which each prefix holds the groups in about their overall proportions."""
    when = np.concatenate([(np.arange(len(group)) + 0.5) / len(group) for group in groups])
    return np.concatenate(groups)[np.argsort(when, kind="stable")]


def standard(values: Numbers) -> tuple[Floats, Floats]:
    """Mean and standard deviation over the first axis; 1 in place of the deviation of a constant column."""
    return values.mean(axis=0), np.where(np.ptp(values, axis=0) == 0, 1.0, values.std(axis=0))


def _flip(y: Numbers, classes: int, capacity: int, share: float, rng: np.random.Generator) -> tuple[Numbers, NDArray[np.bool_]]:
    """Replaces exactly round(share x points) labels (a half rounds to even), each by one of the other classes with equal chance.

    Every point has a rank and a wrong label of its own, whatever `share` and the number of points are; the lowest ranks are flipped.
    So a larger share flips the same points and some more, instead of another set of points.
    """
    rank = rng.permutation(capacity)[: len(y)]
    wrong = (y + rng.integers(1, classes, capacity)[: len(y)]) % classes
    flipped = np.zeros(len(y), dtype=bool)
    flipped[np.argsort(rank)[: round(share * len(y))]] = True
    return np.where(flipped, wrong, y), flipped


def _edited(
    entry: Dataset, edits: Edits, x: Floats, y: Numbers, flipped: NDArray[np.bool_]
) -> tuple[Floats, Numbers, NDArray[np.bool_], Rows]:
    """The drawn points that are left, then the added ones, and where each comes from (see `Split.refs`)."""
    if not entry.toy:
        raise ValueError(f"edits need a data set drawn in its own plane; {entry.name} is not")
    highest = max((label for *_, label in edits.added), default=0)
    if entry.classes and highest >= len(entry.classes):
        raise ValueError(f"edits add a point with label {highest}; the labels of {entry.name} are from 0 to {len(entry.classes) - 1}")
    kept = np.setdiff1d(np.arange(len(x)), edits.removed)
    total = len(kept) + len(edits.added)
    if not MIN_TRAIN <= total <= entry.capacity:
        raise ValueError(f"edits leave {total} training points; there must be from {MIN_TRAIN} to {entry.capacity}")
    added = np.array(edits.added).reshape(-1, 3)
    target = 2 if entry.classes else 1  # of (x, y, label)
    return (
        np.concatenate([x[kept], added[:, : entry.inputs]]),
        np.concatenate([y[kept], added[:, target]]),
        np.concatenate([flipped[kept], np.zeros(len(added), bool)]),
        np.concatenate([kept, -1 - np.arange(len(added))]).astype(np.int32),
    )


def _pad(values: NDArray[Element], rows: int) -> NDArray[Element]:
    """`values` followed by rows of zeros, `rows` in all."""
    padded = np.zeros((rows, *values.shape[1:]), dtype=values.dtype)
    padded[: len(values)] = values
    return padded
