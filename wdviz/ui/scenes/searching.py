"""The lower panels of the Tuning page: three searches at the same budget, and how sensitive the choice is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from wdviz import datasets
from wdviz.experiments import widths
from wdviz.experiments.searching import Searches
from wdviz.experiments.widths import Widths
from wdviz.figures import searching, tuning
from wdviz.figures.draft import Draft
from wdviz.figures.searching import Bar
from wdviz.settings import Settings
from wdviz.ui.scenes.common import unit
from wdviz.ui.stage import Panel, View
from wdviz.ui.words import number, percent, seeds

AGAINST = {"n_train": "data size", "flip": "label noise", "noise": "label noise"}


def searches_panel(searched: Searches | None, settings: Settings) -> Panel:
    """Three searches at the same budgets; `searched` is None before there is any."""
    title = "Three searches, same budget"
    if searched is None:
        return Panel("searches", title, (_waiting("validation loss"),), span=4, height=330)
    tables = {"validation": searched.above} | ({"test": searched.test} if searched.test else {})
    of = unit(datasets.REGISTRY[settings.dataset].task)
    views = tuple(
        View(
            f"{split} loss",
            partial(searching.searches.draft, above, searched.used, searched.budgets, unit=of, split=split),
            partial(_say_searches, searched, split),
        )
        for split, above in tables.items()
    )
    count = next(iter(searched.above.values())).shape[1]
    note = f"median and range, {seeds(count)}; {len(searched.decays)} decays in all"
    return Panel("searches", title, views, span=4, height=330, note=note)


def _say_searches(searched: Searches, split: str) -> str:
    above = searched.above if split == "validation" else searched.test
    least = searched.budgets[0]
    parts = [f"{_search(name)} {number(float(np.median(table[0])))}" for name, table in above.items()]
    return f"With {least} full trainings' worth of steps, the pick's {split} loss is above the best by: {', '.join(parts)}."


def _search(name: str) -> str:
    return {"random": "random search", "halving": "successive halving"}.get(name, name)


def widths_panel(ranges: Mapping[str, Widths], settings: Settings) -> Panel:
    """How wide the range of good decays is, one view for each name of an axis."""
    title = f"How sensitive: decays within {percent(widths.WITHIN)}"
    if not ranges:
        return Panel("widths", title, (_waiting("data size"),), span=4, height=330)
    views = tuple(View(name, partial(_draw_widths, found, settings), partial(_say_widths, found, name)) for name, found in ranges.items())
    return Panel("widths", title, views, span=4, height=330, note=f"numbers: factors of ten, {seeds(widths.SEEDS)}")


def _draw_widths(found: Widths, settings: Settings) -> Draft:
    bars = [Bar(r.low, r.high, r.open_low, r.open_high, r.best) if r else None for r in found.ranges]
    titles = {"n_train": "training points", "flip": "flipped labels", "noise": "noise of the values"}
    return searching.widths.draft(
        found.values,
        bars,
        all_values=widths.axes(settings)[found.against],
        title=titles[found.against],
        percent=found.against == "flip",
        now=getattr(settings, found.against),
        ends=(found.decays[0], found.decays[-1]),
    )


def _say_widths(found: Widths, name: str) -> str:
    form = percent if found.against == "flip" else lambda value: f"{value:g}"
    parts = [
        f"{form(value)}: {'at most ' if r.open_low else ''}{r.low:.2g} to {r.high:.2g}{' or more' if r.open_high else ''}"
        for value, r in zip(found.values, found.ranges, strict=True)
        if r
    ]
    return f"Decays within {percent(widths.WITHIN)} of the lowest validation loss, by {name}: {'; '.join(parts)}."


def _waiting(label: str) -> View:
    words = "Comes after the cross-validation."
    return View(label, partial(tuning.sealed.draft, (), words), lambda: words)
