"""Panels of what decay does to speed: steps to reach a loss, weights before batch norm, schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from wdviz import datasets
from wdviz.experiments.speed import Equilibrium, Schedule, Series, Speed
from wdviz.figures import speed as figures
from wdviz.results import Arm, Spread
from wdviz.settings import Settings
from wdviz.ui.scenes.common import unit
from wdviz.ui.stage import Panel, Stat, View
from wdviz.ui.words import between, medians, number, seeds


def panels(below: Speed) -> tuple[Panel, ...]:
    """All three."""
    return _reaching(below), _equilibrium(below), _schedules(below)


def where(settings: Settings) -> str:
    """`learning rate 0.03, decay 2`."""
    return f"learning rate {settings.learning_rate:g}, decay {settings.decay:g}"


def _reaching(below: Speed) -> Panel:
    level = below.plan.reach
    views = tuple(
        View(label, partial(_draw_reaching, below, split), partial(_say_reaching, below, split))
        for split, label in (("train", "training loss"), ("validation", "validation loss"))
    )
    note = f"loss {level:g} (set in the sidebar); bars: range over seeds; dotted: your decay"
    return Panel("reaching", "Does decay slow learning?", views, span=4, note=note, height=320)


def _named(below: Speed) -> dict[str, Series]:
    example = below.example.settings
    return {
        f"your network, rate {below.settings.learning_rate:g}": below.yours,
        f"{example.dataset}, batch norm, rate {example.learning_rate:g}": below.example,
    }


def _draw_reaching(below: Speed, split: str):
    named = _named(below)
    spoken = "training" if split == "train" else split
    return figures.reaching.draft(
        below.yours.decays,
        {name: series.reach(split, below.plan.reach) for name, series in named.items()},
        [series.settings.steps for series in named.values()],
        loss=f"a {spoken} loss of {below.plan.reach:g}",
        decay=below.settings.decay,
    )


def _say_reaching(below: Speed, split: str) -> str:
    parts = [f"{name}: {_fastest(series, split, below.plan.reach)}" for name, series in _named(below).items() if series.finished]
    said = "; ".join(parts) + medians(len(below.yours.histories[0]))
    return f"{said[0].upper()}{said[1:]}." if parts else "Comes after the coarse maps."


def _fastest(series: Series, split: str, level: float) -> str:
    reached = [
        (spread.median, decay) for decay, spread in zip(series.decays, series.reach(split, level), strict=True) if spread is not None
    ]
    without, best = reached[0][0] if reached[0][1] == 0 else math.nan, min(reached)
    if not math.isfinite(best[0]):
        return "never, with any decay"
    never = [decay for steps, decay in reached if not math.isfinite(steps)]
    said = f"{without:.0f} steps without decay" if math.isfinite(without) else "never without decay"
    faster = best[1] > 0 and (not math.isfinite(without) or round(best[0]) < round(without))
    said += f", {best[0]:.0f} with decay {best[1]:g}" if faster else ", and no decay is faster"
    above = [decay for decay in never if decay > best[1]]
    return said + (f", never from decay {min(above):g} on" if above else "")


def _equilibrium(below: Speed) -> Panel:
    found = below.equilibrium
    holds = not found.unmet
    views = tuple(
        View(what, partial(_draw_balance, found, what), partial(_say_balance, found, what))
        for what in ("norm", "effective learning rate", "angle per step")
    )
    measured = found.measured_angle(found.with_decay)
    stats = (
        Stat("angle (radians)", _angle(measured), between(measured, lambda v: f"{v:.2g}")),
        Stat("predicted", f"{found.angle:.3g}" if holds else "does not apply"),
    )
    note = (
        f"your network with batch norm, plain SGD, constant rate, decay on its first layer only; {seeds(len(found.with_decay.histories))}"
    )
    return Panel("equilibrium", "Weights before batch norm", views, 6, note=note, stats=stats, height=320)


def _draw_balance(found: Equilibrium, what: str):
    holds = not found.unmet
    return figures.balance.draft(
        found.arms,
        what,
        learning_rate=found.settings.learning_rate,
        angle=found.angle if holds else math.nan,
        norm=found.norm if holds else math.nan,
    )


def _angle(measured: Spread) -> str:
    return f"{measured.median:.3g}" if math.isfinite(measured.median) else "diverged"


def _say_balance(found: Equilibrium, what: str) -> str:
    ends = [arm.spread(lambda h: float(h.norms[-1, 0])).median for arm in found.arms]
    rate = found.settings.learning_rate
    if what == "angle per step":
        late = found.measured_angle(found.with_decay)
        said = f"Over the second half a step turns the weights by {late.median:.3g} radians with decay{medians(late.seeds)}"
        if not math.isfinite(late.median):
            said = "With decay it diverged: there is no angle"
        said += f"; sqrt(2 x {found.product:g}) = {found.angle:.3g} is predicted." if not found.unmet else "."
    elif what == "norm":
        said = f"Norm at the end: {number(ends[0])} without, {number(ends[1])} with decay{medians(len(found.with_decay.histories))}"
        said += f"; {number(found.norm)} is predicted." if not found.unmet else "."
    else:
        many = medians(len(found.with_decay.histories))
        small = [f"{rate / end**2:.2g}" if end > 0 else "infinite" if end == 0 else "diverged" for end in ends]
        said = (
            f"Learning rate / norm² at the end: {small[0]} without, {small[1]} with decay{many}: the smaller the weights, the larger "
            "each step."
        )
    return f"{said} {_assumptions(found)}"


def _assumptions(found: Equilibrium) -> str:
    return f"The prediction does not apply: {'; '.join(found.unmet)}." if found.unmet else "The prediction's assumptions hold here."


def _schedules(below: Speed) -> Panel:
    task = datasets.REGISTRY[below.settings.dataset].task
    say = partial(_say_schedules, below.schedules)
    views = (
        View("learning rate", partial(figures.schedules.draft, below.schedules, "learning rate"), say),
        View("decay alone", partial(figures.schedules.draft, below.schedules, "decay alone"), partial(_say_alone, below)),
        View("validation loss", partial(figures.ends.draft, below.schedules, unit=unit(task)), say),
    )
    stats = tuple(Stat(s.name, number(spread.median), between(spread)) for s in below.schedules if (spread := _end(s.arm)))
    note = f"numbers: validation loss at the end, {seeds(len(below.schedules[0].arm.histories))}; {where(below.settings)}"
    return Panel("schedules", "Schedules of the learning rate", views, span=6, note=note, stats=stats, height=320)


def _end(arm: Arm) -> Spread:
    return arm.spread(lambda h: h.loss("validation"))


def _say_schedules(found: Sequence[Schedule]) -> str:
    parts = [f"{s.name} {number(_end(s.arm).median)}" for s in found]
    return f"Validation loss at the end, same seeds: {', '.join(parts)}{medians(len(found[0].arm.histories))}."


def _say_alone(below: Speed) -> str:
    left = [(s.name, abs(float(s.arm.histories[0].shrink[-1]))) for s in below.schedules]
    parts = [f"{name} {f'{share:.1g}' if math.isfinite(share) else 'more than can be counted'}" for name, share in left]
    s = below.settings
    kind = " This is so for decoupled decay and plain SGD; coupled, the optimiser rescales it." if s.decay_kind == "coupled" else ""
    return f"What decay alone would leave of a weight at the end: {', '.join(parts)}.{kind}"
