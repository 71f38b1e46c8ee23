"""The Learning rate page's stage: two maps and the chosen cell's curves and weights; the panels of `speed` stand below."""

from __future__ import annotations

import math
from functools import partial

from wdviz.experiments import learning_rate, speed
from wdviz.experiments.learning_rate import Map, Maps, Trend
from wdviz.figures import landscape as map_figures
from wdviz.plans import Landscape
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes import speed as speed_panels
from wdviz.ui.scenes.common import decay_slider, histograms, losses, slider, unit
from wdviz.ui.stage import Panel, Scene, Stat, View
from wdviz.ui.words import between, number, seeds, shrink

KINDS = {
    "decoupled": "Decoupled: a step takes off learning rate x decay",
    "coupled": "Coupled: decay x weight is added to the gradient",
    "independent": "Independent: a step takes off decay alone",
}
VERDICTS = {"stays": "Hardly", "drifts": "A little", "follows": "Yes"}
EARLY = 4  # groups of the maps that come before the rest of the page's
CAP = 1.5  # times the loss of a uniform guess: the end of the maps' colours


def groups(settings: Settings, plan: Landscape) -> list[list[Run]]:
    """All the page's runs in their order: coarse maps and what follows the sliders first, then the panels below, then finer maps."""
    maps, below = learning_rate.groups(settings, plan), speed.groups(settings, plan)
    return [[*maps[0], *below[0]], *maps[1:EARLY], *below[1:], *maps[EARLY:]]


def scene(settings: Settings, plan: Landscape, following: Following) -> Scene:
    """What is finished so far, and all that the stage says and offers beside it."""
    found = learning_rate.summarise(settings, plan, following.results)
    below = speed.summarise(settings, plan, following.results)
    assert found is not None  # the first group is whole
    assert below is not None
    aside = [] if found.chosen else [f"Your kind of decay, {settings.decay_kind}, is on neither map: pick it as the second map."]
    return Scene(
        panels=(
            *(_map(found, shown_map) for shown_map in found.maps),
            _curves(found),
            _weights(found),
            *speed_panels.panels(below),
        ),
        result=live.name_of(settings, plan, len(following.results), following.stopped),
        answer=answer(found),
        more=following.more,
        progress=following.progress,
        sliders=(decay_slider(settings), slider("learning_rate", settings.learning_rate)),
        readout=shrink(settings),
        notes=tuple(aside),
    )


# --- words ------------------------------------------------------------------------------------------------------------------------


def answer(found: Maps) -> str:
    """The page's question answered in one or two sentences, in Markdown, with live numbers."""
    trends = [(shown.kind, shown.trend) for shown in found.maps]
    known = [(kind, trend) for kind, trend in trends if trend]
    if not known:
        if all(shown.whole for shown in found.maps):
            return "On neither map is there a decay that pays: **none** is best almost everywhere, or the training diverges."
        return "The maps fill in, coarse to fine: the best decay of each learning rate needs a whole column."
    rates = max((trend.rates for _, trend in known), key=len)
    said = " ".join(f"**{VERDICTS[trend.kind]}** with {kind} decay, {_trend(trend)}." for kind, trend in known)
    return f"{said} That is over learning rates from {rates[0]:g} to {rates[-1]:g}."


def _trend(trend: Trend) -> str:
    low, high = f"{min(trend.decays):g}", f"{max(trend.decays):g}"
    if low == high:
        return f"whose best value stays at **{low}**"
    if trend.kind == "stays":
        return f"whose best value stays near **{trend.middle:g}** ({low} to {high})"
    moves = f"where ten times the learning rate takes the best value to **{10**trend.power:.2g}** times what it was ({low} to {high})"
    if abs(trend.power + 1) <= learning_rate.STAYS:
        return f"{moves}, so that their product stays near {trend.product:.2g}"
    return moves


# --- panels -----------------------------------------------------------------------------------------------------------------------


def _map(found: Maps, shown: Map) -> Panel:
    task, classes = found.split.task, found.split.outputs
    cap = CAP * (0.5 if task == "regression" else math.log(classes))
    s = found.settings
    at = (s.learning_rate, s.decay) if shown is found.chosen else None
    views = tuple(
        View(
            f"{split} loss" if split != "train" else "training loss",
            partial(map_figures.landscape.draft, shown, split, cap=cap, unit=unit(task), at=at),
            partial(_say_map, shown, split),
        )
        for split in ("validation", "train", "test")
    )
    dotted = "equal decay" if shown.kind == "independent" else "equal learning rate x decay"
    note = f"star: lowest validation loss; dots: best of each learning rate; dotted: {dotted}; frame: your setting"
    return Panel(f"map-{shown.kind}", KINDS[shown.kind], views, span=6, stats=_best(shown), note=note, height=430)


def _best(shown: Map) -> tuple[Stat, ...]:
    if shown.best is None:
        return ()
    cell = shown.cells[shown.best]
    loss = cell.losses["validation"]
    return (
        Stat("best rate", f"{cell.learning_rate:g}"),
        Stat("best decay", f"{cell.decay:g}"),
        Stat("its loss", number(loss.median), between(loss)),
    )


def _say_map(shown: Map, split: str) -> str:
    count: dict[str, int] = {}
    for cell in shown.cells.values():
        count[cell.regime] = count.get(cell.regime, 0) + 1
    total = len(shown.rates) * len(shown.decays)
    names = {"memorises": "cannot escape overfitting", "generalises": "generalise", "learns nothing": "learn nothing"}
    one = {"memorises": names["memorises"]}  # cells that are alone: `1 generalises`
    parts = [f"{count[name]} {(names if count[name] > 1 else one).get(name, name)}" for name in map_figures.NAMES if name in count]
    said = f"Of {len(shown.cells)} cells trained ({total} in all), {', '.join(parts)}."
    if shown.best is None:
        return f"{said} None is best: all diverged."
    best = shown.cells[shown.best]
    rest = "" if split == "validation" else f" ({'training' if split == 'train' else split} loss there {number(best.losses[split].median)})"
    return f"{said} The lowest validation loss is at learning rate {best.learning_rate:g}, decay {best.decay:g}{rest}."


def _curves(found: Maps) -> Panel:
    done = len(found.without.histories)
    note = f"{speed_panels.where(found.settings)}, {found.settings.decay_kind}; solid train, dashed test; {seeds(done)}"
    return Panel("curves", "Loss over training, your setting", (losses(found.arms, found.split.task),), span=4, note=note, height=320)


def _weights(found: Maps) -> Panel:
    note = "first seed; grey outline: at the start"
    return Panel("weights", "Weights, your setting", histograms(found.arms), span=4, note=note, toggle="log counts", height=320)
