"""One pair of regularisers as two lines, without the first and with it, that would run parallel if nothing interacted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wdviz.factorial import Pair
from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.figures.interactions import Scale

Floats = NDArray[np.floating]


@Drawing
def together(pair: Pair, scale: Scale, *, unit: str) -> Draft:
    """The four means of a pair, joined to two lines over faint single seeds; dashed, where the second would end if effects added up."""
    fig = Draft()
    table = scale.factor * pair.cells  # neither, first, second, both
    _line_of(fig, "without", pair.names, table[[0, 2]])
    _line_of(fig, "with", pair.names, table[[1, 3]])
    _, alone, _, both = table.mean(1)
    expected = scale.factor * pair.expected
    fig.add_scatter(
        x=np.array([0, 1], np.float32),
        y=np.array([alone, expected], np.float32),
        mode="lines",
        line={"color": "var(--mute)", "width": 2, "dash": "dash"},
        hovertemplate="the sum of both: %{y:.3g}<extra></extra>",
        name="if effects added up",
        showlegend=True,
    )
    _gap(fig, both, expected, scale)
    title = f"test {scale.name} ({unit})" if unit else f"test {scale.name}"
    fig.update_yaxes(title=title, range=_span(np.append(table, expected), scale), zeroline=True)
    return _of_pair(fig, pair.names)


@Drawing
def waiting(names: tuple[str, str], scale: Scale) -> Draft:
    """The axes of `together` before its runs are finished."""
    fig = Draft()
    fig.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip", name="not finished", showlegend=False)
    fig.update_yaxes(title=f"test {scale.name}", showticklabels=False, range=[0, 1], showgrid=False, zeroline=False)
    return _of_pair(fig, names)


def _of_pair(fig: Draft, names: tuple[str, str]) -> Draft:
    first, second = names
    ticks = [f"without<br>{second}", f"with<br>{second}"]
    fig.update_xaxes(tickvals=[0, 1], ticktext=ticks, range=[-0.25, 1.4], showgrid=False, zeroline=False)
    fig.update_layout(
        title=palette.title(f"{first.capitalize()} and {second}: would the lines be parallel?"),
        margin={"l": 58, "r": 10, "t": 12, "b": 46},
        legend=palette.LEGEND,
    )
    return fig


def _line_of(fig: Draft, name: str, names: tuple[str, str], rows: Floats) -> None:
    """One line of the two: `rows` (2, n), without the second factor and with it."""
    colour, (first, second) = palette.ARMS[name], names
    fig.add_scatter(
        x=np.tile([0, 1, np.nan], rows.shape[1]).astype(np.float32),
        y=np.vstack([rows, np.full(rows.shape[1], np.nan)]).T.ravel().astype(np.float32),
        mode="lines",
        line={"color": palette.tint(colour, 0.28), "width": 1},
        hoverinfo="skip",
        name=f"{name} {first}, single seeds",
        showlegend=False,
    )
    fig.add_scatter(
        x=np.array([0, 1], np.float32),
        y=rows.mean(1).astype(np.float32),
        mode="lines+markers",
        line={"color": colour, "width": 2.5},
        marker={"size": 9, "color": colour, "symbol": "square" if name == "with" else "circle"},
        text=[f"without {second}", f"with {second}"],
        hovertemplate=f"{name} {first}, %{{text}}: %{{y:.3g}}<extra></extra>",
        name=f"{name} {first}",
        showlegend=True,
    )


def _span(values: Floats, scale: Scale) -> list[float]:
    """Of the axis: a loss from 0 or below, an accuracy about its values."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    room = 0.06 * ((high - min(low, 0) if scale.name == "loss" else high - low) or 1.0)
    return [min(low - room, 0.0) if low < 0 else 0.0, high + room] if scale.name == "loss" else [low - room, high + room]


def _gap(fig: Draft, both: float, expected: float, scale: Scale) -> None:
    """The interaction, drawn beside the right ends of the lines."""
    if not (math.isfinite(both) and math.isfinite(expected)):
        return
    line = {"color": "var(--ink)", "width": 1.5}
    fig.add_shape(type="line", x0=1.07, x1=1.07, y0=expected, y1=both, line=line)
    for y in (both, expected):
        fig.add_shape(type="line", x0=1.05, x1=1.09, y0=y, y1=y, line=line)
    fig.add_annotation(
        x=1.1,
        y=(both + expected) / 2,
        xanchor="left",
        text=f"{scale.signed((both - expected) / scale.factor)}<br>beyond<br>the sum",
        align="left",
        showarrow=False,
        font={"size": 12, "color": "var(--ink)"},
    )
