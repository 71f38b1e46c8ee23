"""The Overfitting page's stage: each figure with its numbers, verdict and one-sentence summary, and the controls that move them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from wdviz import datasets, networks
from wdviz.experiments.overfitting import Comparison, compare, film_pair, verdict
from wdviz.figures import curves, decision, palette
from wdviz.figures.film import film
from wdviz.results import Arm, History, Spread
from wdviz.runs import Run
from wdviz.settings import MAX_TRAIN, Settings, shrink_per_step
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes import common
from wdviz.ui.scenes.common import decay_slider, histograms, losses, score_form, score_name, slider, spoken_layer
from wdviz.ui.stage import Panel, Points, Reel, Scene, Slider, Stat, View
from wdviz.ui.words import answer, between, decays, medians, number, seeds, shrink, spoken_decay, switches


def followed(chosen: Settings, following: Following, *, test_points: bool = False, filmed: Mapping[Run, History] | None = None) -> Scene:
    """What is finished so far. `filmed` as for `scene`."""
    comparison = compare(chosen, following.results)
    assert comparison is not None  # the first pair is there
    return scene(comparison, time_left=following.time_left, test_points=test_points, filmed=filmed)


def scene(comparison: Comparison, *, time_left: str = "", test_points: bool = False, filmed: Mapping[Run, History] | None = None) -> Scene:
    """Both arms' pictures, the curves, weights and norms under them, and all that the stage says and offers beside them.

    Arguments:
        filmed: the runs of `film_pair`, where playback was asked for.
    """
    chosen = comparison.settings
    done = len(comparison.without.histories)
    waiting = done < chosen.seeds
    one_class = "All training labels are of one class: there is nothing to tell apart. Use more points or another seed."
    return Scene(
        panels=_panels(comparison, test_points=test_points),
        result=live.name_of(chosen, done),
        film=live.name_of_film(chosen),
        steps=chosen.steps,
        answer=answer(comparison),
        status=f"{seeds(done)} of {chosen.seeds}{time_left}" if waiting else "",
        more=waiting,
        sliders=_sliders(chosen),
        readout=shrink(chosen),
        notes=(one_class,) if comparison.split.one_class else (),
        switch=f"decay {chosen.decay_after:g} from step {chosen.switch_at}" if _switch_set(chosen) else "",
        switch_to="0" if chosen.decay > 0 else f"{Settings().decay:g}",
        points=_points(comparison),
        reel=_reel(comparison, filmed) if filmed else None,
    )


def _switch_set(chosen: Settings) -> bool:
    """Whether a switch falls within the training, even if to the same decay for the moment."""
    return 0 < chosen.switch_at < chosen.steps


def _sliders(chosen: Settings) -> tuple[Slider, ...]:
    decay, rate = decay_slider(chosen), slider("learning_rate", chosen.learning_rate)
    if not _switch_set(chosen):
        return decay, rate
    speak = lambda value: spoken_decay(replace(chosen, decay=value))  # noqa: E731
    return decay, slider("decay_after", chosen.decay_after, label=f"Decay from step {chosen.switch_at}", speak=speak), rate


def _points(comparison: Comparison) -> Points:
    split, plane, chosen = comparison.split, comparison.plane, comparison.settings
    if not datasets.editable(chosen.dataset):
        return Points(why_not=f"The points of {chosen.dataset} are a projection, so a place in this plane is no point of theirs.")
    labels = split.y_train[: split.n_train] if split.classes else np.zeros(split.n_train)
    classes = split.classes or ("training point",)
    return Points(
        xy=plane.points,
        refs=split.refs,
        labels=labels.astype(np.int32),
        classes=classes,
        colours=palette.CLASS_COLOURS[: len(classes)],
        text=chosen.edits,
        most=MAX_TRAIN,
        least=datasets.MIN_TRAIN,
    )


def _reel(comparison: Comparison, filmed: Mapping[Run, History]) -> Reel:
    arms = [replace(arm, histories=(filmed[run],)) for arm, run in zip(comparison.arms, film_pair(comparison.settings), strict=True)]
    recorded = film(arms, comparison.split)
    captions = {
        arm.name: [[value for _, value in _numbers(arm, comparison, k)] for k in range(len(arm.histories[0].steps))] for arm in arms
    }
    bars = {spoken_layer(layer): counts for layer, counts in recorded.bars.items()}
    return Reel(recorded.steps, recorded.answers, bars, captions)


def _panels(comparison: Comparison, *, test_points: bool) -> tuple[Panel, ...]:
    arms = comparison.arms
    chosen = comparison.settings
    done = len(arms[0].histories)
    task = comparison.split.task
    unit, score = common.unit(task), score_name(task)
    layers = arms[0].histories[0].layers
    alone = shrink_per_step(chosen) is not None and not (chosen.decay_kind == "coupled" and chosen.optimiser != "sgd")
    median = "thin lines are seeds, thick their median" if done > 1 else "one seed so far" if chosen.seeds > 1 else "one seed"
    switch = (chosen.switch_at, f"decay {chosen.decay_after:g}") if switches(chosen) else None
    loss_views = (
        losses(arms, task, switch),
        View(score, partial(curves.scores.draft, arms, name=score, switch=switch), partial(_scores, comparison, score)),
        View("data loss and penalty", partial(curves.minimised.draft, arms[1], unit=unit, switch=switch), partial(_minimised, comparison)),
        View("each step", partial(curves.step_losses.draft, arms, unit=unit, switch=switch), partial(_steps, comparison)),
    )
    decaying = networks.decaying(chosen) if alone else frozenset[str]()
    norms = tuple(
        View(spoken_layer(name), partial(curves.norms.draft, arms, i, pure_shrink=name in decaying, switch=switch), partial(_norm, arms, i))
        for i, name in enumerate(layers)
    )
    return (
        *(_arm(comparison, arm, test_points) for arm in arms),
        Panel("curves", "Loss over training", loss_views, span=5, note=f"solid train, dashed test; {median}", height=290),
        Panel("weights", "Spread of the weights", histograms(arms), 4, note="grey outline: at the start", toggle="log counts", height=290),
        Panel("norms", "Norm of the weights", norms, span=3, note="dotted: decay alone" if decaying else "", height=290),
    )


def _numbers(arm: Arm, comparison: Comparison, frame: int) -> list[tuple[str, str]]:
    """What stands above a picture, at one checkpoint of the first seed."""
    history, form = arm.histories[0], score_form(comparison.split.task)
    train, test = (float(history.losses[s][frame]) for s in ("train", "test"))
    norm = float(np.sqrt(np.sum(history.norms[frame].astype(np.float64) ** 2)))
    right = [float(history.scores[s][frame]) if math.isfinite(test) else math.nan for s in ("train", "test")]
    return [
        (f"train {score_name(comparison.split.task)}", form(right[0])),
        (f"test {score_name(comparison.split.task)}", form(right[1])),
        ("test loss", number(test)),
        ("gap", number(test - train)),
        ("weight norm", number(norm)),
    ]


def _arm(comparison: Comparison, arm: Arm, test_points: bool) -> Panel:
    said = verdict(arm, comparison.split)
    form, score = score_form(comparison.split.task), score_name(comparison.split.task)
    spreads = {
        f"train {score}": (_right(arm, "train"), form),
        f"test {score}": (_right(arm, "test"), form),
        "test loss": (arm.spread(lambda h: h.loss("test")), number),
        "gap": (arm.spread(lambda h: h.gap), number),
        "weight norm": (arm.spread(lambda h: h.norm), number),
    }
    stats = tuple(Stat(label, f(s.median), between(s, f)) for label, (s, f) in spreads.items())
    named = "Without decay" if arm.name == "without" else f"With decay {decays(comparison.settings)}"
    what = (
        "the fitted curve"
        if comparison.split.inputs == 1
        else "the plane of two principal components"
        if comparison.plane.projected
        else "the map"
    )
    count = len(arm.histories)
    over = f"Numbers: median and range of {seeds(count)}; {what} shows the first." if count > 1 else "One seed."
    if count == 1 < comparison.settings.seeds:
        over = "One seed so far."
    if comparison.settings.edits and count > 1:
        over += " All seeds train on these edited points."
    summary = f"{said.words[0].upper()}{said.words[1:]}, since the {said.rule}. {over}"
    draw = partial(decision.decision.draft, arm, comparison.split, comparison.plane, test_points=test_points)
    tone = "without" if arm.name == "without" else "with"
    return Panel(
        tone, named, (View("answers", draw, lambda: summary),), span=6, tone=tone, tag=said.words.split(":")[0], stats=stats, height=360
    )


def _right(arm: Arm, split: str) -> Spread:
    """Accuracy or R2 at the end. A network that diverged has none: it names a class, but for no reason."""
    return arm.spread(lambda h: math.nan if h.diverged else h.score(split))


def _scores(comparison: Comparison, score: str) -> str:
    form = score_form(comparison.split.task)
    a, b = ({s: form(_right(arm, s).median) for s in ("train", "test")} for arm in comparison.arms)
    return (
        f"{score[0].upper()}{score[1:]}: without decay {a['train']} on training and {a['test']} on test data; with decay {b['train']} "
        f"and {b['test']}{medians(len(comparison.without.histories))}."
    )


def _minimised(comparison: Comparison) -> str:
    history = comparison.with_decay.histories[0]
    loss, penalty = history.loss("train"), float(history.penalty[history.kept])
    s = comparison.settings
    others = [name for name in s.regularisers if name not in ("early stopping", "batch norm")]
    if s.decay_kind != "coupled" and s.optimiser != "sgd":
        amount = "decay / (2 x learning rate)" if s.decay_kind == "independent" else "decay / 2"
        what = f"With decoupled decay the penalty is not part of the loss: shown is {amount} x squared norm of what decays"
    elif others:
        what = f"The sum is what is minimised, but for what {', '.join(others)} adds"
    else:
        what = "The sum is what is minimised"
    return f"Data loss {number(loss)}, penalty {number(penalty)} at the end (first seed). {what}."


def _steps(comparison: Comparison) -> str:
    ends = [number(float(arm.histories[0].step_losses[-1])) for arm in comparison.arms]
    return f"Loss of the last batch: {ends[0]} without, {ends[1]} with decay (first seed). Both arms draw the same batches."


def _norm(arms: tuple[Arm, Arm], layer: int) -> str:
    ends = [arm.spread(lambda h: float(h.norms[h.kept, layer])) for arm in arms]
    return f"Norm at the end: {number(ends[0].median)} without, {number(ends[1].median)} with decay{medians(ends[0].seeds)}."
