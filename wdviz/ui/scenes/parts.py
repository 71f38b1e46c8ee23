"""Which part of a network needs decay, on the Architectures page: each part decayed alone, and spared."""

from __future__ import annotations

import math
from functools import partial

from wdviz import datasets
from wdviz.experiments.architectures import Architectures
from wdviz.figures import architectures as figures
from wdviz.results import Spread
from wdviz.ui.scenes.common import score_name, unit
from wdviz.ui.stage import Panel, Stat, View
from wdviz.ui.words import seeds

LEAST = 0.02  # change of the test loss from which sparing a part is spoken of


def parts_panel(found: Architectures) -> Panel:
    """Test loss and score of each rule against decay on everything, seed by seed."""
    title = f"Which part of the {found.inside} network needs decay"
    base, task = found.settings, datasets.REGISTRY[found.settings.dataset].task
    measured = found.parts
    if measured is None:
        waits = "Each part is measured at your decay, which is 0: move it." if base.decay == 0 else "To come: one part after the other."
        return Panel("parts", title, (View("loss", partial(figures.waiting.draft, waits), lambda: waits),), span=6, height=400)
    score = score_name(task)
    views = tuple(
        View(
            what,
            partial(figures.parts.draft, measured.names, partial(measured.change, score=what != "loss"), what, unit=said, put="decaying"),
            partial(_say_parts, found),
        )
        for what, said in (("loss", unit(task)), (score, ""))
    )
    count = len(measured.losses["all", ""])
    note = f"decay {base.decay:g}; 0 is decay on everything; loss: right is worse; median and range of {seeds(count)}"
    return Panel("parts", title, views, span=6, stats=_needs(found), note=note, height=400)


def _needs(found: Architectures) -> tuple[Stat, ...]:
    """The part that all seeds miss most where it is spared, and that which they do best without; one seed cannot tell."""
    measured = found.parts
    assert measured is not None
    spared = {name: measured.change((name, "spared")) for name in measured.names if len(measured.losses["all", ""]) > 1}
    hurt = {name: spread for name, spread in spared.items() if _harms(spread)}
    healed = {name: spread for name, spread in spared.items() if _heals(spread)}
    ends = []
    if hurt:
        worst = max(hurt, key=lambda name: hurt[name].median)
        ends.append(Stat("needs it most", worst, f"spared: {_signed(hurt[worst])}"))
    if healed:
        best = min(healed, key=lambda name: healed[name].median)
        ends.append(Stat("better without", best, f"spared: {_signed(healed[best])}"))
    return tuple(ends)


def _harms(spread: Spread) -> bool:
    """Whether all seeds are worse, and by something."""
    return spread.low > 0 and spread.median > LEAST


def _heals(spread: Spread) -> bool:
    return spread.high < 0 and spread.median < -LEAST


def _signed(spread: Spread) -> str:
    low, high = (f"{value:+.2f}" for value in (spread.low, spread.high))
    return low if spread.seeds < 2 else f"{low} to {high}"


def _say_parts(found: Architectures) -> str:
    measured = found.parts
    assert measured is not None
    spared = {name: measured.change((name, "spared")) for name in measured.names}
    hurt = [name for name, spread in spared.items() if _harms(spread)]
    healed = [name for name, spread in spared.items() if _heals(spread)]
    nothing = measured.change(("none", ""))
    parts = [f"No decay at all instead of decay on everything changes the test loss by {_amount(nothing)}."]
    if nothing.seeds < 2:
        return f"{parts[0]} One seed cannot tell which part needs it."
    if hurt:
        parts.append("Worse in every seed where spared: " + "; ".join(f"{name} ({_amount(spared[name])})" for name in hurt) + ".")
    if healed:
        parts.append("Better in every seed where spared: " + "; ".join(f"{name} ({_amount(spared[name])})" for name in healed) + ".")
    if not hurt and not healed:
        parts.append("Of no single part do all seeds agree that sparing it matters.")
    return " ".join(parts)


def _amount(spread: Spread) -> str:
    if not math.isfinite(spread.median):
        return "an amount that is no number, since some training diverged"
    return f"{spread.median:+.2f}, {spread.low:+.2f} to {spread.high:+.2f}" if spread.seeds > 1 else f"{spread.median:+.2f}"
