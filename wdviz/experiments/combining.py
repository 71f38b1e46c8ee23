"""Which networks are trained to see regularisers together: all combinations of some, and decay's strength against one other's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from wdviz import datasets, networks
from wdviz.plans import COMBINED, RIVALS, Combine, between
from wdviz.runs import Run
from wdviz.settings import AMOUNTS, DECAYS, SPECS, Settings
from wdviz.specs import Number

CHECKPOINTS = 10  # evaluations of a run, of which only the last one counts here
CHECKPOINTS_STOPPING = 40  # with early stopping, which looks at the validation loss at each
STAND_IN = 0.2  # noise of augmentation for data that are neither images nor series, where there would be none

Levels = tuple[int, ...]  # off or on, of each factor

_UNUSED = Settings()  # amounts of what is not used are put to these, so that they do not tell runs apart


@dataclass(frozen=True)
class Design:
    """What is trained, without anything that does not bear on it."""

    base: Settings  # without decay; its regularisers stand beside all combinations
    decay: float
    factors: tuple[str, ...]  # in the order of the pictures
    rival: str  # a key of `RIVALS`
    decays: tuple[float, ...]  # of the map, ascending from 0
    strengths: tuple[float, ...]  # of the rival, ascending from 0
    seeds: int
    strength_seeds: int
    notes: tuple[str, ...]  # on what was asked for and cannot be

    @property
    def amount(self) -> str:
        """The setting that holds the rival's strength."""
        return RIVALS[self.rival][0]

    @property
    def needs(self) -> str:
        """The regulariser that it is a strength of."""
        return next(needs for needs, names in AMOUNTS.items() if self.amount in names)


def design(settings: Settings, plan: Combine) -> Design:
    """What the controls ask for, as far as it can be.

    Raises:
        ValueError: for fewer than two regularisers, or a range of decays that is reversed or holds a single value.
    """
    factors, notes = _factors(settings, plan)
    rival, more_notes = _rival(settings, plan)
    decays = (0.0, *between(DECAYS[1:], plan.least_decay, plan.most_decay, plan.strengths - 1, name="decay"))
    base = replace(at_work(settings), decay=0.0, switch_at=0, decay_after=0.0, seeds=1)
    seeds, notes = (settings.seeds, plan.strength_seeds), (*notes, *more_notes)
    return Design(base, settings.decay, factors, rival, decays, _strengths(rival, plan.strengths), *seeds, notes)


def at_work(settings: Settings) -> Settings:
    """The settings with the amounts that are used: augmentation of points is noise on them, and not none."""
    bare = not datasets.REGISTRY[settings.dataset].shape and settings.augmentation_noise == 0
    return replace(settings, augmentation_noise=STAND_IN) if bare else settings


def turns(shape: tuple[int, ...]) -> bool:
    """Whether inputs of a shape can be rotated: images can, series and others cannot."""
    return bool(shape) and shape[1] > 1


def _factors(settings: Settings, plan: Combine) -> tuple[tuple[str, ...], list[str]]:
    left_out = {}
    if datasets.REGISTRY[settings.dataset].task == "regression":
        left_out["label smoothing"] = "it needs classes"
    if "batch norm" not in networks.offered(settings, "regularisers"):
        left_out["batch norm"] = "attention networks have layer norm in its place, always"
    notes = [f"{name.capitalize()} is left out: {why}." for name, why in left_out.items() if name in plan.factors]
    found = tuple(name for name in COMBINED if name in plan.factors and name not in left_out)
    if len(found) < 2:
        raise ValueError(f"{found[0] if found else 'nothing'} alone cannot be combined; pick two regularisers at least")
    return found, notes


def _rival(settings: Settings, plan: Combine) -> tuple[str, list[str]]:
    entry = datasets.REGISTRY[settings.dataset]
    moves = {"shift": bool(entry.shape), "rotation": turns(entry.shape)}
    if not moves.get(plan.rival, True):
        return "noise of augmentation", [f"These data allow no {plan.rival}: the map shows decay against noise of augmentation."]
    if plan.rival == "label smoothing" and entry.task == "regression":
        return "dropout", ["Label smoothing needs classes: the map shows decay against dropout."]
    return plan.rival, []


def _strengths(rival: str, count: int) -> tuple[float, ...]:
    """Evenly spaced among the values of the rival's control, 0 the first."""
    name, highest = RIVALS[rival]
    spec = SPECS[name]
    assert isinstance(spec, Number)
    values = [value for value in spec.values if value <= highest]
    places = np.unique(np.round(np.linspace(0, len(values) - 1, min(count, len(values)))).astype(int))
    return tuple(values[i] for i in places)


# --- runs -------------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def table(asked: Design) -> list[dict[Levels, Run]]:
    """For each seed the run of each combination: none, each alone, pairs, and so on."""
    beside = set(asked.base.regularisers) - set(asked.factors)

    def of(levels: Levels, seed: int) -> Run:
        on = {name for name, level in zip(asked.factors, levels, strict=True) if level}
        decays = "decay" in on or "decay" not in asked.factors
        return _run(asked, replace(asked.base, decay=asked.decay if decays else 0.0), beside | (on - {"decay"}), seed)

    order = [tuple(int(i in on) for i in range(len(asked.factors))) for on in _subsets(len(asked.factors))]
    return [{levels: of(levels, asked.base.seed + i) for levels in order} for i in range(asked.seeds)]


@lru_cache(maxsize=32)
def cells(asked: Design) -> list[list[list[Run]]]:
    """For each seed, decay and strength of the map the run; other amounts of the same regulariser are none."""
    beside = set(asked.base.regularisers) - {asked.needs}
    silent = {name: type(getattr(asked.base, name))(0) for name in AMOUNTS[asked.needs]}

    def of(decay: float, strength: float, seed: int) -> Run:
        amounts = silent | {asked.amount: strength}
        return _run(asked, replace(asked.base, decay=decay, **amounts), beside | ({asked.needs} if strength else set()), seed)

    seeds = range(asked.base.seed, asked.base.seed + asked.strength_seeds)
    return [[[of(decay, strength, seed) for strength in asked.strengths] for decay in asked.decays] for seed in seeds]


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    """From none to all, small ones first."""
    return (on for size in range(count + 1) for on in combinations(range(count), size))


def _run(asked: Design, settings: Settings, on: set[str], seed: int) -> Run:
    """All runs share two compiled functions, with batch norm and without: each has all regularisers in it, some with an amount of none."""
    union = {*asked.base.regularisers, *asked.factors, asked.needs} - {"decay"}
    within = union if "batch norm" in on else union - {"batch norm"}
    unused = [name for needs, names in AMOUNTS.items() if needs not in on for name in names]
    unused += [] if "early stopping" in on else ["patience"]
    chosen = replace(settings, regularisers=tuple(sorted(on)), **{name: getattr(_UNUSED, name) for name in unused})
    checkpoints = CHECKPOINTS_STOPPING if "early stopping" in union else CHECKPOINTS
    return Run.of(chosen, seed, within=tuple(sorted(within)), checkpoints=checkpoints)
