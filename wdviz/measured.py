"""What is measured on a trained network beside its losses: NumPy arrays in frozen dataclasses, nothing that needs JAX to read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np

from wdviz.results import Spread

BINS = 10  # of confidence, all as wide


class Arrays:
    """A dataclass of arrays that says how much memory they take."""

    @property
    def nbytes(self) -> int:
        """Memory of its arrays."""
        values = (getattr(self, f.name) for f in fields(self))  # pyright: ignore[reportArgumentType]
        return sum(v.nbytes for v in values if isinstance(v, np.ndarray))


@dataclass(frozen=True, eq=False)
class Calibration(Arrays):
    """How sure a network is and how often it is right, over test points sorted into bins by confidence (its largest probability).

    Bin i holds confidences above i / bins up to (i + 1) / bins.
    """

    counts: np.ndarray  # (bins,) points
    confidence: np.ndarray  # (bins,) their mean confidence; NaN where there are none
    accuracy: np.ndarray  # (bins,) share of them that is right; NaN where there are none

    @classmethod
    def of(cls, confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Calibration:
        """From (n,) confidences, 0 to 1, and (n,) booleans. Raises ValueError where they are not alike or not in that range."""
        confidence, correct = np.asarray(confidence, float), np.asarray(correct, bool)
        if confidence.shape != correct.shape or confidence.ndim != 1:
            raise ValueError(f"confidence has shape {confidence.shape} and correct {correct.shape}; both must be (n,)")
        if not ((confidence >= 0) & (confidence <= 1 + 1e-6)).all():
            raise ValueError("confidence holds a value that is not from 0 to 1")
        place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        counts = np.bincount(place, minlength=bins)
        some = np.where(counts > 0, counts, np.nan)
        return cls(counts, np.bincount(place, confidence, bins) / some, np.bincount(place, correct, bins) / some)

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): mean distance of accuracy from confidence, bins weighted by their points."""
        total = self.counts.sum()
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / total) if total else math.nan

    @property
    def excess(self) -> float:
        """Mean confidence less accuracy: above 0 the network is too sure of itself, below 0 not sure enough."""
        total = self.counts.sum()
        return float(np.nansum(self.counts * (self.confidence - self.accuracy)) / total) if total else math.nan


@dataclass(frozen=True, eq=False)
class Probed(Arrays):
    """How one trained network reacts to small changes of the test inputs. S strengths, n test points, m of them, L layers."""

    strengths: np.ndarray  # (S,) standard deviations of the noise on each input, from 0
    scores: np.ndarray  # (S,) accuracy, or R2, on the noisy inputs
    losses: np.ndarray  # (S,) data loss there
    reactions: np.ndarray  # (n,) spectral norm of the Jacobian d outputs / d inputs at each test point
    spectral: np.ndarray  # (L,) largest stretch by each layer: spectral norm x slope of the activation; none where that bounds nothing
    distances: np.ndarray  # (m,) to the nearest change of the answer, infinite where none was found within `reach`; none for regression
    reach: float  # how far was looked
    calibration: Calibration
    map: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (G,) Jacobian norms over the grid of a picture, where one is drawn
    answers: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # (G, C) what the network answers there

    @property
    def diverged(self) -> bool:
        """Whether there is no number to be had, since the training left the range of numbers."""
        return not (np.isfinite(self.reactions).all() and np.isfinite(self.spectral).all() and np.isfinite(self.scores).all())

    @property
    def reaction(self) -> float:
        """Mean Jacobian norm over the test points."""
        return float(np.mean(self.reactions, dtype=np.float64))

    @property
    def product(self) -> float:
        """Product of the layers' largest stretches: no input is stretched by more. NaN where there is no such bound."""
        return float(np.prod(self.spectral, dtype=np.float64)) if len(self.spectral) else math.nan

    @property
    def typical_distance(self) -> float:
        """Median distance to a change of the answer; infinite where more than half of the points keep theirs, NaN for regression."""
        return float(np.sort(self.distances)[len(self.distances) // 2]) if len(self.distances) else math.nan

    @property
    def never(self) -> int:
        """Points whose answer did not change within `reach`."""
        return int(np.isinf(self.distances).sum())

    def score_at(self, strength: float) -> float:
        """Accuracy or R2 under noise of one of the strengths. Raises ValueError for another one."""
        return float(self.scores[self._at(strength)])

    def loss_at(self, strength: float) -> float:
        """Data loss under noise of one of the strengths. Raises ValueError for another one."""
        return float(self.losses[self._at(strength)])

    def _at(self, strength: float) -> int:
        found = np.flatnonzero(np.isclose(self.strengths, strength))
        if not found.size:
            raise ValueError(f"strength is {strength:g}; measured were {', '.join(f'{s:g}' for s in self.strengths)}")
        return int(found[0])


@dataclass(frozen=True)
class Probes:
    """One decay, measured with several seeds: probed[i] of one decay is paired with probed[i] of another."""

    name: str  # "without" or "with", as of `results.Arm`, or "ladder"
    decay: float
    probed: tuple[Probed, ...]

    @property
    def diverged(self) -> bool:
        """Whether any of its runs diverged."""
        return any(p.diverged for p in self.probed)

    def spread(self, number: Callable[[Probed], float]) -> Spread:
        """A number of each seed, over the seeds."""
        return Spread.of(map(number, self.probed))

    def median(self, numbers: Callable[[Probed], np.ndarray]) -> np.ndarray:
        """The median over the seeds of an array of each, element by element; NaN where one is not finite."""
        return np.median([numbers(p) for p in self.probed], axis=0)


@dataclass(frozen=True, eq=False)
class Rescaled(Arrays):
    """What multiplying all hidden weights by a factor does to the answers on the test inputs. F factors."""

    factors: np.ndarray  # (F,)
    change: np.ndarray  # (F,) mean share of probability that moves to other classes; mean absolute change for regression
    scores: np.ndarray  # (F,) accuracy or R2


@dataclass(frozen=True, eq=False)
class Flipped(Arrays):
    """One input, what the network answers to it, and the smallest change found that makes it answer something else."""

    x: np.ndarray  # (inputs,) as the network sees it
    probabilities: np.ndarray  # (classes,) there
    change: np.ndarray  # (inputs,) to add to x; NaN where no change was found
    after: np.ndarray  # (classes,) probabilities at x + change
    label: int  # its true class
    clean: np.ndarray  # (inputs,) before the noise

    @property
    def answer(self) -> int:
        """Class answered."""
        return int(np.argmax(self.probabilities))

    @property
    def distance(self) -> float:
        """Length of the change; infinite where none was found."""
        length = float(np.linalg.norm(self.change))
        return length if math.isfinite(length) else math.inf
