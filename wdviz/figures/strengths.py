"""Decay's strength against another regulariser's as a heat map, with the best decay beside each strength."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.cells import add_frame, position
from wdviz.figures.draft import Draft, Drawing

SCALE = "Viridis"  # evenly lighter, also for colour-blind readers; dark is a low loss
CAP = 2.5  # times the lowest loss: those above have one colour, so that the others can be told apart
NAMED = {
    "dropout": "dropout rate",
    "shift": "largest shift (pixels or steps)",
    "rotation": "largest rotation (degrees)",
    "noise of augmentation": "noise of augmentation (standard deviation)",
    "label smoothing": "label smoothing (share)",
    "input noise": "input noise (standard deviation)",
    "mixup": "mixup (parameter of its Beta distribution)",
    "l1": "L1 strength",
}

Floats = NDArray[np.floating]


@Drawing
def strengths(
    values: Floats,
    counts: NDArray[np.integer],
    decays: Sequence[float],
    amounts: Sequence[float],
    best: Sequence[int | None],
    *,
    rival: str,
    setting: str,
    what: str,
    unit: str,
    at: tuple[float, float] | None = None,
) -> Draft:
    """A cell for each strength and decay; a click on one takes it. The line joins the best decay of each column.

    Arguments:
        values: (D, J) medians over the seeds; not a number where nothing is trained yet, or something diverged.
        counts: (D, J) seeds trained.
        best: (J,) the decay that validation data choose.
        setting: the rival's field, which a click sets.
        what: "test loss", "validation loss", "test accuracy" or "test R2".
        at: the visitor's own (decay, strength), marked by a frame.
    """
    fig = Draft()
    ends = _ends(values, "loss" in what)
    fig.add_heatmap(
        z=values.astype(np.float32),
        zmin=ends[0],
        zmax=ends[1],
        colorscale=SCALE,
        reversescale="loss" not in what,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertext=[
            [
                _hover(float(values[i, j]), int(counts[i, j]), f"decay {decay:g}, {rival} {amount:g}", what, unit)
                for j, amount in enumerate(amounts)
            ]
            for i, decay in enumerate(decays)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        colorbar=_bar(ends, bool((values > ends[1]).any()), unit),
        name=what,
    )
    _diverged(fig, values, counts)
    _best(fig, best, decays, amounts)
    if at is not None:
        add_frame(fig, position(amounts, at[1]), position(decays, at[0]))
    for update, title, ticks in ((fig.update_xaxes, NAMED[rival], amounts), (fig.update_yaxes, "weight decay", decays)):
        update(title=title, tickvals=list(range(len(ticks))), ticktext=[f"{v:g}" for v in ticks])
        update(range=[-0.5, len(ticks) - 0.5], showgrid=False, zeroline=False, ticks="", tickangle=0)
    put = {"x": {"name": setting, "values": [f"{a:g}" for a in amounts]}, "y": {"name": "decay", "values": [f"{d:g}" for d in decays]}}
    fig.update_layout(
        title=palette.title(f"{what.capitalize()}: decay against {rival}"),
        showlegend=False,
        margin={"l": 58, "r": 4, "t": 12, "b": 46},
        meta={"put": put},
    )
    return fig


def _ends(values: Floats, loss: bool) -> tuple[float, float]:
    """Of the colours: from the lowest value to the highest, or of a loss to `CAP` times the lowest."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return low, max(min(high, CAP * low) if loss else high, low + 0.01)


def _hover(value: float, seeds: int, here: str, what: str, unit: str) -> str:
    if not seeds:
        return f"{here}: not trained yet"
    if not math.isfinite(value):
        return f"{here}: diverged"
    number = f"{100 * value:.1f} %" if unit == "%" else f"{value:.2f} {unit}".strip()
    return f"{here}<br>{what} {number}, {f'median of {seeds} seeds' if seeds > 1 else 'one seed'}"


def _bar(ends: tuple[float, float], capped: bool, unit: str) -> dict[str, object]:
    ticks = np.linspace(*ends, 4)
    texts = [f"{100 * t:.0f}" if unit == "%" else f"{t:.2f}" for t in ticks]
    texts[-1] += "+" if capped else ""
    return palette.colour_bar(unit, tickvals=ticks.tolist(), ticktext=texts)


def _diverged(fig: Draft, values: Floats, counts: NDArray[np.integer]) -> None:
    rows, columns = np.nonzero((counts > 0) & ~np.isfinite(values))
    if len(rows):
        fig.add_scatter(
            x=columns.astype(np.float32),
            y=rows.astype(np.float32),
            mode="markers",
            marker={"symbol": "x-thin", "size": 9, "line": {"width": 1.5, "color": "var(--mute)"}},
            hovertemplate="diverged<extra></extra>",
            name="diverged",
        )


def _best(fig: Draft, best: Sequence[int | None], decays: Sequence[float], amounts: Sequence[float]) -> None:
    places = [(j, i) for j, i in enumerate(best) if i is not None]
    if not places:
        return
    fig.add_scatter(
        x=np.array([j for j, _ in places], np.float32),
        y=np.array([i for _, i in places], np.float32),
        mode="lines+markers",
        line={"color": "#ffffff", "width": 2},
        marker={"color": "#ffffff", "size": 10, "symbol": "star", "line": {"color": palette.INK, "width": 1}},
        text=[f"beside {amounts[j]:g}: decay {decays[i]:g}" for j, i in places],
        hovertemplate="best by validation loss %{text}<extra></extra>",
        name="best decay",
    )
