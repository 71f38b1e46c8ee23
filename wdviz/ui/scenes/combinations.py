"""The Combinations page's stage: interactions of pairs, effects, one pair at a time, decay against one other's strength, the ranking."""

from __future__ import annotations

from functools import partial
from itertools import combinations as pairwise

from wdviz import datasets
from wdviz.experiments import combinations, combining
from wdviz.experiments.combinations import Combinations
from wdviz.figures import combinations as figures
from wdviz.figures import effects, interactions, together
from wdviz.figures.interactions import Scale
from wdviz.figures.strengths import strengths
from wdviz.plans import Combine
from wdviz.settings import Settings
from wdviz.ui import live
from wdviz.ui.live import Following
from wdviz.ui.scenes import combined
from wdviz.ui.scenes.common import decay_slider, score_form, score_name, slider, unit
from wdviz.ui.stage import Offer, Panel, Scene, View
from wdviz.ui.words import number, seeds, shrink

# Data on which to see it, and settings that suit them.
EXAMPLES = {
    "digits": {"n_train": 200, "flip": 0.3, "noise": 0.0, "learning_rate": 0.02, "steps": 500, "decay": 0.7},
    "moons": {name: getattr(Settings(), name) for name in ("n_train", "flip", "noise", "learning_rate", "steps", "decay")},
}
OFFERS = {"digits": "Handwritten digits", "moons": "Two moons"}


def scene(settings: Settings, plan: Combine, following: Following) -> Scene:
    """What is finished so far, and all that the stage says and offers beside it."""
    found = combinations.summarise(settings, plan, following.results)
    return Scene(
        panels=(_interactions(found), _effects(found), _together(found), _strengths(found), _ranking(found)),
        result=live.name_of(settings, plan, len(following.results), following.stopped),
        answer=combined.answer(found),
        more=following.more,
        progress=following.progress,
        offers=_offers(settings),
        sliders=(decay_slider(settings), slider(found.design.amount, getattr(settings, found.design.amount))),
        readout=shrink(settings),
        notes=found.design.notes,
    )


def scales(found: Combinations) -> dict[str, Scale]:
    """How the loss and the accuracy (R2 for regression) are shown, what the page is judged by first."""
    task = datasets.REGISTRY[found.settings.dataset].task
    known = {"loss": Scale("loss", unit(task)), "accuracy": Scale(score_name(task), "" if task == "regression" else "points")}
    return {name: known[name] for name in found.shown}


def _offers(settings: Settings) -> tuple[Offer, ...]:
    """The same page on other data."""
    others = [name for name in EXAMPLES if name != settings.dataset]
    texts = {name: {"dataset": name, "edits": "", **{k: f"{v:g}" for k, v in EXAMPLES[name].items()}} for name in others}
    return tuple(Offer(f"On {OFFERS[name].lower()}", texts[name], title="The same page on other data") for name in others)


# --- panels -----------------------------------------------------------------------------------------------------------------------


def _interactions(found: Combinations) -> Panel:
    views = tuple(
        View(
            f"test {scale.name}",
            partial(interactions.interactions.draft, found.pairs[judge], found.factors, scale),
            partial(combined.say_pairs, found, judge, scale),
        )
        for judge, scale in scales(found).items()
    )
    averaged = found.plan.others == "averaged"
    offer = Offer(
        "Average over the others",
        {"others": "off" if averaged else "averaged"},
        on=averaged,
        title="Look at each pair with the other regularisers off, or averaged over all their combinations",
    )
    how = "the others averaged" if averaged else "the others off"
    many = found.settings.seeds
    note = f"observed less the sum of both, {how}; {f'95 % interval over {seeds(many)}' if many > 1 else 'one seed has no interval'}"
    return Panel("interactions", "Two together: more or less than the sum?", views, span=7, note=note, height=430, offer=offer)


def _effects(found: Combinations) -> Panel:
    at_work = combining.at_work(found.settings)
    labels = [combined.label(name, at_work) for name in found.factors]
    views = tuple(
        View(
            f"test {scale.name}",
            partial(effects.effects.draft, found.effects[judge], labels, scale),
            partial(combined.say_effects, found, judge, scale),
        )
        for judge, scale in scales(found).items()
    )
    return Panel("effects", "What each one changes", views, span=5, note="bars: 95 % interval", height=430)


def _together(found: Combinations) -> Panel:
    judge, scale = next(iter(scales(found).items()))
    named = {"loss": scale.unit, "accuracy": "%", "R2": ""}[scale.name]

    finished = {pair.names: pair for pair in found.pairs[judge]}

    def view(names: tuple[str, str]) -> View:
        pair, label = finished.get(names), " + ".join(names)
        if pair is None:
            return View(label, partial(together.waiting.draft, names, scale), lambda: "Not all of the runs that this takes are finished.")
        draw = partial(together.together.draft, pair, scale, unit=named)
        return View(label, draw, partial(combined.say_pair, pair, scale, averaged=found.plan.others == "averaged"))

    views = tuple(map(view, pairwise(found.factors, 2)))
    note = "parallel lines: no interaction; thin: single seeds"
    return Panel("together", "One pair at a time", views, span=5, note=note, height=360)


def _strengths(found: Combinations) -> Panel:
    asked, at = found.design, found.map
    task = datasets.REGISTRY[found.settings.dataset].task
    score = score_name(task)
    pictures = {
        "test loss": (at.losses["test"], unit(task)),
        f"test {score}": (at.scores, "%" if score == "accuracy" else ""),
        "validation loss": (at.losses["validation"], unit(task)),
    }
    order = sorted(pictures, key=lambda name: (found.plan.judged_by == "accuracy") != (name == f"test {score}"))
    own = found.settings.decay, float(getattr(combining.at_work(found.settings), asked.amount))
    views = tuple(
        View(
            name,
            partial(
                strengths.draft,
                at.cells(pictures[name][0]),
                at.counts,
                asked.decays,
                asked.strengths,
                at.best,
                rival=asked.rival,
                setting=asked.amount,
                what=name,
                unit=pictures[name][1],
                at=own,
            ),
            partial(combined.say_map, found),
        )
        for name in order
    )
    over = "one seed" if asked.strength_seeds == 1 else f"median of {asked.strength_seeds} seeds"
    note = f"star: best decay by validation loss; {over}; frame: your setting"
    return Panel("strengths", f"Decay against {asked.rival}", views, span=7, note=note, height=360)


def _ranking(found: Combinations) -> Panel:
    task = datasets.REGISTRY[found.settings.dataset].task
    form = {"loss": number, "accuracy": score_form(task)}
    views = tuple(
        View(
            f"test {scale.name}",
            partial(
                figures.ranking.draft,
                found.ranking[judge],
                found.factors,
                scale,
                unit={"loss": scale.unit, "accuracy": "%", "R2": ""}[scale.name],
                chosen=found.chosen,
            ),
            partial(combined.say_ranking, found, judge, scale, form[judge]),
        )
        for judge, scale in scales(found).items()
    )
    count = 2 ** len(found.factors)
    return Panel("ranking", f"All {count} combinations", views, span=12, note="mean and range over the seeds", height=figures.height(count))
