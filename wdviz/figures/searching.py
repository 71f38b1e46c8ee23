"""Searches at the same budget, and how wide the range of good decays is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing

# Searches: colour, marker, line, name.
SEARCHES = {
    "grid": ("#0072B2", "circle", "solid", "grid"),
    "random": ("#D55E00", "square", "dash", "random"),
    "halving": ("#009E73", "diamond", "dot", "halving"),
}
APART = 0.1  # by which the searches stand beside each other at one budget
LOWEST_TOP = 0.05  # of the axis, so that differences of nothing are not blown up


@Drawing
def searches(
    above: Mapping[str, NDArray[np.floating]], used: Mapping[str, Sequence[float]], budgets: Sequence[int], *, unit: str, split: str
) -> Draft:
    """Loss beyond the best of the table, for each search and budget: median over the repetitions, with the range as a bar.

    Arguments:
        above: search -> (B, S) differences in loss.
        used: search -> (B,) full trainings' worth of steps.
        split: "validation" or "test": where the loss is measured.
    """
    fig = Draft()
    top = LOWEST_TOP
    for k, (name, table) in enumerate(above.items()):
        colour, symbol, dash, label = SEARCHES[name]
        # A median over some of the repetitions would compare other data: without all of them there is no point.
        whole = np.where(np.isfinite(table).all(axis=1, keepdims=True), table, np.nan)
        middle, low, high = np.median(whole, axis=1), whole.min(1), whole.max(1)
        top = max(top, float(np.nanmax(high, initial=0)))
        fig.add_scatter(
            x=(np.arange(len(budgets)) + APART * (k - 1)).astype(np.float32),
            y=middle.astype(np.float32),
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"color": colour, "symbol": symbol, "size": 8},
            error_y=_bars(middle, low, high, colour),
            name=label,
            text=[f"{u:.3g}" for u in used[name]],
            hovertemplate=f"{label}: {split} loss %{{y:.3f}} above the best, %{{text}} full trainings' worth of steps<extra></extra>",
        )
    last = len(budgets) - 1
    names = [f"{b}" if i < last else f"all {b}" for i, b in enumerate(budgets)]
    fig.update_xaxes(
        title="budget (full trainings)", tickvals=list(range(len(budgets))), ticktext=names, range=[-0.4, last + 0.4], zeroline=False
    )
    fig.update_yaxes(title=f"loss above the best ({unit})", range=[-0.04 * top, 1.08 * top], zeroline=True)
    fig.update_layout(
        title=palette.title("Three searches at the same budget"),
        margin={"l": 58, "r": 12, "t": 34, "b": 46},
        legend=palette.LEGEND,
    )
    return fig


@dataclass(frozen=True)
class Bar:
    """One range of decays: its ends, whether it goes on beyond them, and the best of it."""

    low: float
    high: float
    open_low: bool
    open_high: bool
    best: float


@Drawing
def widths(
    values: Sequence[float],
    bars: Sequence[Bar | None],
    *,
    all_values: Sequence[float],
    title: str,
    percent: bool,
    now: float,
    ends: tuple[float, float],
) -> Draft:
    """For each value of a setting the range of good decays, with its width in factors of ten.

    Arguments:
        values: those that are finished; `all_values` all that will be.
        now: the setting's own value, marked where it is among them.
        ends: the grid's lowest and highest decay.
    """
    fig = Draft()
    colour = palette.ARMS["with"]
    for value, bar in zip(values, bars, strict=True):
        if bar is None:
            continue
        x = all_values.index(value)
        fig.add_shape(
            type="rect",
            x0=x - 0.16,
            x1=x + 0.16,
            y0=bar.low,
            y1=bar.high,
            fillcolor=palette.tint(colour, 0.35),
            line={"color": colour, "width": 1.5},
        )
        for place, open_end, symbol in ((bar.low, bar.open_low, "triangle-down"), (bar.high, bar.open_high, "triangle-up")):
            if open_end:
                fig.add_scatter(
                    x=[x],
                    y=[place],
                    mode="markers",
                    marker={"symbol": symbol, "size": 11, "color": colour},
                    hoverinfo="skip",
                    showlegend=False,
                )
        more = "≥ " if bar.open_low or bar.open_high else ""
        fig.add_annotation(
            x=x,
            y=math.log10(bar.high),
            yanchor="bottom",
            yshift=9 if bar.open_high else 4,
            text=f"{more}{math.log10(bar.high / bar.low):.2f}",
            showarrow=False,
            font={"color": colour, "size": 12},
        )
    drawn = [(all_values.index(v), b) for v, b in zip(values, bars, strict=True) if b is not None]
    fig.add_scatter(
        x=np.array([x for x, _ in drawn], np.float32),
        y=np.array([b.best for _, b in drawn], np.float32),
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "dot"},
        marker={"color": colour, "size": 8, "line": {"color": palette.PALE, "width": 1}},
        text=[f"{b.low:.2g} to {b.high:.2g}" for _, b in drawn],
        name="best decay",
        hovertemplate="best decay %{y:g}; about as good: %{text}<extra></extra>",
    )
    names = [f"{100 * v:g} %" if percent else f"{v:g}" for v in all_values]
    marked = [f"<b>{name}</b>" if v == now else name for v, name in zip(all_values, names, strict=True)]
    fig.update_xaxes(
        title=title,
        tickvals=list(range(len(all_values))),
        ticktext=marked,
        range=[-0.5, len(all_values) - 0.5],
        zeroline=False,
        showgrid=False,
    )
    low, high = (math.log10(end) for end in ends)
    fig.update_yaxes(title="weight decay (log)", type="log", range=[low - 0.15, high + 0.3], zeroline=False)
    fig.update_layout(
        title=palette.title("The range of good decays, its width in factors of ten"),
        showlegend=False,
        margin={"l": 58, "r": 12, "t": 12, "b": 46},
    )
    return fig


def _bars(middle: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating], colour: str) -> dict[str, object]:
    def sizes(values: NDArray[np.floating]) -> list[float]:
        return [round(float(v), 6) for v in np.nan_to_num(values)]

    return {
        "type": "data",
        "symmetric": False,
        "array": sizes(high - middle),
        "arrayminus": sizes(middle - low),
        "thickness": 1.2,
        "width": 3,
        "color": colour,
    }
