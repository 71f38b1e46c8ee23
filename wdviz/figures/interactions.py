"""The interaction of each pair of regularisers as a map: what both do beyond the sum, and what that says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wdviz.factorial import MOST_SEEDS, Pair
from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing

# Verdicts: colour, sign, what they mean. Words stand in every cell where there is room, signs where there is not.
VERDICTS = {
    "complements": ("#0072B2", "▲", "better than the sum"),
    "substitutes": ("#009E73", "≈", "not as good as the sum"),
    "conflict": ("#D55E00", "✕", "worse than one alone"),
    "cannot tell": (palette.GHOST, "?", "the interval holds zero"),
}
OTHER = (palette.GHOST, "–", "")  # one seed, no difference, diverged
LEAST = 284  # pixels of height that the words in the cells need in front of a class
MOST_WORDS = 4  # factors up to which a cell has room for words


@dataclass(frozen=True)
class Scale:
    """What is shown: a loss, an accuracy in points of per cent, or R2."""

    name: str  # "loss", "accuracy" or "R2"
    unit: str

    @property
    def factor(self) -> float:
        return 100.0 if self.name == "accuracy" else 1.0

    def signed(self, value: float) -> str:
        """`+0.31`, or in points `+3.1`; `diverged` where it is not a number."""
        if not math.isfinite(value):
            return "diverged"
        text = f"{self.factor * value:+.{1 if self.name == 'accuracy' else 2}f}"
        return text.replace("-", "−") if text.strip("+-0.") else text.strip("+-")

    def between(self, low: float, high: float) -> str:
        return f"{self.signed(low)} to {self.signed(high)}"


@Drawing
def interactions(pairs: Sequence[Pair], factors: Sequence[str], scale: Scale) -> Draft:
    """A cell for each pair: observed less the sum of both, its interval and what that says; a key where the other half would be."""
    fig = Draft()
    size, wordy = len(factors) - 1, len(factors) <= MOST_WORDS
    largest = max((abs(p.interaction.value) for p in pairs if math.isfinite(p.interaction.value)), default=0) or 1.0
    for pair in pairs:
        i, j = (factors.index(name) for name in pair.names)
        _cell(fig, j - 1, i, pair, abs(pair.interaction.value) / largest)
        for line, (text, points, bold) in enumerate(_lines(pair, scale, wordy)):
            _line(fig, (j - 1, i), (22 if wordy else 9) - 16 * line, text, points, bold, VERDICTS.get(pair.verdict, OTHER)[0])
    fig.add_scatter(
        x=np.array([factors.index(p.names[1]) - 1 for p in pairs], np.float32),
        y=np.array([factors.index(p.names[0]) for p in pairs], np.float32),
        mode="markers",
        marker={"size": 40, "opacity": 0},
        text=[_hover(pair, scale) for pair in pairs],
        hovertemplate="%{text}<extra></extra>",
        name="interactions",
        showlegend=False,
    )
    if size > 1:
        _key(fig, wordy)
    for update, names, span in ((fig.update_xaxes, factors[1:], [-0.5, size - 0.5]), (fig.update_yaxes, factors[:-1], [size - 0.5, -0.5])):
        update(tickvals=list(range(size)), ticktext=[_broken(name) for name in names], range=span, ticks="")
        update(showgrid=False, zeroline=False, tickfont={"size": 12, "color": "var(--ink)"})
    fig.update_xaxes(side="top", tickangle=0 if wordy else -30)
    fig.update_layout(
        title=palette.title(f"Together: change in test {scale.name} beyond the sum ({scale.unit})"),
        showlegend=False,
        margin={"l": 91, "r": 4, "t": 44 if wordy else 74, "b": 8},
        meta={"least": LEAST},
    )
    return fig


def _broken(name: str) -> str:
    return name.replace(" ", "<br>")


def _cell(fig: Draft, x: int, y: int, pair: Pair, share: float) -> None:
    colour = VERDICTS.get(pair.verdict, OTHER)[0]
    told = pair.verdict in ("complements", "substitutes", "conflict")
    fig.add_shape(
        type="rect",
        x0=x - 0.47,
        x1=x + 0.47,
        y0=y - 0.46,
        y1=y + 0.46,
        fillcolor=palette.tint(colour, round(0.1 + 0.3 * share, 3)) if told else "rgba(0,0,0,0)",
        line={"color": colour, "width": 1.5 if told else 1, "dash": "solid" if told else "dot"},
        layer="below",
    )


def _lines(pair: Pair, scale: Scale, wordy: bool) -> list[tuple[str, int, bool]]:
    """What stands in a cell, line by line: text, size, bold."""
    found, verdict = pair.interaction, pair.verdict
    sign = VERDICTS.get(verdict, OTHER)[1]
    value = ("diverged" if wordy else "div.") if found.diverged else scale.signed(found.value)
    if not wordy:
        return [(value, 12, True), (sign, 13, True)]
    lines = [(value, 16, True)]
    if found.known and not found.nothing:
        lines.append((scale.between(found.low, found.high).replace("+", ""), 10, False))
    lines.append((verdict, 11, True))
    if verdict == "cannot tell":
        needed = found.seeds_to_tell
        lines.append((f"{needed} seeds" if needed else f"> {MOST_SEEDS:,} seeds", 10, False))
    return lines if verdict != "diverged" else lines[:1]


def _line(fig: Draft, at: tuple[int, int], up: int, text: str, size: int, bold: bool, colour: str) -> None:
    fig.add_annotation(
        x=at[0],
        y=at[1],
        yshift=up,
        text=f"<b>{text}</b>" if bold else text,
        showarrow=False,
        font={"size": size, "color": "var(--mute)" if colour == palette.GHOST else colour},
    )


def _hover(pair: Pair, scale: Scale) -> str:
    found = pair.interaction
    names = f"<b>{pair.names[0]} and {pair.names[1]}</b>: {pair.verdict}"
    if found.diverged:
        return f"{names}<br>{found.diverged} of {found.seeds} seeds diverged"
    interval = f"<br>95 % interval {scale.between(found.low, found.high)}" if found.known else ""
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "one seed"
    return (
        f"{names}<br>change in test {scale.name}: {pair.names[0]} {scale.signed(pair.first.value)}, "
        f"{pair.names[1]} {scale.signed(pair.second.value)}, both {scale.signed(pair.together.value)}<br>"
        f"beyond the sum {scale.signed(found.value)} {scale.unit}{interval}, {seeds}"
    )


def _key(fig: Draft, wordy: bool) -> None:
    """What the verdicts mean, in the empty corner."""
    if wordy:
        words = [f"<b>{name}</b>:<br>{meaning}" for name, (_, _, meaning) in VERDICTS.items()] + ["(so many seeds would tell)"]
    else:
        words = [f"<b>{sign} {name}</b>: {meaning}" for name, (_, sign, meaning) in VERDICTS.items()]
    fig.add_annotation(
        x=0,
        y=0,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        align="left",
        text="<br>".join(words),
        xshift=8,
        name="key",
        showarrow=False,
        font={"size": 10, "color": "var(--mute)"},  # nine lines fit two empty cells of a low projector too
    )
