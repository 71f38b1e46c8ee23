"""The Overfitting page's panels: each figure with its numbers, verdict and one-sentence summary."""

from __future__ import annotations

from wdviz.experiments.overfitting import Comparison, verdict
from wdviz.figures import curves, decision, weights
from wdviz.results import Arm
from wdviz.settings import shrink_per_step
from wdviz.ui.stage import Panel, Stat, View
from wdviz.ui.words import between, number, percent, seeds


def overfitting(comparison: Comparison, *, test_points: bool = False) -> list[Panel]:
    """Both arms' pictures, and the curves, weights and norms under them."""
    arms = comparison.arms
    done = len(arms[0].histories)
    regression = comparison.split.task == "regression"
    unit = "half squared error" if regression else "nats"
    score = "R2" if regression else "accuracy"
    layers = arms[0].histories[0].layers
    alone = shrink_per_step(comparison.settings) is not None and not (
        comparison.settings.decay_kind == "coupled" and comparison.settings.optimiser != "sgd"
    )
    median = "thin lines are seeds, thick their median" if done > 1 else "one seed so far"
    loss_views = (
        View("loss", curves.losses(arms, unit=unit), _losses(comparison)),
        View(score, curves.scores(arms, name=score), _scores(comparison, score)),
        View("data loss and penalty", curves.minimised(arms[1], unit=unit), _minimised(comparison)),
        View("each step", curves.step_losses(arms, unit=unit), _steps(comparison)),
    )
    histograms = tuple(View(_spoken(name), weights.histogram(arms, name), _weights(arms, name)) for name in layers)
    norms = tuple(View(_spoken(name), curves.norms(arms, i, pure_shrink=alone), _norm(arms, i)) for i, name in enumerate(layers))
    return [
        *(_arm(comparison, arm, score, test_points) for arm in arms),
        Panel("curves", "Loss over training", loss_views, span=5, note=f"solid train, dashed test; {median}", height=290),
        Panel("weights", "Spread of the weights", histograms, span=4, note="grey outline: at the start", toggle="log counts", height=290),
        Panel("norms", "Norm of the weights", norms, span=3, note="dotted: decay alone" if alone else "", height=290),
    ]


def _spoken(layer: str) -> str:
    return layer.replace("layer", "layer ")


def _arm(comparison: Comparison, arm: Arm, score: str, test_points: bool) -> Panel:
    said = verdict(arm, comparison.split)
    form = number if score == "R2" else percent
    spreads = {
        f"train {score}": (arm.spread(lambda h: h.score("train")), form),
        f"test {score}": (arm.spread(lambda h: h.score("test")), form),
        "test loss": (arm.spread(lambda h: h.loss("test")), number),
        "gap": (arm.spread(lambda h: h.gap), number),
        "weight norm": (arm.spread(lambda h: h.norm), number),
    }
    stats = tuple(Stat(label, f(s.median), between(s, f)) for label, (s, f) in spreads.items())
    named = "Without decay" if arm.name == "without" else f"With decay {arm.decay:g}"
    what = (
        "the fitted curve"
        if comparison.split.inputs == 1
        else "the plane of two principal components"
        if comparison.plane.projected
        else "the map"
    )
    count = len(arm.histories)
    over = f"Numbers: median and range of {seeds(count)}; {what} shows the first." if count > 1 else "One seed so far."
    summary = f"{said.words[0].upper()}{said.words[1:]}, since the {said.rule}. {over}"
    figure = decision.decision(arm, comparison.split, comparison.plane, test_points=test_points)
    tone = "without" if arm.name == "without" else "with"
    return Panel(tone, named, (View("answers", figure, summary),), span=6, tone=tone, tag=said.words.split(":")[0], stats=stats, height=360)


def _losses(comparison: Comparison) -> str:
    a, b = ({s: number(arm.spread(lambda h, s=s: h.loss(s)).median) for s in ("train", "test")} for arm in comparison.arms)
    return f"At the end: without decay {a['train']} on training and {a['test']} on test data; with decay {b['train']} and {b['test']}."


def _scores(comparison: Comparison, score: str) -> str:
    form = number if score == "R2" else percent
    a, b = ({s: form(arm.spread(lambda h, s=s: h.score(s)).median) for s in ("train", "test")} for arm in comparison.arms)
    return f"{score}: without decay {a['train']} on training and {a['test']} on test data; with decay {b['train']} and {b['test']}."


def _minimised(comparison: Comparison) -> str:
    history = comparison.with_decay.histories[0]
    loss, penalty = history.loss("train"), float(history.penalty[history.kept])
    s = comparison.settings
    others = [name for name in s.regularisers if name not in ("early stopping", "batch norm")]
    if s.decay_kind == "decoupled" and s.optimiser != "sgd":
        what = "With decoupled decay the penalty is not part of the loss: shown is decay / 2 x squared norm"
    elif others:
        what = f"The sum is what is minimised, but for what {', '.join(others)} adds"
    else:
        what = "The sum is what is minimised"
    return f"Data loss {number(loss)}, penalty {number(penalty)} at the end. {what}."


def _steps(comparison: Comparison) -> str:
    ends = [number(float(arm.histories[0].step_losses[-1])) for arm in comparison.arms]
    return f"Loss of the last batch: {ends[0]} without, {ends[1]} with decay. Both arms draw the same batches."


def _weights(arms: tuple[Arm, Arm], layer: str) -> str:
    sizes = [float(abs(arm.histories[0].params[layer]["weight"]).mean()) for arm in arms]
    return f"Mean size of a weight in {_spoken(layer)}: {number(sizes[0])} without, {number(sizes[1])} with decay (first seed)."


def _norm(arms: tuple[Arm, Arm], layer: int) -> str:
    ends = [arm.spread(lambda h: float(h.norms[h.kept, layer])) for arm in arms]
    return f"Norm at the end: {number(ends[0].median)} without, {number(ends[1].median)} with decay."
