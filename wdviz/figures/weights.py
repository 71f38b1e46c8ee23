"""How the weights of a layer are spread: both arms on shared bins, the start as a ghost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from wdviz.figures import palette
from wdviz.figures.draft import Draft
from wdviz.results import Arm

BINS = 61  # odd, so that zero has a bin of its own


def histogram(arms: Sequence[Arm], layer: str) -> go.Figure:
    """Weights of one layer after training, first seed, and at the start; arms whose weights are not finite are left out."""
    start = arms[0].histories[0].start[layer]["weight"].ravel()
    after = {arm.name: arm.histories[0].params[layer]["weight"].ravel() for arm in arms}
    after = {name: w for name, w in after.items() if np.isfinite(w).all()}
    # The bins follow the arm without decay, which stays as it is while decay moves; what lies beyond counts in the end bins.
    reference = np.concatenate([start, after.get("without", start)])
    top = float(np.abs(reference).max()) * 1.02 or 1.0
    edges = np.linspace(-top, top, BINS + 1)
    centres = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    fig = Draft()
    for name, w in after.items():
        colour = palette.ARMS[name]
        fig.add_bar(
            x=centres,
            y=_count(w, edges),
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
        y=np.where(_count(start, edges) > 0, _count(start, edges), np.nan).astype(np.float32),
        mode="lines",
        line={"shape": "hvh", "color": palette.GHOST, "width": 1.5},
        name="at the start",
        hovertemplate="at the start: %{y} weights near %{x:.2f}<extra></extra>",
    )
    fig.update_xaxes(title="weight", range=[-top, top], zeroline=False, nticks=6)
    fig.update_yaxes(title="number of weights", type="log", dtick=1, range=[np.log10(0.7), np.log10(max(len(start), 2) * 1.3)])
    fig.update_layout(
        title=palette.title(f"Weights of {layer}"),
        barmode="overlay",
        bargap=0,
        margin={"l": 56, "r": 12, "t": 34, "b": 44},
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
    )
    return fig.figure()


def _count(w: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(w, edges[0], edges[-1]), edges)[0].astype(np.int32)
