"""The Sensitivity page's stage: where and how strongly both arms react, against noise and decay, and how sure they are."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from wdviz.experiments.sensitivity import IMAGES, LADDERS, NOISE, Sensitivity, summarise
from wdviz.figures import reaction
from wdviz.figures import sensitivity as figures
from wdviz.measured import Probes
from wdviz.plans import Probe
from wdviz.results import Spread
from wdviz.settings import Settings
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes.common import decay_slider, score_form, score_name, slider, unit
from wdviz.ui.stage import Panel, Scene, Stat, View
from wdviz.ui.words import between, decays, diverged_without, in_some, medians, number, percent, seeds, shrink, switches

HARDLY = 0.02  # a smaller gain, in accuracy or as a share of the loss, is hardly one


def followed(settings: Settings, plan: Probe, following: Following) -> Scene:
    """What is finished so far."""
    found = summarise(settings, plan, following.results)
    assert found is not None  # the first group is whole
    return scene(found, following)


def scene(found: Sensitivity, following: Following) -> Scene:
    """What is measured so far, and all that the stage says and offers beside it."""
    s = found.settings
    own = (slider("image", found.plan.image), slider("jitter", found.plan.jitter)) if s.dataset in IMAGES else ()
    return Scene(
        panels=_panels(found),
        result=live.name_of(s, found.plan, len(following.results), following.stopped),
        answer=answer(found),
        more=following.more,
        progress=following.progress,
        sliders=(decay_slider(s), *own),
        readout=shrink(s),
    )


# --- words ------------------------------------------------------------------------------------------------------------------------


def answer(found: Sensitivity) -> str:
    """The page's question answered in one sentence, in Markdown, with live numbers."""
    s = found.settings
    if s.decay == 0 and not switches(s):
        return "With decay at **0** both networks are the same and react alike. Move the slider and see them part."
    if found.with_decay.diverged:
        start = f"With a decay of **{decays(s)}** and a learning rate of {s.learning_rate:g} the training **diverges**"
        return f"{start}{in_some(p.diverged for p in found.with_decay.probed)}: nothing to measure."
    if found.without.diverged:
        return diverged_without(s, (p.diverged for p in found.without.probed))
    ratio = found.ratio()
    before, after = (number(arm.spread(lambda p: p.reaction).median) for arm in found.arms)
    size = f"mean Jacobian norm {before} → {after}"
    if after == number(0):
        start = f"With a decay of **{decays(s)}** the network **reacts to nothing any more** ({size})"
        return f"{start}: it answers nearly the same to every input."
    low_to_high = between(ratio, _times)
    over = f"{low_to_high} over {seeds(ratio.seeds)}" if " to " in low_to_high else seeds(ratio.seeds)
    if ratio.low < 1 < ratio.high and _times(ratio.low) != _times(ratio.high):
        return (
            f"With a decay of **{decays(s)}** the answer reacts less to a small change of the input with some seeds and more with others "
            f"({low_to_high} times less over {seeds(ratio.seeds)}; {size}){_noisy(found)}."
        )
    about = _times(ratio.median) == _times(1) or _times(1 / ratio.median) == _times(1)
    much = (
        "**about as much**"
        if about
        else f"**{_times(ratio.median)} times** less"
        if ratio.median >= 1
        else f"**{_times(1 / ratio.median)} times more**"
    )
    return f"With a decay of **{decays(s)}** the answer reacts {much} to a small change of the input ({over}; {size}){_noisy(found)}."


def _times(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _noisy(found: Sensitivity) -> str:
    """What that is worth where the inputs are noisy, seed by seed: it need not be worth anything."""
    before, after = (found.noisy(arm).median for arm in found.arms)
    form, what = (percent, "it is right in") if found.split.classes else (number, "its loss is")
    start = f"with noise of {NOISE:g} on new inputs {what}"
    gains = _noisy_gains(found)
    gain = Spread.of(gains).median
    if abs(gain) < HARDLY or form(after) == form(before):
        return f", yet {start} **{form(after)}**, hardly different from {form(before)} without decay"
    agreeing = sum(each * gain > 0 for each in gains)
    over = "" if len(gains) == 1 else f" in all {len(gains)} seeds" if agreeing == len(gains) else f" in {agreeing} of {seeds(len(gains))}"
    joined, way = ("and", "better") if gain > 0 else ("yet", "worse")
    return f", {joined} {start} **{form(after)}** instead of {form(before)}, {way}{over}"


def _noisy_gains(found: Sensitivity) -> list[float]:
    """Of each seed, what decay gains under noise of strength `NOISE`: in accuracy, or as a share of the loss where there are no classes."""
    pairs = zip(found.without.probed, found.with_decay.probed, strict=True)
    if found.split.classes:
        return [b.score_at(NOISE) - a.score_at(NOISE) for a, b in pairs]
    return [1 - b.loss_at(NOISE) / max(a.loss_at(NOISE), 1e-9) for a, b in pairs]


# --- panels -----------------------------------------------------------------------------------------------------------------------


def _panels(found: Sensitivity) -> tuple[Panel, ...]:
    charts = [_noise, _against_decay]
    if found.split.classes:
        charts += [_distance, _calibration]
    if found.settings.hidden:
        charts.append(_rescaling)
    spans = {5: (4, 4, 4, 6, 6), 4: (6, 6, 6, 6), 3: (4, 4, 4), 2: (6, 6)}[len(charts)]  # what fills whole rows
    beside = (_probabilities(found),) if found.flipped else ()
    arms = (_arm(found, arm, 4 if found.flipped else 6) for arm in found.arms)
    return (*arms, *beside, *(chart(found, span) for chart, span in zip(charts, spans, strict=True)))


def _arm(found: Sensitivity, arm: Probes, span: int) -> Panel:
    tone = "without" if arm.name == "without" else "with"
    form, score, many = score_form(found.split.task), score_name(found.split.task), len(arm.probed) > 1
    spreads = {
        "Jacobian norm": (arm.spread(lambda p: p.reaction), number),
        f"test {score}": (arm.spread(lambda p: math.nan if p.diverged else p.score_at(0)), form),
        f"with noise {NOISE:g}": (arm.spread(lambda p: math.nan if p.diverged else p.score_at(NOISE)), form),
    }
    stats = tuple(Stat(label, f(s.median), between(s, f)) for label, (s, f) in spreads.items())
    named = "Without decay" if arm.name == "without" else f"With decay {decays(found.settings)}"
    over = f" Numbers: median and range of {seeds(len(arm.probed))}; the picture shows the first." if many else " One seed."
    if not many and found.settings.seeds > 1:
        over = " One seed so far."
    if found.flipped:
        flipped = found.flipped[tone == "with"]
        draw = partial(reaction.images.draft, flipped, arm.name, found.split.classes)
        view = View("smallest change", draw, lambda: _say_image(found, tone == "with") + over)
    elif found.split.inputs == 1:
        view = View("slope", partial(reaction.slope.draft, arm, found.without.probed[0], found.plane), lambda: _say_map(arm) + over)
    else:
        draw = partial(reaction.plane_map.draft, arm, found.without.probed[0], found.split, found.plane)
        view = View("reaction", draw, lambda: _say_map(arm) + over)
    return Panel(tone, named, (view,), span=span, tone=tone, stats=stats, height=360)


def _say_map(arm: Probes) -> str:
    if arm.diverged:
        return "The training diverged: there is nothing to measure."
    map_ = arm.probed[0].map
    return f"Norm of the Jacobian: from {number(float(map_.min()))} to {number(float(map_.max()))} over the picture."


def _say_image(found: Sensitivity, which: bool) -> str:
    assert found.flipped is not None
    flipped, classes = found.flipped[which], found.split.classes
    if not np.isfinite(flipped.probabilities).all():
        return "The training diverged: there is nothing to measure."
    right = "rightly" if flipped.answer == flipped.label else "wrongly"
    said = f"Answers {right} {classes[flipped.answer]}, {percent(float(flipped.probabilities.max()))} sure."
    if not np.isfinite(flipped.distance):
        return f"{said} No change was found that makes it answer anything else."
    return f"{said} A change of length {number(flipped.distance)} makes it answer {classes[int(np.argmax(flipped.after))]}."


def _probabilities(found: Sensitivity) -> Panel:
    assert found.flipped is not None
    pair, classes = found.flipped, found.split.classes

    def say() -> str:
        a, b = (percent(float(f.probabilities[f.label])) for f in pair)
        return f"The true class, {classes[pair[0].label]}, gets {a} without and {b} with decay (first seed)."

    view = View("probabilities", partial(reaction.probabilities.draft, pair, classes), say)
    return Panel("probabilities", "What they make of the noisy image", (view,), span=4, height=360)


def _noise(found: Sensitivity, span: int) -> Panel:
    task, classes = found.split.task, len(found.split.classes)
    names = ["loss", "R2"] if task == "regression" else ["accuracy", "loss"]
    views = tuple(
        View(
            name,
            partial(figures.under_noise.draft, found.arms, found.ladder, name, classes=classes, spoken=NOISE, unit=unit(task)),
            partial(_say_noise, found, name),
        )
        for name in names
    )
    note = "grey: the other decays" if found.ladder else ""
    return Panel("noise", "New inputs with noise", views, span=span, note=note, height=290)


def _say_noise(found: Sensitivity, what: str) -> str:
    form = percent if what == "accuracy" else number
    parts = []
    for arm in found.arms:
        if arm.diverged:
            return f"The training {'without' if arm.name == 'without' else 'with'} decay diverged: there is nothing to compare."
        clean, noisy = (arm.spread(lambda p, at=at: p.loss_at(at) if what == "loss" else p.score_at(at)).median for at in (0.0, NOISE))
        parts.append(f"{form(clean)} to {form(noisy)} {'without' if arm.name == 'without' else 'with'}")
    said = f"From no noise to noise of {NOISE:g}, {what} goes from {parts[0]} and from {parts[1]} decay, on the same noisy test inputs"
    return f"{said}{medians(len(found.without.probed))}."


def _against_decay(found: Sensitivity, span: int) -> Panel:
    draw = partial(figures.against_decay.draft, found.arms, found.ladder, LADDERS[found.settings.decay_kind])

    def say() -> str:
        sizes = [(number(arm.spread(lambda p: p.reaction).median), number(arm.spread(lambda p: p.product).median)) for arm in found.arms]
        (a, over), (b, above) = sizes
        return f"Mean Jacobian norm {a} without decay, at most {over} by its layers' norms; {b} with decay, at most {above}."

    note = "" if found.ladder else "more decays to come"
    return Panel("decay", "Reaction against decay", (View("reaction", draw, say),), span=span, note=note, height=290)


def _distance(found: Sensitivity, span: int) -> Panel:
    reach = found.without.probed[0].reach

    def say() -> str:
        halves, never = zip(*(_far(arm, reach) for arm in found.arms), strict=True)
        left = f" Not flipped by any of up to {reach:g}: {never[0]} and {never[1]}." if set(never) != {"0 %"} else ""
        return f"Half of the answers flip with a change of {halves[0]} without and {halves[1]} with decay.{left}"

    view = View("distance", partial(figures.flipping_distance.draft, found.arms), say)
    return Panel("distance", "How small a change flips it", (view,), span=span, note="on test inputs", height=290)


def _far(arm: Probes, reach: float) -> tuple[str, str]:
    """The length that flips half of the answers, and the share that none flips."""
    if arm.diverged:
        return "(diverged)", "none measured"
    median = arm.spread(lambda p: p.typical_distance).median
    never = arm.spread(lambda p: p.never / len(p.distances)).median
    return number(median) if np.isfinite(median) else f"more than {reach:g}", percent(never)


def _calibration(found: Sensitivity, span: int) -> Panel:
    rungs = LADDERS[found.settings.decay_kind]
    views = (
        View("reliability", partial(figures.reliability.draft, found.arms), partial(_say_calibration, found)),
        View(
            "error against decay",
            partial(figures.miscalibration.draft, found.arms, found.ladder, rungs),
            partial(_say_calibration, found),
        ),
    )
    return Panel("calibration", "As sure as it is right?", views, span=span, height=290)


def _say_calibration(found: Sensitivity) -> str:
    parts = []
    for arm in found.arms:
        if arm.diverged:
            parts.append("diverged")
            continue
        error, excess = (arm.spread(number).median for number in (lambda p: p.calibration.error, lambda p: p.calibration.excess))
        side = " (too sure)" if excess > 0.02 else " (not sure enough)" if excess < -0.02 else ""
        parts.append(f"{percent(error)}{side}")
    return f"Expected calibration error {parts[0]} without decay, {parts[1]} with decay."


def _rescaling(found: Sensitivity, span: int) -> Panel:
    score = score_name(found.split.task)
    views = tuple(
        View(label, partial(figures.rescaling.draft, found.normalised, found.plain, what), partial(_say_rescaling, found))
        for label, what in (("change of the answers", "change" if found.split.classes else "moved"), (score, score))
    )
    note = f"no decay, median of {seeds(len(found.plain))}" if len(found.plain) > 1 else "no decay, 1 seed" if found.plain else "to come"
    return Panel("rescaling", "Counter-example: batch norm", views, span=span, note=note, height=290)


def _say_rescaling(found: Sensitivity) -> str:
    if not found.plain:
        return "Two networks are still to be trained for it, one with batch norm and one without."
    half = int(np.argmin(np.abs(found.plain[0].factors - 0.5)))
    changes = [float(np.median([r.change[half] for r in runs])) for runs in (found.plain, found.normalised)]
    small = "less than 0.001" if changes[1] < 1e-3 else number(changes[1])
    return f"Halving all hidden weights changes the answers by {number(changes[0])} on average; before batch norm, by {small}."
