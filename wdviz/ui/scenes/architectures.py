"""The Architectures page's stage: four families over the decays, what each seed picks, single parts, and one family opened."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from wdviz import datasets
from wdviz.experiments import architectures
from wdviz.experiments.architectures import LADDERS, Architectures, Ladder
from wdviz.experiments.matching import STAND_INS
from wdviz.figures import architectures as figures
from wdviz.figures import sensitivity
from wdviz.plans import FAMILIES, Families
from wdviz.results import Spread
from wdviz.settings import Settings
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes.common import decay_slider, score_form, score_name, slider, unit
from wdviz.ui.scenes.inside import growth_panel, inside_panel, weights_panel
from wdviz.ui.scenes.parts import parts_panel
from wdviz.ui.stage import Offer, Panel, Scene, View
from wdviz.ui.words import between, number, percent, seeds, shrink


def scene(settings: Settings, plan: Families, following: Following) -> Scene:
    """What is finished so far, and all that the stage says and offers beside it."""
    found = architectures.summarise(settings, plan, following.results)
    assert found is not None  # the first group is whole
    base = found.settings
    own = (slider("moment", plan.moment, label="Training so far, %", speak=lambda at: f"{at:g} % of the training"),)
    if found.inside == "attention":
        own += (slider("example", plan.example),)
    rate = () if found.stood_in else (slider("learning_rate", settings.learning_rate),)
    return Scene(
        panels=(_curves(found), _picks(found), parts_panel(found), inside_panel(found), growth_panel(found), weights_panel(found)),
        result=live.name_of(settings, plan, len(following.results), following.stopped),
        answer=answer(found),
        more=following.more,
        progress=following.progress,
        offers=_offers(found),
        sliders=(decay_slider(base), *rate, *own),
        readout=shrink(base),
        notes=_notes(settings, found),
    )


# --- words ------------------------------------------------------------------------------------------------------------------------


def answer(found: Architectures) -> str:
    """The page's question answered in two or three sentences, in Markdown, with live numbers."""
    if not found.whole:
        return "The curves fill in, family by family, then seed by seed."
    parts = [f"**{_best(ladder)}** ({ladder.family})" for ladder in found.ladders]
    picked = f"the best decay is {_listed(parts)}" if len(parts) > 1 else f"the best decay is {parts[0]}"
    count = min(ladder.seeds for ladder in found.ladders)
    verdict = found.verdict
    if len(found.ladders) < 2:
        said = f"One family alone fits: {picked}"
    elif verdict is None:
        said = f"So far {picked}; **one seed cannot tell** whether families differ" if count < 2 else f"{picked.capitalize()}"
    elif verdict.differs:
        said = (
            f"**No**: {picked}. {verdict.high.capitalize()} asks for more than {verdict.low}, beyond the spread of {seeds(count)} "
            f"(by chance alone: {_chance(verdict.chance)})"
        )
    else:
        said = (
            f"**Cannot tell** from {seeds(count)}: {picked}, but chance alone gives such differences in {_chance(verdict.chance)} of cases"
        )
    return f"{said}. {_gains(found)}"


def _best(ladder: Ladder) -> str:
    if ladder.best is None:
        return "none of them"
    return f"{ladder.best.median:g}" + (" or more" if ladder.best.median == ladder.decays[-1] else "")


def _chance(share: float) -> str:
    return percent(share) if share >= 0.01 else "less than 1 %"


def _gains(found: Architectures) -> str:
    """Which families gain by their best decay, on test data: those of which all seeds say so."""
    gains = {ladder.family: ladder.gain for ladder in found.ladders if math.isfinite(ladder.gain.median)}
    if not gains:
        return "Without decay all diverge."
    sure = {family: gain for family, gain in gains.items() if gain.low > 0}
    unsure = [family for family in gains if family not in sure]
    if not sure:
        return "Of no family do all seeds gain by it."
    low, high = min(sure, key=lambda f: sure[f].median), max(sure, key=lambda f: sure[f].median)
    least, best = (percent(sure[family].median) for family in (low, high))
    most = f"from {least} ({low}) to **{best}** ({high}) less test loss" if least != best else f"**{best}** less test loss"
    if not unsure:
        who = "Every family gains" if len(sure) > 1 else "It gains"
        return f"{who}{' in this seed' if sure[low].seeds < 2 else ''}: {most}."
    return f"Gains: {most}; of the {_listed(unsure)} network{'s' if len(unsure) > 1 else ''} not all seeds do."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _notes(settings: Settings, found: Architectures) -> tuple[str, ...]:
    base, notes = found.settings, []
    if found.stood_in:
        size = f"{base.n_train} {base.dataset if base.dataset == 'digits' else 'days of power demand'}"
        notes.append(
            f"{settings.dataset.capitalize()} are no images or series, which three of the four networks need. Trained here are {size}, "
            f"{percent(base.flip)} of their labels wrong, learning rate {base.learning_rate:g}, {base.steps} steps. "
            "The buttons 'Digits' and 'Power demand' put such data into all controls."
        )
    notes += [f"Left out is the {family} network: {why}." for family, why in found.missing.items()]
    if "attention" not in found.missing and "batch norm" in base.regularisers:
        notes.append("The attention network has layer norm in the place of batch norm.")
    if settings.model == "linear":
        notes.append("The linear model has no hidden layers and is not among the four.")
    return tuple(notes)


def _offers(found: Architectures) -> tuple[Offer, ...]:
    """Which family is opened, and data that all families take."""
    families = (
        Offer(f"Open: {family}", {"inside": family}, on=family == found.inside, title="Look into this network")
        for family in FAMILIES
        if family not in found.missing
    )
    sets = (
        Offer(name.capitalize(), _texts(name), on=not found.stood_in and found.settings.dataset == name, title="Train on these data")
        for name in STAND_INS
    )
    return (*families, *sets)


def _texts(name: str) -> dict[str, str]:
    return {"edits": "", **{setting: str(value) for setting, value in STAND_INS[name].items()}}


# --- panels -----------------------------------------------------------------------------------------------------------------------


def _curves(found: Architectures) -> Panel:
    base, task = found.settings, datasets.REGISTRY[found.settings.dataset].task
    decays, score = LADDERS[base.decay_kind], score_name(task)
    yours = sensitivity.placed(decays, base.decay) if base.decay <= decays[-1] else math.inf

    def view(what: str) -> View:
        curves = [figures.Curve(ladder.family, _table(ladder, what)["test"], ladder.picks) for ladder in found.ladders]
        drawn = partial(figures.against_decay.draft, curves, decays, what, unit=unit(task), yours=yours)
        return View(what, drawn, partial(_say_curves, found, what))

    count = max((ladder.seeds for ladder in found.ladders), default=0)
    decaying = "" if base.decaying == "weights" else f"decay on {base.decaying}; "
    note = f"{decaying}median and range of {seeds(count)}; large: best by validation loss"
    return Panel("families", "Four families, one ladder of decays", (view("loss"), view(score)), span=7, note=note, height=400)


def _table(ladder: Ladder, what: str):
    return ladder.losses if what == "loss" else ladder.scores


def _say_curves(found: Architectures, what: str) -> str:
    form: Callable[[float], str] = number if what == "loss" else score_form("regression" if what == "R2" else "classification")
    parts = []
    for ladder in found.ladders:
        table = _table(ladder, what)
        none, best = Spread.of(table["test"][:, 0]), Spread.of(ladder.at_best(table))
        spread = f" ({between(best, form)})" if between(best, form) else ""
        parts.append(
            f"{ladder.family} ({ladder.parameters:,} parameters) {form(none.median)} without decay, {form(best.median)}{spread} at its best"
        )
    return f"Test {what}: {'; '.join(parts)}."


def _picks(found: Architectures) -> Panel:
    base, task = found.settings, datasets.REGISTRY[found.settings.dataset].task
    decays, score = LADDERS[base.decay_kind], score_name(task)
    yours = sensitivity.placed(decays, base.decay) if base.decay <= decays[-1] else math.inf
    picks = {ladder.family: ladder.picks for ladder in found.ladders}

    def say_picks() -> str:
        spreads = [(ladder.family, ladder.best) for ladder in found.ladders if ladder.best]
        return "; ".join(f"{family}: {s.median:g}{_of(s)}" for family, s in spreads) + ", by validation loss."

    def gain(what: str) -> View:
        spreads = {ladder.family: ladder.gain if what == "loss" else ladder.gain_in_score for ladder in found.ladders}

        def say() -> str:
            return f"Against no decay, test {what}: " + "; ".join(f"{f} {_gain(s, what)}" for f, s in spreads.items()) + "."

        return View(f"gain in {what}", partial(figures.gains.draft, spreads, what), say)

    views = (View("best decay", partial(figures.best.draft, picks, decays, yours=yours), say_picks), gain("loss"), gain(score))
    note = "a dot each; bar: median; test data choose nothing"
    return Panel("picks", "What each seed picks, and gains", views, span=5, note=note, height=400)


def _of(spread: Spread) -> str:
    if spread.seeds < 2:
        return ""
    same = spread.low == spread.high
    return f" in all {spread.seeds} seeds" if same else f" ({spread.low:g} to {spread.high:g} over {seeds(spread.seeds)})"


def _gain(spread: Spread, what: str) -> str:
    if not math.isfinite(spread.median):
        return "diverged"
    said = f"{spread.median:+.2f}" if what == "R2" else f"{-100 * spread.median if what == 'loss' else 100 * spread.median:+.0f} %"
    return said.replace("-", "−")
