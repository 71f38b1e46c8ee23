"""The Combinations page in words: the answer, each pair's verdict and what it would take to tell, effects, ranking, the best decay."""

from __future__ import annotations

import math
from collections.abc import Callable

from wdviz import datasets
from wdviz.experiments import combining
from wdviz.experiments.combinations import Combinations
from wdviz.factorial import CONFIDENCE, MOST_SEEDS, Estimate, Pair
from wdviz.figures.combinations import made_of
from wdviz.figures.interactions import Scale
from wdviz.settings import AMOUNTS, Settings
from wdviz.ui.words import number, percent, seeds

MOST_NUMBERS = 3  # partners of decay up to which the answer has room for numbers
ORDER = ("substitutes", "complements", "conflict", "no difference", "diverged", "cannot tell", "one seed")  # what can be told first
MEANINGS = {
    "complements": "Complements: together they are better than the sum.",
    "substitutes": "Substitutes: together they are not as good as the sum, for what one has done is done.",
    "conflict": "Conflict: together they are worse than {best} alone, by {loss}.",
    "no difference": "No difference: the runs are the same, so one of them does nothing with these amounts.",
    "one seed": "One seed has no interval: two at least are needed to tell.",
}


def label(factor: str, settings: Settings) -> str:
    """A regulariser with its amount, for an axis: `dropout 0.3`; a second line where it is long."""
    if factor == "decay":
        return f"decay {settings.decay:g}"
    if factor == "early stopping":
        return f"early stopping<br>(patience {settings.patience})"
    if factor == "batch norm":
        return "layer norm" if settings.model == "recurrent" else factor
    if factor == "augmentation":
        shape = datasets.REGISTRY[settings.dataset].shape
        words = (
            {"augmentation_noise": "noise"}
            | ({"shift": "shift"} if shape else {})
            | ({"rotation": "rotation"} if combining.turns(shape) else {})
        )
        some = [f"{word} {getattr(settings, name):g}" for name, word in words.items() if getattr(settings, name)]
        return f"augmentation<br>({', '.join(some) or 'none'})"
    (amount,) = AMOUNTS[factor]
    return f"{factor.replace(' ', '<br>')} {getattr(settings, amount):g}"


# --- the answer -------------------------------------------------------------------------------------------------------------------


def answer(found: Combinations) -> str:
    """The page's question answered in one to three sentences, in Markdown, with live numbers."""
    judge = next(iter(found.shown))
    first = found.factors[0]
    mine = [pair for pair in found.pairs[judge] if first in pair.names]
    what = "test loss" if judge == "loss" else f"test {_form(found, judge)[0]}"
    start = _start(found, judge, first, what)
    if not mine or all(pair.verdict == "diverged" for pair in mine):
        return start
    by = {verdict: some for verdict in ORDER if (some := [pair for pair in mine if pair.verdict == verdict])}
    parts = [f"**{verdict}**: {_listed([_partner(found, judge, pair) for pair in some])}" for verdict, some in by.items()]
    over = f" (95 % intervals, {seeds(min(pair.interaction.seeds for pair in mine))})" if "one seed" not in by else ""
    said = "; ".join(parts)
    return f"{start} {said[:3].upper()}{said[3:]}{over}."


def _start(found: Combinations, judge: str, first: str, what: str) -> str:
    form = _form(found, judge)[1]
    effect = found.effects[judge]["average" if found.plan.others == "averaged" else "alone"][first]
    if effect.diverged:
        return f"With or without {first} some training **diverges**: lower the learning rate or the decay."
    if not effect.seeds or not found.pairs[judge]:
        return "The first combinations are being trained."
    if found.plan.others == "averaged":
        way = "lowers" if effect.value < 0 else "raises"
        size = f"{100 * abs(effect.value):.1f} points" if form is percent else form(abs(effect.value))
        said = f"Averaged over the others, {first} {way} the {what} by **{size}**"
    else:
        before, after = found.pairs[judge][0].means[:2]
        said = f"{first.capitalize()} alone takes the {what} from **{form(before)}** to **{form(after)}**"
    unsure = effect.known and not effect.tells and not effect.nothing
    return f"{said}{', which may be chance' if unsure else ''}."


def _partner(found: Combinations, judge: str, pair: Pair) -> str:
    """The other one, with what it comes to alone and together where there is room."""
    form = _form(found, judge)[1]
    name = pair.names[1]
    if found.plan.others == "averaged" or len(found.factors) - 1 > MOST_NUMBERS or pair.interaction.diverged:
        return name
    _, _, alone, both = pair.means
    return f"{name} (alone {form(alone)}, both {form(both)})"


def _form(found: Combinations, judge: str) -> tuple[str, Callable[[float], str]]:
    """What the numbers are called and how they are written."""
    if judge == "loss":
        return "loss", number
    from_values = found.regression
    return ("R2", number) if from_values else ("accuracy", percent)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- pairs ------------------------------------------------------------------------------------------------------------------------


def say_pair(pair: Pair, scale: Scale, *, averaged: bool) -> str:
    """One pair in words: what each does, what they do together against the sum, and the verdict."""
    (first, second), found = pair.names, pair.interaction
    if found.diverged:
        return f"In {found.diverged} of {seeds(found.seeds)} a training of these diverged, so there is no number."
    how = "Averaged over the others, " if averaged else ""
    alone = f"{how}{first if averaged else first.capitalize()} without {second} {_moves(pair.first, scale)}, {second} without {first}"
    both = f"{alone} {_moves(pair.second, scale)}; both {_moves(pair.together, scale, plural=True)}"
    interval = f", 95 % interval {scale.between(found.low, found.high)}" if found.known else ""
    return f"{both}: {scale.signed(found.value)} {scale.unit} beyond the sum ({seeds(found.seeds)}{interval}). {verdict(pair, scale)}"


def verdict(pair: Pair, scale: Scale) -> str:
    """What that means, in a sentence or two."""
    beyond = pair.beyond_best
    if pair.verdict == "cannot tell":
        return f"Cannot tell: the interval holds zero. {_needed(pair.interaction)}"
    said = MEANINGS[pair.verdict].format(best=pair.best, loss=_size(beyond, scale))
    if pair.verdict == "complements":
        worse = (beyond.value if pair.lower_is_better else -beyond.value) >= 0
        return f"{said} Yet they are no better than {pair.best} alone." if worse else said
    return said


def _needed(found: Estimate) -> str:
    needed = found.seeds_to_tell
    if needed is None:
        return f"If there is as little as it seems, more than {MOST_SEEDS:,} seeds would be needed to tell."
    return f"If it is as large as it seems, about {needed} seeds would tell, with a chance of 80 %."


def _moves(effect: Estimate, scale: Scale, *, plural: bool = False) -> str:
    """`lowers the test loss by 2.16`."""
    if effect.value == 0:
        return f"change{'' if plural else 's'} nothing"
    way = ("lower" if effect.value < 0 else "raise") + ("" if plural else "s")
    return f"{way} the test {scale.name} by {_size(effect, scale)}"


def _size(effect: Estimate, scale: Scale) -> str:
    return scale.signed(abs(effect.value)).lstrip("+")


def say_pairs(found: Combinations, judge: str, scale: Scale) -> str:
    """Each pair in a few words, and how many verdicts chance alone would give."""
    parts = []
    for pair in found.pairs[judge]:
        name, interaction = " and ".join(pair.names), pair.interaction
        if pair.verdict == "cannot tell":
            needed = interaction.seeds_to_tell
            parts.append(f"{name}: cannot tell ({f'{needed} seeds' if needed else f'more than {MOST_SEEDS:,} seeds'} would)")
        elif pair.verdict in ("one seed", "diverged"):
            parts.append(f"{name}: {pair.verdict}")
        else:
            parts.append(f"{name}: {pair.verdict} ({scale.signed(interaction.value)})")
    if not parts:
        return "No pair is finished yet."
    told = sum(pair.interaction.known for pair in found.pairs[judge])
    chance = f" Each interval has 95 % of its own: of {told}, chance alone would keep {(1 - CONFIDENCE) * told:.2g} off zero."
    return f"{'; '.join(parts)}.{chance if told > 1 else ''}"


# --- the other panels -------------------------------------------------------------------------------------------------------------


def say_effects(found: Combinations, judge: str, scale: Scale) -> str:
    """What each does alone and on average."""
    alone, average = found.effects[judge]["alone"], found.effects[judge]["average"]
    parts = [f"{name} {_change(alone[name], scale)} alone, {_change(average[name], scale)} on average" for name in found.factors]
    of = f" ({scale.unit})" if scale.unit else ""
    return f"{_shares(found, judge)}Change in test {scale.name}{of}: {'; '.join(parts)}."


def _shares(found: Combinations, judge: str) -> str:
    """How much of the first one's gain each other one makes alone; nothing where the first one does not gain for sure."""
    alone, sign = found.effects[judge]["alone"], found.shown[judge].sign
    first, *others = found.factors
    if not alone[first].tells or sign * alone[first].value > 0:
        return ""
    shares = {name: alone[name].value / alone[first].value for name in others if alone[name].tells or alone[name].nothing}
    said = [f"{name} alone gains {percent(share) if share > 0 else 'nothing'}" for name, share in shares.items()]
    unsure = [name for name in others if alone[name].known and name not in shares]
    parts = [f"of what {first} gains alone, {_listed(said)}"] if said else []
    parts += [f"of {_listed(unsure)} alone one cannot tell a gain"] if unsure else []
    joined = "; ".join(parts)
    return f"{joined[0].upper()}{joined[1:]}. " if joined else ""


def _change(effect: Estimate, scale: Scale) -> str:
    if effect.seeds == 0:
        return "not yet known"
    return scale.signed(effect.value) + (" (cannot tell)" if effect.known and not effect.tells and not effect.nothing else "")


def say_ranking(found: Combinations, judge: str, scale: Scale, form: Callable[[float], str]) -> str:
    """Best and worst on the test set, and how the choice by validation data fares there."""
    rows = found.ranking[judge]
    finite = [(levels, float(v.mean())) for levels, v in rows if math.isfinite(v.mean())]
    if not finite:
        return "All diverged."
    (top, best), (last, worst) = finite[0], finite[-1]
    best_said = f"Lowest test loss: {made_of(top, found.factors)}, {form(best)}" if judge == "loss" else ""
    best_said = best_said or f"Highest test {scale.name}: {made_of(top, found.factors)}, {form(best)}"
    other = f"; at the other end {made_of(last, found.factors)}, {form(worst)}" if len(finite) > 1 else ""
    lost = f" {len(rows) - len(finite)} of {len(rows)} diverged." if len(finite) < len(rows) else ""
    said = f"{best_said}{other}.{lost}"
    places = {levels: i for i, (levels, _) in enumerate(finite)}
    if found.chosen is None or found.chosen not in places:
        return said
    at = places[found.chosen]
    chosen = f"{made_of(found.chosen, found.factors)}, which is number {at + 1} of {len(rows)} here, {form(finite[at][1])}"
    return f"{said} The test set chooses nothing: the validation loss chooses {chosen}."


def say_map(found: Combinations) -> str:
    """How the best decay moves."""
    asked = found.design
    best = [(amount, asked.decays[i]) for amount, i in zip(asked.strengths, found.map.best, strict=True) if i is not None]
    trained, cells = int((found.map.counts > 0).sum()), found.map.counts.size
    if len(best) < 2:
        return f"{trained} of {cells} cells trained."
    (low, first), (high, last) = best[0], best[-1]
    over = "" if asked.strength_seeds == 1 else f", median of {seeds(asked.strength_seeds)}"
    way = "stays where it is" if first == last else "falls" if last < first else "rises"
    return f"Beside {asked.rival} {low:g} the best decay is {first:g}, beside {high:g} it is {last:g}: it {way} (by validation loss{over})."
