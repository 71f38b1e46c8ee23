"""What the Architectures page trains: all families on the same data, of the same size, with the same parts decaying."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from wdviz import datasets, networks, runs
from wdviz.plans import FAMILIES, Families
from wdviz.runs import Run
from wdviz.settings import PARTS, Settings

# What is trained on where the visitor's data are neither images nor series: settings on which the families differ.
_TRAINED: dict[str, Any] = {"noise": 0.0, "flip": 0.3, "learning_rate": 0.01, "steps": 300}
STAND_INS: dict[str, dict[str, Any]] = {
    "digits": {"dataset": "digits", "n_train": 100} | _TRAINED,
    "power demand": {"dataset": "power demand", "n_train": 60} | _TRAINED,
}
ENDS, STOPS = 2, 30  # evaluations of a run of which the end alone is wanted, and of one that may stop early


def stands_in(settings: Settings, plan: Families) -> bool:
    """Whether another data set takes the place of the visitor's, which is neither images nor series."""
    return not datasets.REGISTRY[settings.dataset].shape and plan.stand_in != "none"


@lru_cache(maxsize=64)
def compared(settings: Settings, plan: Families) -> Settings:
    """The visitor's settings as far as they hold for all families, in the sizes of the plan; its decay is in force all the time."""
    if stands_in(settings, plan):
        settings = replace(settings, **STAND_INS[plan.stand_in], edits="")
    decaying = {} if plan.decaying == "as set" else {"decay_on": plan.decaying, "spare": "none"}
    return replace(settings, budget=plan.matched, depth=plan.layers_each, switch_at=0, decay_after=0.0, **decaying)


def of_family(base: Settings, family: str) -> Settings:
    """The settings of one family; attention networks have layer norm in the place of batch norm."""
    left_out = {"batch norm"} if family == "attention" else set()
    return replace(base, model=family, regularisers=tuple(r for r in base.regularisers if r not in left_out))


def missing(base: Settings) -> dict[str, str]:
    """The families that are left out, and why."""
    found = {}
    for family in FAMILIES:
        if not runs.takes(family, base.dataset):
            found[family] = f"it takes images and series, and {base.dataset} is neither"
        elif base.decay_on in PARTS and base.decay_on not in networks.parts(of_family(base, family)):
            found[family] = f"it has no {base.decay_on}"
    return found


def opened(base: Settings, plan: Families) -> str:
    """The family that is looked into: that of the plan, or the first one that is there.

    Raises:
        ValueError: if none is there.
    """
    gone = missing(base)
    left = [family for family in FAMILIES if family not in gone]
    if not left:
        raise ValueError(f"decay_on is {base.decay_on!r}, which none of the networks has; choose another part")
    return plan.inside if plan.inside in left else left[0]


def brief(settings: Settings, seed: int) -> Run:
    """A run of which the end alone is wanted."""
    return Run.of(settings, seed, checkpoints=STOPS if "early stopping" in settings.regularisers else ENDS)
