"""What a run returns: NumPy arrays in frozen dataclasses, nothing that needs JAX to read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

Tree = dict[str, dict[str, np.ndarray]]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class History:
    """One training run. K checkpoints, L layers, G grid points, C outputs.

    `losses` and `scores` name the splits train, validation and test; of a run with rows held out (`runs.Run.fold`), "test" is those
    rows. `losses` are data losses (cross-entropy in nats, or half the mean squared error) without penalty, dropout or smoothing;
    `scores` are accuracies, or R2 for regression.
    """

    steps: np.ndarray  # (K,) step of each checkpoint, from 0
    losses: dict[str, np.ndarray]  # split -> (K,)
    scores: dict[str, np.ndarray]  # split -> (K,)
    penalty: np.ndarray  # (K,) decay / 2 x sum of squares of what decays
    shrink: np.ndarray  # (K,) product of (1 - learning rate x decay) over the steps so far: what decoupled decay alone leaves
    norms: np.ndarray  # (K, L) norm of each layer's weights
    angles: np.ndarray  # (K, L) radians by which the last step turned each layer's weights
    step_losses: np.ndarray  # (steps,) training loss of each step's batch, as it was minimised (without the penalty)
    layers: tuple[str, ...]
    kept: int  # checkpoint whose weights are kept: the last, or the best with early stopping
    start: Tree  # parameters at the start
    params: Tree  # parameters kept
    grid: np.ndarray  # (G, C) predictions there with the weights kept: probabilities, or values for regression
    film_params: Tree | None = None  # each array with a leading K
    film_grid: np.ndarray | None = None  # (K, G, C)
    state: Tree = field(default_factory=dict)  # running statistics of batch normalisation kept with the parameters; empty without

    def __getstate__(self) -> dict[str, object]:
        """The fields alone, so that equal runs are equal in bytes, whatever was read off them already."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def diverged(self) -> bool:
        """Whether the weights or losses left the range of numbers."""
        curves = (*self.losses.values(), self.norms)
        return not all(np.isfinite(c).all() for c in curves)

    @property
    def nbytes(self) -> int:
        """Memory of its arrays."""
        return self._size

    @cached_property
    def _size(self) -> int:
        return sum(_nbytes(getattr(self, f.name)) for f in fields(self))

    @property
    def norm(self) -> float:
        """Norm of all weights kept together."""
        return float(np.sqrt(np.sum(self.norms[self.kept].astype(np.float64) ** 2)))

    def loss(self, split: str) -> float:
        """Data loss on a split with the weights kept."""
        return float(self.losses[split][self.kept])

    def score(self, split: str) -> float:
        """Accuracy or R2 on a split with the weights kept."""
        return float(self.scores[split][self.kept])

    @property
    def gap(self) -> float:
        """Test loss minus training loss with the weights kept."""
        return self.loss("test") - self.loss("train")


def _nbytes(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_nbytes, value.values()))
    return value.nbytes if isinstance(value, np.ndarray) else 0


@dataclass(frozen=True)
class Spread:
    """Median and range of a number over seeds."""

    median: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises ValueError for no values; one that is not finite makes the median so too."""
        v = sorted(map(float, values))  # NumPy takes ten times as long for so few
        if not v:
            raise ValueError("values is empty; at least one seed is needed")
        if any(map(math.isnan, v)):
            return cls(math.nan, math.nan, math.nan, len(v))
        middle = len(v) // 2
        return cls(v[middle] if len(v) % 2 else (v[middle - 1] + v[middle]) / 2, v[0], v[-1], len(v))


@dataclass(frozen=True)
class Arm:
    """One setting, trained with several seeds: histories[i] of one arm is paired with histories[i] of the other.

    Arms of the very same histories are equal, so that their pictures are known to be.
    """

    name: str  # "without" or "with"
    decay: float
    histories: tuple[History, ...]

    @property
    def diverged(self) -> bool:
        """Whether any of its runs diverged."""
        return any(h.diverged for h in self.histories)

    def spread(self, number: Callable[[History], float]) -> Spread:
        """A number of each history, over the seeds."""
        return Spread.of(map(number, self.histories))
