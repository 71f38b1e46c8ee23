"""How the weights of a layer are spread: both arms on shared bins, the start as a ghost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.results import Arm

BINS = 61  # odd, so that zero has a bin of its own


@Drawing
def histogram(arms: Sequence[Arm], layer: str) -> Draft:
    """Weights of one layer after training, first seed, and at the start; arms whose weights are not finite are left out."""
    start, after, edges = _start(arms, layer), _after(arms, layer), bin_edges(arms, layer)
    top = float(edges[-1])
    centres = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    at_start = count(start, edges)
    fig = Draft()
    for name, w in after.items():
        colour = palette.ARMS[name]
        fig.add_bar(
            x=centres,
            y=count(w, edges),
            width=float(edges[1] - edges[0]),
            marker={
                "color": palette.tint(colour, 0.6),
                "line": {"width": 0},
                "pattern": {"shape": "/" if name == "without" else "", "size": 4, "fgcolor": colour, "solidity": 0.25},
            },
            name=palette.ARM_NAMES[name],
            hovertemplate=f"{palette.ARM_NAMES[name]}: %{{y}} weights near %{{x:.2f}}<extra></extra>",
        )
    fig.add_scatter(
        x=centres,
        y=np.where(at_start > 0, at_start, np.nan).astype(np.float32),
        mode="lines",
        line={"shape": "hvh", "color": palette.GHOST, "width": 1.5},
        name="at the start",
        showlegend=False,  # the title says what it is, and so does the stage
        hovertemplate="at the start: %{y} weights near %{x:.2f}<extra></extra>",
    )
    fig.update_xaxes(title="weight", range=[-top, top], zeroline=False, nticks=6)
    fig.update_yaxes(title="number of weights", type="log", dtick=1, range=[np.log10(0.7), np.log10(max(len(start), 2) * 1.3)])
    fig.update_layout(
        title=palette.title(f"Weights of {layer}; grey outline: at the start"),
        barmode="overlay",
        bargap=0,
        margin={"l": 56, "r": 12, "t": 34, "b": 44},
        legend=palette.LEGEND,
    )
    return fig


def bin_edges(arms: Sequence[Arm], layer: str) -> NDArray[np.float64]:
    """(BINS + 1,) edges of the bins of one layer, around zero.

    They follow the arm without decay, first seed, which stays as it is while decay moves; what lies beyond counts in the end bins.
    """
    start = _start(arms, layer)
    reference = np.concatenate([start, _after(arms, layer).get("without", start)])
    top = float(np.abs(reference).max()) * 1.02 or 1.0
    return np.linspace(-top, top, BINS + 1)


def count(weights: NDArray[np.floating], edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """(..., BINS) numbers of (..., n) weights in each bin; a weight that is not finite counts nowhere."""
    bins = len(edges) - 1
    rows = weights.reshape(-1, weights.shape[-1])
    place = np.searchsorted(edges[1:-1], rows, side="right")
    place[~np.isfinite(rows)] = bins  # a place beside the bins
    place += np.arange(len(rows))[:, None] * (bins + 1)
    counts = np.bincount(place.ravel(), minlength=len(rows) * (bins + 1)).reshape(*weights.shape[:-1], bins + 1)
    return counts[..., :-1].astype(np.int32)


def _start(arms: Sequence[Arm], layer: str) -> NDArray[np.floating]:
    return arms[0].histories[0].start[layer]["weight"].ravel()


def _after(arms: Sequence[Arm], layer: str) -> dict[str, NDArray[np.floating]]:
    """The weights after training of each arm where they are finite."""
    after = {arm.name: arm.histories[0].params[layer]["weight"].ravel() for arm in arms}
    return {name: w for name, w in after.items() if np.isfinite(w).all()}
