"""What several pages' scenes share: sliders, and the panels of one pair of runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from wdviz.figures import curves, weights
from wdviz.plans import ALL_SPECS
from wdviz.results import Arm
from wdviz.settings import Settings, Task
from wdviz.specs import Number
from wdviz.ui.stage import Slider, View
from wdviz.ui.words import medians, number, percent, spoken_decay


def slider(name: str, at: float, *, label: str = "", speak: Callable[[float], str] | None = None) -> Slider:
    """A control of the stage for a number of one of the tables. `speak` says what a value means."""
    spec = ALL_SPECS[name]
    assert isinstance(spec, Number)
    values: Sequence[Any] = spec.values
    label = label or spec.label
    spoken = tuple(map(speak or (lambda value: f"{label.lower()} {value:g}"), values))
    return Slider(name, label, spec.help, tuple(f"{value:g}" for value in values), spoken, values.index(at))


def decay_slider(settings: Settings, label: str = "") -> Slider:
    """The weight decay, with what it does to a weight in each step."""
    return slider("decay", settings.decay, label=label, speak=lambda value: spoken_decay(replace(settings, decay=value)))


def spoken_layer(layer: str) -> str:
    """`layer1 recurrent` as `layer 1 recurrent`, `block1 query` as `block 1 query`."""
    return re.sub(r"^(layer|block)(\d)", r"\1 \2", layer)


def unit(task: Task) -> str:
    """In what losses are counted."""
    return "half squared error" if task == "regression" else "nats"


def score_name(task: Task) -> str:
    return "R2" if task == "regression" else "accuracy"


def score_form(task: Task) -> Callable[[float], str]:
    return number if task == "regression" else percent


def histograms(arms: tuple[Arm, Arm]) -> tuple[View, ...]:
    """The weights of each layer, one view each."""
    layers = arms[0].histories[0].layers
    return tuple(View(spoken_layer(name), partial(weights.histogram.draft, arms, name), partial(_weights, arms, name)) for name in layers)


def losses(arms: tuple[Arm, Arm], task: Task, switch: curves.Switch | None = None) -> View:
    """Training and test loss of both arms over training."""
    return View("loss", partial(curves.losses.draft, arms, unit=unit(task), switch=switch), partial(_losses, arms))


def _losses(arms: tuple[Arm, Arm]) -> str:
    a, b = ({s: number(arm.spread(lambda h, s=s: h.loss(s)).median) for s in ("train", "test")} for arm in arms)
    return (
        f"At the end: without decay {a['train']} on training and {a['test']} on test data; with decay {b['train']} and {b['test']}"
        f"{medians(len(arms[0].histories))}."
    )


def _weights(arms: tuple[Arm, Arm], layer: str) -> str:
    sizes = [float(abs(arm.histories[0].params[layer]["weight"]).mean()) for arm in arms]
    return f"Mean size of a weight in {spoken_layer(layer)}: {number(sizes[0])} without, {number(sizes[1])} with decay (first seed)."
