"""What each regulariser changes, alone and on average, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.factorial import Estimate
from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.figures.interactions import Scale

# What an effect is averaged over: colour, marker, name.
WAYS = {
    "average": ("#0072B2", "circle", "averaged over the others"),
    "alone": ("#009E73", "diamond-open", "alone (the others off)"),
}
APART = 0.17  # by which the two stand off the middle of their row
STEPS = (1, 2, 5, 10)  # axes end at one of these times a power of ten


@Drawing
def effects(found: Mapping[str, Mapping[str, Estimate]], labels: Sequence[str], scale: Scale) -> Draft:
    """The change that each factor makes, with its 95 % interval: a row each.

    Arguments:
        found: `WAYS` -> factor -> estimate.
        labels: of the factors, with their amounts.
    """
    fig = Draft()
    ends = [0.0]
    for way, estimates in found.items():
        ends += _add(fig, way, list(estimates.values()), labels, scale)
    _better(fig, left=scale.name == "loss")
    fig.add_shape(type="line", x0=0, x1=0, y0=0, y1=1, yref="paper", line={"color": "var(--ink)", "width": 1.5}, layer="below")
    fig.update_xaxes(
        title=f"change in test {scale.name} ({scale.unit})" if scale.unit else f"change in test {scale.name}",
        range=_span(ends),
        zeroline=False,
        nticks=6,
    )
    fig.update_yaxes(tickvals=list(range(len(labels))), ticktext=list(labels), range=[len(labels), -0.5], showgrid=False, zeroline=False)
    fig.update_yaxes(tickfont={"size": 12, "color": "var(--ink)"})
    fig.update_layout(
        title=palette.title(f"What each one changes in the test {scale.name}"),
        margin={"l": 112, "r": 12, "t": 12, "b": 46},
        legend=palette.LEGEND,
    )
    return fig


def _add(fig: Draft, way: str, estimates: Sequence[Estimate], labels: Sequence[str], scale: Scale) -> list[float]:
    """Dots and bars of one way; all their ends that are numbers."""
    colour, symbol, name = WAYS[way]
    values = scale.factor * np.array([[e.value, e.low, e.high] for e in estimates], np.float64)
    middle, low, high = values.T
    bars = {"type": "data", "symmetric": False, "array": _lengths(high - middle), "arrayminus": _lengths(middle - low)}
    fig.add_scatter(
        x=middle.astype(np.float32),
        y=(np.arange(len(labels)) + (-APART if way == "average" else APART)).astype(np.float32),
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2, "color": colour}},
        error_x=bars | {"thickness": 2 if way == "average" else 1.2, "width": 4, "color": colour},
        text=[_said(label, e, scale) for label, e in zip(labels, estimates, strict=True)],
        hovertemplate=f"%{{text}}<br>{name}<extra></extra>",
        name=name,
        showlegend=True,
    )
    return values[np.isfinite(values)].tolist()


def _better(fig: Draft, *, left: bool) -> None:
    """Says at the zero line, under the last row, which side is better."""
    fig.add_annotation(
        x=0,
        y=0,
        yref="paper",
        xanchor="right" if left else "left",
        yanchor="bottom",
        xshift=-4 if left else 4,
        text="← better" if left else "better →",
        showarrow=False,
        font={"size": 11, "color": "var(--mute)"},
    )


def _lengths(values: NDArray[np.floating]) -> list[float]:
    return [round(float(v), 6) for v in np.nan_to_num(values)]


def _said(label: str, e: Estimate, scale: Scale) -> str:
    name = f"<b>{label.replace('<br>', ' ')}</b>"
    if e.diverged:
        return f"{name}: diverged in {e.diverged} of {e.seeds} seeds"
    interval = f", 95 % interval {scale.between(e.low, e.high)}" if e.known else ""
    return f"{name}: {scale.signed(e.value)} {scale.unit}{interval}"


def _span(ends: Sequence[float]) -> list[float]:
    """From one round number to another, so that the axis holds still while its numbers move a little."""
    return [-_round_up(-min(ends)), _round_up(max(ends))]


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten above; a little room where it is not above 0."""
    if value <= 1e-6:
        return 0.02
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in STEPS if step * power >= 1.04 * value or step == 10)
