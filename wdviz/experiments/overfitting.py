"""What does weight decay do to a network that memorises? The same network with and without decay, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from wdviz import datasets, runs
from wdviz.results import Arm, History, Spread
from wdviz.runs import Run
from wdviz.settings import Settings

MEMORISES_GAP = 0.3  # test minus training loss, as a share of the loss of a uniform guess, from which a network memorises
SHRUNK = 0.5  # final norm of the weights, as a share of the first one, below which decay has pulled them to zero
NOTHING = 0.9  # training loss, as a share of the entropy of the training labels, from which it has learnt nothing
R2_GAP = 0.3
R2_NOTHING = 0.1

# Settings on which the effect can be seen, for each data set: set when a visitor picks it.
_REAL: dict[str, Any] = {"noise": 0.0, "flip": 0.2, "n_train": 60, "decay": 3.0}
SUGGESTED: dict[str, dict[str, Any]] = {
    **{name: {"noise": 0.2, "flip": 0.15, "n_train": 40, "decay": 2.0} for name in ("moons", "circles", "gaussians", "xor", "spirals")},
    "sine": {"noise": 0.3, "n_train": 20, "decay": 0.3},
    "digits": _REAL | {"n_train": 150, "flip": 0.25, "decay": 1.0},
    "breast cancer": _REAL | {"decay": 10.0},
    "wine": _REAL | {"n_train": 40, "decay": 10.0},
    "iris": _REAL | {"n_train": 40},
    "penguins": _REAL,
    "diabetes": _REAL | {"n_train": 80},
    "power demand": _REAL | {"decay": 2.0},
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both arms over the seeds finished so far; `split` and `plane` are the first seed's."""

    settings: Settings
    split: datasets.Split
    plane: datasets.Plane
    without: Arm
    with_decay: Arm

    @property
    def arms(self) -> tuple[Arm, Arm]:
        return self.without, self.with_decay

    def cut(self) -> Spread:
        """Share by which decay lowers the test loss, pair by pair; negative where it raises it."""
        pairs = zip(self.without.histories, self.with_decay.histories, strict=True)
        return Spread.of(_cut(a.loss("test"), b.loss("test")) for a, b in pairs)


def _cut(before: float, after: float) -> float:
    """Share by which a loss went down; minus infinity from a loss of exactly 0, which separable classes reach in float32."""
    if before == 0:
        return -math.inf if after > 0 else 0.0
    return 1 - after / before


@dataclass(frozen=True)
class Verdict:
    """What became of a run, in words, and the rule that says so."""

    name: str  # "diverged", "learns nothing", "memorises" or "generalises"
    words: str
    rule: str


def pair(settings: Settings, repetition: int) -> tuple[Run, Run]:
    """The runs without and with decay of one repetition: same data, start, batches and masks. The first one carries pictures."""
    return _both(settings, settings.seed + repetition, pictures=repetition == 0)


def film_pair(settings: Settings) -> tuple[Run, Run]:
    """The runs without and with decay of the first repetition once more, with weights and answers at each checkpoint."""
    return _both(settings, settings.seed, film=True)


def _both(settings: Settings, seed: int, *, pictures: bool = False, film: bool = False) -> tuple[Run, Run]:
    without = replace(settings, decay=0.0, switch_at=0, decay_after=0.0)
    return Run.of(without, seed, pictures=pictures, film=film), Run.of(settings, seed, pictures=pictures, film=film)


@lru_cache(maxsize=64)
def pairs(settings: Settings) -> tuple[tuple[Run, Run], ...]:
    """All pairs of runs of the comparison, the first repetition's first."""
    return tuple(pair(settings, i) for i in range(settings.seeds))


def compare(settings: Settings, results: Mapping[Run, History]) -> Comparison | None:
    """The comparison over the repetitions of which both arms are finished; None before the first."""
    done = [both for both in pairs(settings) if all(run in results for run in both)]
    if pairs(settings)[0] not in done:
        return None
    split = datasets.split_for(settings, settings.seed)
    without, with_decay = (tuple(results[p[i]] for p in done) for i in (0, 1))
    return Comparison(settings, split, datasets.plane(split), Arm("without", 0.0, without), Arm("with", settings.decay, with_decay))


def run(settings: Settings) -> Comparison:
    """Train both arms with all seeds and wait: the experiment as a library call."""
    comparison = compare(settings, runs.sweep([run for both in pairs(settings) for run in both]).wait_all())
    assert comparison is not None
    return comparison


def label_entropy(split: datasets.Split) -> float:
    """Entropy in nats of the training labels: the training loss of the best guess that ignores the input."""
    share = np.bincount(split.y_train[: split.n_train], minlength=split.outputs) / split.n_train
    return float(np.sum(share * np.log(1 / np.where(share > 0, share, 1))))


def verdict(arm: Arm, split: datasets.Split, *, on: str = "test") -> Verdict:
    """Too little, about right or too much, by the medians over the seeds; `on` names the data held against the training data."""
    if arm.diverged:
        return Verdict("diverged", "diverged: the weights grew beyond all bounds", "losses or weights are no longer finite numbers")
    if split.task == "regression":
        train, held = (arm.spread(lambda h, s=s: h.score(s)).median for s in ("train", on))
        nothing, memorises = train < R2_NOTHING, train - held > R2_GAP
        low, high = f"training R2 is below {R2_NOTHING}", f"training R2 is {{}} {R2_GAP} above the {on} R2"
    else:
        ceiling, margin = label_entropy(split), MEMORISES_GAP * math.log(split.outputs)
        nothing = arm.spread(lambda h: h.loss("train")).median >= NOTHING * ceiling
        memorises = arm.spread(lambda h: h.loss(on) - h.loss("train")).median > margin
        low = f"training loss is at least {100 * NOTHING:.0f} % of {ceiling:.2f}, that of always guessing the class shares"
        high = f"{on} loss is {{}} {margin:.2f} above the training loss"
    if nothing:
        shrunk = arm.spread(lambda h: h.norm / float(np.linalg.norm(h.norms[0]))).median < SHRUNK
        why = "the pull to zero wins" if arm.decay > 0 and shrunk else "no better than a guess that ignores the input"
        return Verdict("learns nothing", f"learns nothing: {why}", low)
    if memorises:
        return Verdict("memorises", "memorises: cannot escape overfitting", high.format("more than"))
    return Verdict("generalises", "generalises: new data cost little more than old", high.format("not more than"))
