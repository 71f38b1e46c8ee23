"""What the Architectures page shows of the inside of one network: sizes, weights, and what its family alone has."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from wdviz import datasets, internals
from wdviz.experiments.architectures import Architectures
from wdviz.figures import curves, mosaics
from wdviz.figures import inside as figures
from wdviz.ui.scenes.common import histograms, spoken_layer
from wdviz.ui.stage import Panel, Stat, View
from wdviz.ui.words import number, percent

TITLES = {
    "feedforward": "Inside: what the first layer looks for",
    "convolutional": "Inside: the filters",
    "recurrent": "Inside: the recurrent matrix and its memory",
    "attention": "Inside: who attends to whom",
}


def growth_panel(found: Architectures) -> Panel:
    """Size of each component now, and each over the training."""
    pair, share = found.look, found.plan.moment / 100
    arms = internals.arms_at(pair, share, found.settings.decay)
    layers = [spoken_layer(name) for name in pair[0].history.layers]

    def say() -> str:
        ratios = pair[1].growth(pair[1].at(share)) / pair[0].growth(pair[0].at(share))
        parts = [f"{name} {ratio:.2f}" for name, ratio in zip(layers, ratios, strict=True) if math.isfinite(ratio)]
        return f"Norm with decay over norm without: {', '.join(parts)}." if parts else "Diverged: there are no norms."

    def say_layer(i: int) -> str:
        a, b = (number(float(look.history.norms[-1, i])) for look in pair)
        return f"At the end the norm of {layers[i]} is {a} without and {b} with decay."

    views = (
        View("all components", partial(figures.growth.draft, pair, layers, share), say),
        *(View(name, partial(curves.norms.draft, arms, i, pure_shrink=False), partial(say_layer, i)) for i, name in enumerate(layers)),
    )
    return Panel("sizes", f"Size of each component, {found.inside}", views, span=6, note=_moment(found), height=360)


def weights_panel(found: Architectures) -> Panel:
    """The weights of each component, as they are spread."""
    arms = internals.arms_at(found.look, found.plan.moment / 100, found.settings.decay)
    note = f"{_moment(found)}; grey outline: at the start"
    return Panel("weights", "Weights by component", histograms(arms), span=6, note=note, toggle="log counts", height=360)


def inside_panel(found: Architectures) -> Panel:
    """What the family alone has."""
    views = {"recurrent": _recurrent, "attention": _attention}.get(found.inside, _filters)(found)
    return Panel("inside", TITLES[found.inside], views, span=6, stats=_stats(found), note=_moment(found), height=400)


def _moment(found: Architectures) -> str:
    k = found.look[0].at(found.plan.moment / 100)
    return f"first seed, step {found.look[0].history.steps[k]} of {found.settings.steps}"


def _stats(found: Architectures) -> tuple[Stat, ...]:
    without, with_decay = found.look
    ks = [look.at(found.plan.moment / 100) for look in found.look]
    if found.inside == "recurrent":
        a, b = (float(look.radius[k].max()) for look, k in zip(found.look, ks, strict=True))
        return (Stat("spectral radius", f"{number(a)} → {number(b)}", "without → with decay"),)
    if found.inside == "attention":
        a, b = (float(look.entropy[k].mean()) for look, k in zip(found.look, ks, strict=True))
        return (Stat("entropy, nats", f"{number(a)} → {number(b)}", f"without → with; evenly: {number(_most(found))}"),)
    name = without.history.layers[0]
    alive = [f"{_alive(look.params(k)[name]['weight'])}" for look, k in zip((without, with_decay), ks, strict=True)]
    return (Stat("filters in use" if found.inside == "convolutional" else "units in use", " → ".join(alive), "without → with decay"),)


def _alive(weight: np.ndarray) -> int:
    """How many columns have at least a tenth of the largest one's norm."""
    norms = np.linalg.norm(np.nan_to_num(weight.astype(np.float64)), axis=0)
    return int(np.sum(norms >= 0.1 * norms.max())) if norms.max() > 0 else 0


def _most(found: Architectures) -> float:
    return math.log(found.look[0].maps.shape[-1])


def _recurrent(found: Architectures) -> tuple[View, ...]:
    pair, share = found.look, found.plan.moment / 100
    many = pair[0].eigenvalues.shape[1]

    def say_radius(layer: int) -> str:
        parts = []
        for look, name in zip(pair, ("without", "with"), strict=True):
            size = float(look.radius[-1, layer])
            half = internals.half_life(size)
            kept = "forgets nothing" if math.isinf(half) else f"forgets half in {half:.1f} steps"
            where = f", where a linear recurrence {kept}" if math.isfinite(size) else ""
            parts.append(f"{number(size)} {name} decay{where}")
        return f"Spectral radius at the end: {'; '.join(parts)}."

    def say_memory() -> str:
        parts = []
        for look, name in zip(pair, ("without", "with"), strict=True):
            memory = look.memory[look.at(share)]
            ratio = float(memory[-1] / memory[0]) if memory[0] > 0 else math.nan
            parts.append(f"{number(ratio)} times as much {name} decay" if math.isfinite(ratio) else f"not defined {name} decay")
        return f"The first input moves the last state, compared with the last input: {'; '.join(parts)}."

    def named(what: str, layer: int) -> str:
        return what if many == 1 else f"{what}, layer {layer + 1}"

    def spread(layer: int) -> View:
        return View(named("eigenvalues", layer), partial(figures.eigenvalues.draft, pair, layer, share), partial(say_radius, layer))

    def over_time(layer: int) -> View:
        return View(named("spectral radius", layer), partial(figures.radius.draft, pair, layer, share), partial(say_radius, layer))

    layers = range(many)
    return (*map(spread, layers), View("memory", partial(figures.memory.draft, pair, share), say_memory), *map(over_time, layers))


def _attention(found: Architectures) -> tuple[View, ...]:
    pair, share, example = found.look, found.plan.moment / 100, found.plan.example
    many = pair[0].maps.shape[1]
    example = min(example, pair[0].single.shape[1] - 1)

    def say(block: int) -> str:
        a, b = (number(float(look.entropy[look.at(share), block].mean())) for look in pair)
        return f"Mean entropy of a token's attention {a} nats without and {b} with decay; {number(_most(found))} if it were even."

    def named(what: str, block: int) -> str:
        return what if many == 1 else f"{what}, block {block + 1}"

    views = []
    for block in range(many):
        views.append(View(named("mean map", block), partial(mosaics.attention_maps.draft, pair, block, share), partial(say, block)))
        single = partial(mosaics.attention_maps.draft, pair, block, share, example)
        views.append(View(named("one input", block), single, partial(say, block)))
        views.append(View(named("entropy", block), partial(figures.entropy.draft, pair, block, share), partial(say, block)))
    return tuple(views)


def _filters(found: Architectures) -> tuple[View, ...]:
    pair, share = found.look, found.plan.moment / 100
    rows, columns, *_ = datasets.REGISTRY[found.settings.dataset].shape or (len(pair[0].history.start["layer1"]["weight"]), 1)
    spatial = {"convolutional": (3, min(3, columns)), "feedforward": (rows, columns)}[found.inside]
    what = "filters of the first layer" if found.inside == "convolutional" else "weights into single units of the first layer"

    def say() -> str:
        sizes = [np.abs(look.params(look.at(share))["layer1"]["weight"]).mean() for look in pair]
        return f"Mean size of a weight in the first layer: {number(float(sizes[0]))} without, {number(float(sizes[1]))} with decay."

    def say_norms() -> str:
        parts = []
        for look, name in zip(pair, ("without", "with"), strict=True):
            weight = look.params(look.at(share))["layer1"]["weight"]
            parts.append(f"{_alive(weight)} of {weight.shape[1]} {name}")
        return (
            f"With at least a tenth of the largest one's norm: {' and '.join(parts)} decay ({percent(0.1)} is where one counts as in use)."
        )

    return (
        View("as pictures", partial(mosaics.tiles.draft, pair, "layer1", spatial, share, what), say),
        View("their norms", partial(figures.unit_norms.draft, pair, "layer1", share), say_norms),
    )
