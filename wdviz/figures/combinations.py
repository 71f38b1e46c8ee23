"""All combinations from the best to the worst, beside what each is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.figures.interactions import Scale
from wdviz.figures.tuning import log_axis

FLOOR = 1e-3  # losses below are drawn here
ROW = 20  # pixels of a row of the ranking
TIGHT = 13  # and where there are many

COLUMN = 0.06  # of the width, for each column of dots

Levels = tuple[int, ...]
Row = tuple[Levels, NDArray[np.floating]]


@Drawing
def ranking(rows: Sequence[Row], factors: Sequence[str], scale: Scale, *, unit: str, chosen: Levels | None) -> Draft:
    """Mean and range over the seeds of each combination, the best at the top, beside what it is made of: filled dots are on.

    Arguments:
        rows: levels of the factors and the numbers of the seeds so far.
        chosen: the combination that validation data choose.
    """
    fig = Draft()
    count = len(rows)
    _made_of(fig, rows, factors)
    floor = FLOOR if scale.name == "loss" else -np.inf
    values = [np.maximum(scale.factor * np.asarray(numbers, np.float64), floor) for _, numbers in rows]
    mean = np.array([v.mean() for v in values])
    _ranges(fig, values)
    _means(fig, rows, values, factors, scale, unit)
    _broken(fig, mean)
    _choice(fig, rows, chosen, mean)
    _value_axis(fig, values, scale, unit)
    fig.update_xaxes(domain=[COLUMN * len(factors), 1])
    fig.update_yaxes(range=[count - 0.4, -0.6], showticklabels=False, showgrid=False, zeroline=False)
    fig.update_layout(
        title=palette.title(f"All combinations by test {scale.name}"),
        margin={"l": 12, "r": 14, "t": 104, "b": 44},
        legend=palette.LEGEND | {"x": 1, "xanchor": "right", "y": 1, "yref": "container", "yanchor": "top"},
    )
    return fig


def height(combinations: int) -> int:
    """Pixels of the ranking of so many."""
    return 156 + combinations * (ROW if combinations <= 16 else TIGHT)


def _made_of(fig: Draft, rows: Sequence[Row], factors: Sequence[str]) -> None:
    """A column of dots for each factor, on an axis of their own at the left."""
    levels = np.array([levels for levels, _ in rows]).reshape(len(rows), len(factors))
    for on, colour, name in ((1, "var(--ink)", "on"), (0, palette.tint(palette.GHOST, 0.3), "off")):
        row, column = np.nonzero(levels == on)
        fig.add_scatter(
            x=column.astype(np.float32),
            y=row.astype(np.float32),
            xaxis="x2",
            mode="markers",
            marker={"color": colour, "size": 8 if on else 5},
            hoverinfo="skip",
            name=name,
            showlegend=False,
        )
    fig.update_layout(
        xaxis2={
            "domain": [0, COLUMN * len(factors) - 0.015],
            "anchor": "y",
            "side": "top",
            "tickvals": list(range(len(factors))),
            "ticktext": list(factors),
            "tickangle": -45,
            "ticks": "",
            "range": [-0.6, len(factors) - 0.4],
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "tickfont": {"size": 12, "color": "var(--ink)"},
        }
    )


def _ranges(fig: Draft, values: Sequence[NDArray[np.floating]]) -> None:
    ends = np.array([[v.min(), v.max(), np.nan] for v in values])
    fig.add_scatter(
        x=ends.ravel().astype(np.float32),
        y=np.repeat(np.arange(len(values), dtype=np.float32), 3),
        mode="lines",
        line={"color": palette.tint(palette.GHOST, 0.7), "width": 3},
        hoverinfo="skip",
        name="range over the seeds",
        showlegend=False,
    )


def _means(
    fig: Draft, rows: Sequence[Row], values: Sequence[NDArray[np.floating]], factors: Sequence[str], scale: Scale, unit: str
) -> None:
    """A dot each, in two colours and shapes: with decay and without."""
    decay = np.array(["decay" in factors and bool(levels[factors.index("decay")]) for levels, _ in rows])
    texts = [_row_words(levels, factors, v, scale, unit) for (levels, _), v in zip(rows, values, strict=True)]
    for name, mask in (("with", decay), ("without", ~decay)):
        fig.add_scatter(
            x=np.where(mask, [v.mean() for v in values], np.nan).astype(np.float32),
            y=np.arange(len(rows), dtype=np.float32),
            mode="markers",
            marker={"color": palette.ARMS[name], "symbol": "square" if name == "with" else "circle", "size": 9},
            text=texts,
            hovertemplate="%{text}<extra></extra>",
            name=palette.ARM_NAMES[name],
            showlegend="decay" in factors,
        )


def _value_axis(fig: Draft, values: Sequence[NDArray[np.floating]], scale: Scale, unit: str) -> None:
    """Logarithmic for losses, which differ by factors."""
    if scale.name != "loss":
        fig.update_xaxes(title=f"test {scale.name} ({unit})" if unit else f"test {scale.name}", zeroline=False)
        return
    finite = np.concatenate([v[np.isfinite(v)] for v in values])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.1, 1.0)
    axis = Draft()
    log_axis(axis, "", low / 1.15, high * 1.25)
    fig.update_xaxes(title=f"test loss ({unit}, log)", **axis.layout["yaxis"])


def _row_words(levels: Levels, factors: Sequence[str], values: NDArray[np.floating], scale: Scale, unit: str) -> str:
    name = f"<b>{made_of(levels, factors)}</b>"
    if not np.isfinite(values).all():
        return f"{name}<br>diverged in {int((~np.isfinite(values)).sum())} of {len(values)} seeds"
    over = f"mean of {len(values)} seeds ({values.min():.3g} to {values.max():.3g})" if len(values) > 1 else "one seed"
    return f"{name}<br>test {scale.name} {values.mean():.3g} {unit}, {over}"


def made_of(levels: Levels, factors: Sequence[str]) -> str:
    """`decay + dropout`, or `none of them`."""
    return " + ".join(name for name, level in zip(factors, levels, strict=True) if level) or "none of them"


def _broken(fig: Draft, mean: NDArray[np.floating]) -> None:
    for at in np.flatnonzero(~np.isfinite(mean)):
        fig.add_annotation(
            x=1, xref="paper", xanchor="right", y=int(at), text="diverged", showarrow=False, font={"size": 11, "color": "var(--mute)"}
        )


def _choice(fig: Draft, rows: Sequence[Row], chosen: Levels | None, mean: NDArray[np.floating]) -> None:
    """A ring around the combination that validation data choose."""
    at = next((i for i, (levels, _) in enumerate(rows) if levels == chosen), None)
    if at is not None and math.isfinite(mean[at]):
        fig.add_scatter(
            x=[float(mean[at])],
            y=[at],
            mode="markers",
            marker={"color": "var(--ink)", "symbol": "circle-open", "size": 17, "line": {"width": 2}},
            hoverinfo="skip",
            name="chosen by validation loss",
            showlegend=True,
        )
