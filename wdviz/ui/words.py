"""Numbers as words: spreads, the effect of decay, what decay does to a weight in each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from wdviz.experiments.overfitting import Comparison, verdict
from wdviz.results import Spread
from wdviz.settings import Settings, decay_rate, half_life, shrink_per_step


def number(value: float) -> str:
    """Two decimals, or fewer where the number is large; words where there is none."""
    if not math.isfinite(value):
        return "diverged"
    if abs(value) < 10:
        return f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no minus sign before a zero
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.1e}"


def percent(value: float) -> str:
    return f"{round(100 * value)} %" if math.isfinite(value) else "diverged"


def between(spread: Spread, form: Callable[[float], str] = number) -> str:
    """`1.10 to 1.52` or `74 to 86 %`; `in every seed` where they agree; nothing with one seed or where one is not finite."""
    if spread.seeds < 2 or not (math.isfinite(spread.low) and math.isfinite(spread.high)):
        return ""
    low, high = form(spread.low), form(spread.high)
    return "in every seed" if low == high else f"{low.removesuffix(' %')} to {high}"


def seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def medians(count: int) -> str:
    """` (medians of 5 seeds)` behind numbers whose ranges stand elsewhere; nothing with one seed."""
    return f" (medians of {seeds(count)})" if count > 1 else ""


def ranged(spread: Spread, form: Callable[[float], str] = number) -> str:
    """` (1.10 to 1.52)`; nothing where seeds do not differ in the digits shown."""
    said = between(spread, form)
    return f" ({said})" if " to " in said else ""


def answer(comparison: Comparison) -> str:
    """The page's question answered in one sentence, in Markdown, with live numbers."""
    s, cut = comparison.settings, comparison.cut()
    if s.decay == 0 and not switches(s):
        return "With decay at **0** both networks are the same. Move the slider and see them part."
    if comparison.with_decay.diverged:
        start = f"With a decay of **{decays(s)}** and a learning rate of {s.learning_rate:g} the training **diverges**"
        return f"{start}{in_some(h.diverged for h in comparison.with_decay.histories)}: {_product(s)}."
    if comparison.without.diverged:
        return diverged_without(s, (h.diverged for h in comparison.without.histories))
    if verdict(comparison.with_decay, comparison.split).name == "learns nothing":
        return _nothing(comparison)
    verb, share = ("cuts", cut.median) if cut.median >= 0 else ("raises", -cut.median)
    spread = f" ({_signed(cut)} over {seeds(cut.seeds)})" if cut.seeds > 1 else " (1 seed)"
    gaps = [arm.spread(lambda h: h.gap).median for arm in comparison.arms]
    change = f"{verb} the loss on new data by **{percent(share)}**{spread}"
    if percent(share) == percent(0):
        change = f"hardly changes the loss on new data{spread}"
    before, after = (arm.spread(lambda h: h.loss("test")).median for arm in comparison.arms)
    if cut.low < -100 or number(before) == number(0):  # no share of a loss of nearly 0 says anything
        change = f"takes the loss on new data from **{number(before)}** to **{number(after)}**"
    of = " (medians)" if cut.seeds > 1 else ""
    gap = f"takes the gap to the training loss from **{number(gaps[0])}** to **{number(gaps[1])}**{of}"
    return f"A decay of **{decays(s)}** {change}, and {gap}."


def _nothing(comparison: Comparison) -> str:
    """The answer where the network with decay learns nothing: that its loss may be lower is no gain."""
    s, cut, task = comparison.settings, comparison.cut(), comparison.split.task
    form, score = (number, "R2") if task == "regression" else (percent, "accuracy")
    scores = [arm.spread(lambda h: h.score("test")).median for arm in comparison.arms]
    before, after = map(form, scores)
    too = ", as without," if verdict(comparison.without, comparison.split).name == "learns nothing" else ""
    over = f" (medians of {seeds(cut.seeds)})" if cut.seeds > 1 else " (1 seed)"
    said = f"With a decay of **{decays(s)}**{too} the network **learns nothing**: test {score} **{after}**, without decay {before}{over}."
    if not 0 < cut.median < 1 or scores[1] >= scores[0] or too:
        return said
    return f"{said} That its loss on new data is {percent(cut.median)} lower is only because it is sure of nothing any more."


def in_some(diverged: Iterable[bool]) -> str:
    """` in 2 of 5 seeds` where not all of an arm's runs diverged."""
    flags = tuple(diverged)
    return "" if all(flags) else f" in {sum(flags)} of {seeds(len(flags))}"


def diverged_without(s: Settings, diverged: Iterable[bool]) -> str:
    """The answer where nothing can be compared, since the arm without decay diverged and the other one did not."""
    start = f"Without decay the training **diverges**{in_some(diverged)}, with decay it does not"
    return f"{start}: to compare both, try a learning rate below {s.learning_rate:g}."


def _signed(cut: Spread) -> str:
    """Range of the cut; where seeds disagree on its sign, both ends say which way they go."""
    if cut.low >= 0:
        return f"{100 * cut.low:.0f} to {100 * cut.high:.0f}"
    if cut.high < 0:
        return f"{-100 * cut.high:.0f} to {-100 * cut.low:.0f}"
    return f"from {-100 * cut.low:.0f} % more to {100 * cut.high:.0f} % less"


def _product(s: Settings) -> str:
    rate = decay_rate(s, max(s.decay, s.decay_after if switches(s) else 0))
    if rate > _limit(s):
        return f"{_factor(s)} is {rate:g}, and above {_limit(s):g} a weight overshoots zero by more each time"
    return "the steps are too large; lower the learning rate or the decay"


def _factor(s: Settings) -> str:
    return "decay" if s.decay_kind == "independent" else "learning rate x decay"


def _limit(s: Settings) -> float:
    """The largest learning rate x decay with which decay alone does not diverge."""
    if s.decay_kind != "coupled" or s.optimiser == "sgd":
        return 2.0
    return 2 * (1 + s.momentum) if s.optimiser == "momentum" else math.inf


def shrink(s: Settings) -> tuple[str, str]:
    """What decay alone does to a weight, beside the decay control, and under which convention; **so** is bold."""
    kind = {
        ("decoupled", "sgd"): "decoupled (SGDW)",
        ("decoupled", "momentum"): "decoupled (SGDW)",
        ("decoupled", "adam"): "decoupled (AdamW)",
        ("coupled", "sgd"): "coupled (L2)",
        ("coupled", "momentum"): "coupled (L2), momentum included",
        ("coupled", "adam"): "coupled (Adam with L2)",
        ("independent", "sgd"): "independent of the learning rate (SGDW, as in the paper)",
        ("independent", "momentum"): "independent of the learning rate (SGDW, as in the paper)",
        ("independent", "adam"): "independent of the learning rate (AdamW, as in the paper)",
    }[s.decay_kind, s.optimiser]
    share, rate = shrink_per_step(s), decay_rate(s, s.decay)
    product = f"{_factor(s)} is {rate:g}"
    peak = "" if s.schedule == "constant" else " at the peak learning rate"  # later steps are shorter: a training may come back
    if s.decay == 0:
        said = "no shrinking"
    elif share is None:
        said = "no fixed share a step: Adam rescales the penalty with the gradient"
    elif rate > _limit(s) * (1 + 1e-9):  # not by rounding alone
        grows = "makes weights **grow** while the learning rate is high: at its peak," if peak else "**diverges**:"
        said = f"{grows} {product}, more than {_limit(s):g}"
    elif share >= 1:
        said = f"takes weights to zero or past it{' at each step' if _limit(s) == 2 else ''}{peak}: {product}"
    elif share <= 0:
        said = f"swings from one side of zero to the other{peak or ' for ever'}: {product}"
    else:
        half = half_life(share)
        steps = f"{half:,.0f} steps" if half >= 10 else f"{half:.1f} steps"
        said = f"shrinks weights by **{100 * share:.2g} %** per step, half-life **{steps}**"
        kind = f"at the peak learning rate {s.learning_rate:g}; {kind}"
    return said, kind


def spoken_decay(s: Settings) -> str:
    """A decay for a screen reader: `decay 0.01, shrinks weights by 0.02 % per step`."""
    return f"decay {s.decay:g}, {shrink(s)[0].replace('**', '').split(', half-life')[0]}"


def decays(s: Settings) -> str:
    """The decay of a setting, with its switch if there is one: `2, then 0 from step 300`."""
    if not switches(s):
        return f"{s.decay:g}"
    return f"{s.decay:g}, then {s.decay_after:g} from step {s.switch_at}"


def switches(s: Settings) -> bool:
    """Whether the decay changes in the middle of training."""
    return 0 < s.switch_at < s.steps and s.decay_after != s.decay
