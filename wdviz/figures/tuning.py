"""What each repetition would choose, and what choosing costs on the test set; the axes that these share with the curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing

Floats = NDArray[np.floating]

# Ways to choose: colour, marker, name on an axis, name in words.
WAYS = {
    "oracle": (palette.GHOST, "star", "best<br>there is", "the best there is"),
    "best": ("#0072B2", "circle", "by<br>loss", "lowest loss"),
    "simplest": ("#009E73", "diamond", "by<br>1 SE", "one standard error"),
    "most_accurate": ("#CC79A7", "square", "by<br>accuracy", "highest accuracy"),
    "none": ("#D55E00", "x", "no<br>decay", "no decay"),
}
FLOOR = 1e-3  # losses below are drawn here
SHORT = 2.2  # powers of ten below which an axis is short
BETWEEN = ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(i / 10 for i in range(10, 100)))  # its ticks, more where there are not
ENOUGH = 3


@dataclass(frozen=True, eq=False)
class Scale:
    """What an axis shows: a loss on a logarithmic scale, or an accuracy."""

    name: str  # "loss" or "accuracy"
    unit: str = ""

    @property
    def log(self) -> bool:
        return self.name == "loss"

    def up(self, value: float) -> float:
        """Where an annotation goes on this axis."""
        return math.log10(max(value, FLOOR)) if self.log else value


@Drawing
def choices(decays: Sequence[float], chosen: Mapping[str, Sequence[int]], *, guess: float) -> Draft:
    """Which candidate each repetition chooses, by each way to choose: a dot each, the (lower) median as a bar."""
    fig = Draft()
    ways = list(chosen)
    for row, (way, places) in enumerate(chosen.items()):
        colour, symbol, _, said = WAYS[way]
        at, nudge = _stacked(places)
        fig.add_scatter(
            x=np.array(at, np.float32),
            y=np.array([row + n for n in nudge], np.float32),
            mode="markers",
            marker={"color": palette.tint(colour, 0.75), "symbol": symbol, "size": 9, "line": {"color": colour, "width": 1}},
            name=said,
            text=[f"{decays[i]:g}" for i in at],
            hovertemplate=f"{said}: one seed chooses %{{text}}<extra></extra>",
        )
        if places:
            middle = at[(len(at) - 1) // 2]
            fig.add_shape(type="line", x0=middle, x1=middle, y0=row - 0.36, y1=row + 0.36, line={"color": colour, "width": 3})
    add_guess(fig, guess, len(decays))
    decay_axis(fig, decays, nticks=6)
    fig.update_yaxes(
        tickvals=list(range(len(ways))),
        ticktext=[WAYS[way][2] for way in ways],
        range=[len(ways) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    fig.update_layout(
        title=palette.title("What each seed's cross-validation chooses"), showlegend=False, margin={"l": 72, "r": 14, "t": 12, "b": 46}
    )
    return fig


@Drawing
def price(losses: Mapping[str, Floats], decays: Mapping[str, Sequence[float]], scale: Scale) -> Draft:
    """Test loss or accuracy of what each way chose: a faint line for each repetition, the median as a bar.

    Arguments:
        losses: way -> (S,), in the order of the axis; they may be accuracies.
        decays: way -> the S decays chosen.
    """
    fig, ways = Draft(), list(losses)
    table = np.array([losses[way] for way in ways], np.float64)  # (ways, S)
    shown = np.where(np.isfinite(table), np.maximum(table, FLOOR) if scale.log else table, np.nan)
    x = np.arange(len(ways), dtype=np.float32)
    add_faint(fig, x, shown.T, scale)
    for i, way in enumerate(ways):
        colour, symbol, _, said = WAYS[way]
        fig.add_scatter(
            x=np.full(table.shape[1], i, np.float32),
            y=shown[i].astype(np.float32),
            mode="markers",
            marker={"color": palette.tint(colour, 0.75), "symbol": symbol, "size": 8, "line": {"color": colour, "width": 1}},
            name=said,
            text=[f"{decay:g}" for decay in decays[way]],
            hovertemplate=f"{said}, decay %{{text}}<br>test {scale.name} %{{y:.3f}}, one seed<extra></extra>",
        )
        middle = float(np.median(table[i]))
        if math.isfinite(middle):
            at = max(middle, FLOOR) if scale.log else middle
            fig.add_shape(type="line", x0=i - 0.3, x1=i + 0.3, y0=at, y1=at, line={"color": colour, "width": 3})
    _ways_axis(fig, ways)
    if scale.log:
        finite = shown[np.isfinite(shown)]
        log_axis(fig, f"test loss ({scale.unit}, log)", float(finite.min(initial=1)) / 1.2, float(finite.max(initial=FLOOR)) * 1.2)
    else:
        fig.update_yaxes(title=f"test {scale.name}", tickformat=".0%" if scale.name == "accuracy" else ".1f")
    return _price_layout(fig, f"Test {scale.name} of what was chosen")


@Drawing
def sealed(ways: Sequence[str], words: str) -> Draft:
    """The axes of `price` without anything on them: the test set has not been opened."""
    fig = Draft()
    fig.add_annotation(
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        text=words,
        showarrow=False,
        font={"color": "var(--mute)", "size": 14},
        align="center",
    )
    fig.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip", showlegend=False)
    _ways_axis(fig, ways)
    fig.update_yaxes(title="test loss", showticklabels=False, range=[0, 1], showgrid=False, zeroline=False)
    return _price_layout(fig, "The test set is sealed")


def log_axis(fig: Draft, title: str, low: float, high: float) -> None:
    """A logarithmic axis with ticks at whole powers of ten, and between them where it is short."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    short = math.log10(high / low) < SHORT
    ticks: list[float] = []
    for steps in BETWEEN if short else ((1,),):
        if len(ticks) < ENOUGH:
            ticks = [m * 10.0**e for e in decades for m in steps if low <= m * 10.0**e <= high]
    fig.update_yaxes(title=title, type="log", range=[math.log10(low), math.log10(high)], zeroline=False)
    fig.update_yaxes(tickvals=ticks, ticktext=[f"{t:g}" for t in ticks])


def _price_layout(fig: Draft, title: str) -> Draft:
    fig.update_layout(title=palette.title(title), showlegend=False, margin={"l": 58, "r": 12, "t": 12, "b": 46})
    return fig


def _ways_axis(fig: Draft, ways: Sequence[str]) -> None:
    names = [WAYS[way][2] for way in ways]
    fig.update_xaxes(tickvals=list(range(len(ways))), ticktext=names, range=[-0.5, len(ways) - 0.5], showgrid=False, zeroline=False)
    fig.update_xaxes(tickfont={"size": 11}, tickangle=0)


def decay_axis(fig: Draft, decays: Sequence[float], *, nticks: int = 0, meta: bool = False) -> None:
    """Candidates side by side, 0 at the left; a click on one takes it as the visitor's decay."""
    count = len(decays)
    every = math.ceil(count / nticks) if nticks else 1
    shown = [i for i in range(count) if i % every == 0]
    fig.update_xaxes(title="weight decay", tickvals=shown, ticktext=[f"{decays[i]:g}" for i in shown])
    fig.update_xaxes(range=[-0.5, count - 0.5], zeroline=False, showgrid=False, automargin=True)
    if meta:
        fig.update_layout(meta={"put": {"x": {"name": "decay", "values": [f"{d:g}" for d in decays]}}})


def add_faint(fig: Draft, x: Floats, rows: Floats, scale: Scale) -> None:
    """Each row as a thin line: one trace with gaps between them."""
    gaps = np.column_stack([rows, np.full(len(rows), np.nan)])
    y = np.where(np.isfinite(gaps), np.maximum(gaps, FLOOR) if scale.log else gaps, np.nan)
    fig.add_scatter(
        x=np.tile(np.r_[x, np.nan], len(rows)).astype(np.float32),
        y=y.ravel().astype(np.float32),
        mode="lines",
        line={"color": palette.tint(palette.GHOST, 0.45), "width": 1},
        hoverinfo="skip",
        showlegend=False,
        name="single",
    )


def add_guess(fig: Draft, guess: float, count: int, *, decay: float | None = None, top: bool = False) -> None:
    """The visitor's own decay as a vertical line, named at its top or its foot where `decay` says what it is."""
    if guess > count - 0.5:
        return
    line = {"color": "var(--ink)", "width": 1.5, "dash": "dash"}
    fig.add_shape(type="line", x0=guess, x1=guess, y0=0, y1=1, yref="paper", line=line, layer="below")
    if decay is not None:
        left = guess < (0.65 if top else 0.5) * count
        fig.add_annotation(
            x=guess,
            y=1 if top else 0,
            yref="paper",
            yanchor="top" if top else "bottom",
            xanchor="left" if left else "right",
            xshift=5 if left else -5,
            yshift=-20 if top else 4,
            text=f"your guess: {decay:g}",
            showarrow=False,
            font={"color": "var(--ink)", "size": 12},
        )


def _stacked(places: Sequence[int]) -> tuple[list[int], list[float]]:
    """Dots of the same place side by side: places in order, and how far each is moved off its row."""
    at, nudge = sorted(places), []
    for place in dict.fromkeys(at):
        many = at.count(place)
        step = min(0.15, 0.7 / many)
        nudge += [step * (i - (many - 1) / 2) for i in range(many)]
    return at, nudge
