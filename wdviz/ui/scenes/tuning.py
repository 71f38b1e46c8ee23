"""The Tuning page's stage: the cross-validated curve, the choices, their price, three searches, and how wide the good range is."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from wdviz import datasets
from wdviz.experiments import price as pricing
from wdviz.experiments import ridge, searching, tuning, widths
from wdviz.experiments.price import Price
from wdviz.experiments.tuning import Tuning
from wdviz.figures import tuning as figures
from wdviz.figures import validation
from wdviz.figures.tuning import Scale
from wdviz.figures.validation import Folds
from wdviz.plans import Search
from wdviz.results import Spread
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes.common import decay_slider, score_form, score_name, slider, unit
from wdviz.ui.scenes.searching import AGAINST, searches_panel, widths_panel
from wdviz.ui.stage import Offer, Panel, Scene, Stat, View
from wdviz.ui.words import between, medians, number, percent, ranged, seeds, shrink

SPOKEN = {way: said for way, (*_, said) in figures.WAYS.items()}
STATS = {"best": "by loss", "simplest": "by 1 SE", "most_accurate": "by accuracy"}


def groups(settings: Settings, plan: Search, *, tested: bool = False) -> list[list[Run]]:
    """All the page's runs in their order; those that open the test set only where that was asked for."""
    opened = pricing.groups(settings, plan) if tested else []
    return [*tuning.groups(settings, plan), *opened, *searching.groups(settings, plan), *widths.groups(settings, plan)]


def scene(settings: Settings, plan: Search, following: Following, *, tested: bool = False) -> Scene:
    """What is finished so far, and all that the stage says and offers beside it. `tested`: the test set has been opened."""
    results = following.results
    tuned = tuning.summarise(settings, plan, results)
    assert tuned is not None  # the first group is whole
    priced = pricing.summarise(tuned, results) if tested else None
    searched = searching.summarise(settings, plan, results, tested=tested)
    ranges = {AGAINST[a]: w for a in widths.axes(settings) if (w := widths.summarise(settings, plan, results, a))}
    return Scene(
        panels=(
            _curve(tuned, settings),
            _choices(tuned, settings),
            _price(tuned, priced, tested),
            searches_panel(searched, settings),
            widths_panel(ranges, settings),
        ),
        result=live.name_of(settings, plan, tested, len(results), following.stopped),
        answer=answer(tuned, settings),
        more=following.more,
        progress=following.progress,
        sliders=(decay_slider(settings, "Your guess"), slider("learning_rate", settings.learning_rate)),
        readout=shrink(settings),
    )


# --- words ------------------------------------------------------------------------------------------------------------------------


def answer(tuned: Tuning, settings: Settings) -> str:
    """The page's question answered in one sentence, in Markdown, with live numbers."""
    best, simplest, accurate = (tuned.spread(way) for way in ("best", "simplest", "most_accurate"))
    if best is None or simplest is None:
        return "With every decay on the grid the training **diverges**: lower the learning rate or the highest decay."
    plan, first = tuned.plan, tuned.curves[0]
    done = "" if first.whole else f" after {len(first.losses)} of {plan.folds * plan.repeats} folds"
    over = f" over {seeds(best.seeds)}" if best.seeds > 1 else ""
    chosen = f"{plan.folds}-fold cross-validation picks a decay of **{_decay(best.median)}** by loss{done}{_range(best, over)}"
    rule = f"the one-standard-error rule **{_decay(simplest.median)}**"
    by_score = f", accuracy would pick **{_decay(accurate.median)}**" if accurate else ""
    return f"{chosen}, {rule}{by_score}{_ranges(simplest, accurate)}. {_guess(tuned, settings)}"


def _guess(tuned: Tuning, settings: Settings) -> str:
    cost = Spread.of(curve.cost(settings.decay) for curve in tuned.curves)
    if settings.decay > tuned.decays[-1]:
        return f"Your **{settings.decay:g}** lies outside the grid."
    if not math.isfinite(cost.median):
        return f"At your **{settings.decay:g}** some training diverged."
    more = "nothing" if round(100 * cost.median) == 0 else f"**{percent(cost.median)}**"
    return f"Your **{settings.decay:g}** costs {more} more on held-out points{ranged(cost, percent)}."


def _decay(value: float) -> str:
    return f"{value:.3g}"


def _ranges(*spreads: Spread | None) -> str:
    """` (over the seeds: rule 7 to 50, accuracy 2 to 7)`; nothing where all seeds agree on each."""
    known = {name: spread for name, spread in zip(("rule", "accuracy"), spreads, strict=True) if spread}
    if all(spread.low == spread.high for spread in known.values()):
        return ""
    parts = [f"{name} {_decay(s.low)}" + (f" to {_decay(s.high)}" if s.low < s.high else "") for name, s in known.items()]
    return f" (over the seeds: {', '.join(parts)})"


def _range(spread: Spread, over: str) -> str:
    if not over:
        return ""
    return f" ({between(spread, _decay)}{over})" if spread.low < spread.high else f" (in all {spread.seeds} seeds)"


# --- panels -----------------------------------------------------------------------------------------------------------------------


def _curve(tuned: Tuning, settings: Settings) -> Panel:
    curve, task = tuned.curves[0], datasets.REGISTRY[settings.dataset].task
    exact = tuned.exact
    losses = Folds(
        tuned.decays,
        curve.losses,
        curve.mean,
        curve.error,
        curve.train.mean(0),
        exact.losses if exact else None,
        exact.freedom if exact else None,
    )
    marks = {way: at for way in ("best", "simplest") if (at := getattr(curve, way)) is not None}
    drawn = partial(
        validation.cross_validated.draft,
        right=curve.right,
        guess=tuning.place(tuned.decays, settings.decay),
        decay=settings.decay,
    )
    views = [View("loss", partial(drawn, losses, Scale("loss", unit(task)), marks=marks), partial(_say_curve, tuned))]
    if curve.most_accurate is not None:
        accuracies = Folds(tuned.decays, curve.scores, curve.score, curve.score_error, curve.train_scores.mean(0))
        marks = {way: at for way in ("most_accurate", "best") if (at := getattr(curve, way)) is not None}
        views.append(View("accuracy", partial(drawn, accuracies, Scale("accuracy"), marks=marks), partial(_say_accuracy, tuned)))
    stats = [Stat(label, _decay(spread.median), between(spread, _decay)) for way, label in STATS.items() if (spread := tuned.spread(way))]
    note = "thin lines: single folds; bars: 1 standard error (SE)"
    return Panel("validation", "Cross-validation, first seed", tuple(views), span=8, stats=tuple(stats), note=note, height=400)


def _say_curve(tuned: Tuning) -> str:
    curve = tuned.curves[0]
    if curve.best is None or curve.right is None:
        return "All diverged: there is nothing to choose."
    low, high = (f"{tuned.decays[i]:g}" for i in curve.right)
    about = low if low == high else f"{low} to {high}"
    error = curve.error[curve.best]
    bar = f" ± {number(error)}" if math.isfinite(error) else ""
    lowest = f"Lowest at decay {tuned.decays[curve.best]:g}: {number(curve.mean[curve.best])}{bar}."
    said = f"{lowest} About right, within one standard error: {about}."
    without = f" Without decay {number(curve.mean[0])} on points held out and {number(curve.train.mean(0)[0])} on those trained on."
    why = ridge.why_not(tuned.settings)
    if tuned.exact is None:
        return f"{said}{without} No exact leave-one-out curve: {why}."
    freedom = tuned.exact.freedom[curve.best]
    return f"{said}{without} There the linear model has {freedom:.1f} effective degrees of freedom of {tuned.exact.freedom[0]:.0f}."


def _say_accuracy(tuned: Tuning) -> str:
    curve = tuned.curves[0]
    assert curve.most_accurate is not None
    assert curve.best is not None
    said = f"Highest at decay {tuned.decays[curve.most_accurate]:g}: {percent(curve.score[curve.most_accurate])}"
    if curve.most_accurate == curve.best:
        return f"{said}, where the loss is lowest too."
    return f"{said}; the loss is lowest at {tuned.decays[curve.best]:g}, with {percent(curve.score[curve.best])} right: the two differ."


def _choices(tuned: Tuning, settings: Settings) -> Panel:
    ways = [way for way in STATS if way != "most_accurate" or tuned.spread(way)]
    chosen = {way: [at for curve in tuned.curves if (at := getattr(curve, way)) is not None] for way in ways}
    draw = partial(figures.choices.draft, tuned.decays, chosen, guess=tuning.place(tuned.decays, settings.decay))

    def say() -> str:
        spreads = [(SPOKEN[way], spread) for way in ways if (spread := tuned.spread(way))]
        parts = [
            f"{name} {_decay(spread.median)}" + (f" ({between(spread, _decay)})" if spread.seeds > 1 else "") for name, spread in spreads
        ]
        start = f"Median over {seeds(len(tuned.curves))}" if len(tuned.curves) > 1 else "One seed"
        return f"{start}: {'; '.join(parts)}." if parts else "No seed could choose: all diverged."

    count = f"{seeds(len(tuned.curves))} so far" if len(tuned.curves) < settings.seeds else "a dot each; bar: median"
    return Panel("choices", "What each seed would choose", (View("choices", draw, say),), span=4, note=count, height=400)


def _price(tuned: Tuning, priced: Price | None, tested: bool) -> Panel:
    task = datasets.REGISTRY[tuned.settings.dataset].task
    ways = [way for way in pricing.WAYS if way != "most_accurate" or task == "classification"]
    if priced is None:
        waiting = "Training each candidate on all training points." if tested else "The test set is still sealed."
        words = (
            waiting
            if tested
            else f"{waiting}<br>Choose first, then open it once:<br>what one looks at while choosing<br>tests nothing any more."
        )
        view = View("sealed", partial(figures.sealed.draft, ways, words), lambda: words.replace("<br>", " "))
        offer = (
            None if tested else Offer("Open the test set", {"tested": "1"}, title="Train each candidate on all training points and test it")
        )
        return Panel("price", "The price of choosing", (view,), span=4, height=330, offer=offer)
    decays = {way: [priced.decays[i] for i in priced.picks[way]] for way in ways}
    score = score_name(task)
    losses, scores = ({way: getattr(priced, what)(way) for way in ways} for what in ("loss", "score"))
    views = (
        View("loss", partial(figures.price.draft, losses, decays, Scale("loss", unit(task))), partial(_say_price, priced)),
        View(score, partial(figures.price.draft, scores, decays, Scale(score)), partial(_say_scores, priced, score, score_form(task))),
    )
    offer = Offer("Seal it again", {"tested": "0"}, title="Hide the test results")
    note = f"{seeds(len(priced.losses))}, joined by thin lines; bar: median"
    return Panel("price", "The price of choosing", views, span=4, height=330, offer=offer, note=note)


def _say_price(priced: Price) -> str:
    prices = {way: priced.price(way) for way in priced.picks if way != "oracle"}
    parts = [f"{SPOKEN[way]} {number(p.median)}" + (f" ({between(p)})" if between(p) else "") for way, p in prices.items()]
    found = priced.found
    share = ""
    if 0 <= found < math.inf:
        share = f" The lowest loss finds {percent(found)} of what decay can save{medians(len(priced.losses))}."
    elif prices["best"].median > prices["none"].median:
        share = " The lowest loss costs more on the test set than no decay does."
    return f"Test loss beyond the best there is, which nobody knows beforehand: {'; '.join(parts)}.{share}"


def _say_scores(priced: Price, score: str, form: Callable[[float], str]) -> str:
    parts = [f"{SPOKEN[way]} {form(float(np.median(priced.score(way))))}" for way in priced.picks]
    return f"Test {score}, median: {'; '.join(parts)}. The best there is by loss need not be the best by {score}."
