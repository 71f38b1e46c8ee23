"""How strongly an answer reacts: the Jacobian's norm over the plane, and what it takes to change the answer to one image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wdviz.datasets import Plane, Split
from wdviz.figures import palette
from wdviz.figures.decision import add_points
from wdviz.figures.draft import Draft, Drawing
from wdviz.measured import Flipped, Probed, Probes

# Green, so that it collides neither with the arms' colours nor with the first classes'.
RAMP = ("#f4f9f6", "#cfe8dc", "#93cdb3", "#4da989", "#14785f", "#06483a", "#032a22")
SATURATED = 0.98  # share of the plane that the colours tell apart
SIDE, GAP = 8, 1.6  # pixels of an image's side, and between two images


def top(reference: Probed) -> float:
    """Where the scale of reactions ends: it follows the arm without decay, so that it holds still while decay moves."""
    finite = reference.map[np.isfinite(reference.map)]
    return float(np.quantile(finite, SATURATED)) or 1.0 if finite.size else 1.0


@Drawing
def plane_map(arm: Probes, reference: Probed, split: Split, plane: Plane) -> Draft:
    """Jacobian norm over the plane of the arm's first seed, the line where its answer changes, and the training points.

    Arguments:
        reference: the first seed without decay, which sets the colours.
    """
    fig, x, y, probed = Draft(), plane.x, plane.y, arm.probed[0]
    where = {"x0": float(x[0]), "dx": float(x[1] - x[0]), "y0": float(y[0]), "dy": float(y[1] - y[0])}
    size = (len(y), len(x))
    fig.add_heatmap(
        z=np.nan_to_num(probed.map.reshape(size), posinf=0).astype(np.float32),
        **where,
        zmin=0,
        zmax=top(reference),
        colorscale=[[i / (len(RAMP) - 1), colour] for i, colour in enumerate(RAMP)],
        colorbar=palette.colour_bar("Jacobian norm", nticks=5),
        hovertemplate="a small change here moves the outputs by up to %{z:.2f} times its length<extra></extra>",
        name="reaction",
    )
    if split.classes and not arm.diverged:
        _add_boundaries(fig, probed.answers.reshape(*size, -1), where)
    add_points(fig, split, plane, "train")
    many: dict[str, object] = {"entrywidth": 42, "entrywidthmode": "pixels"} if len(split.classes) > 4 else {}
    fig.update_layout(
        title=palette.title(f"How strongly the answer reacts, {palette.ARM_NAMES[arm.name]}"),
        legend=palette.LEGEND | {"itemsizing": "constant"} | many,
        margin={"l": 52, "r": 8, "t": 34, "b": 44},
    )
    fig.update_xaxes(title=plane.labels[0], range=[float(x[0]), float(x[-1])], zeroline=False, showgrid=False)
    fig.update_yaxes(title=plane.labels[1], range=[float(y[0]), float(y[-1])], zeroline=False, showgrid=False)
    return fig


def _add_boundaries(fig: Draft, answers: np.ndarray, where: dict[str, float]) -> None:
    """The lines on which one class overtakes all others; two classes share one line."""
    classes = answers.shape[-1]
    for i in range(1 if classes == 2 else 0, classes):
        lead = answers[..., i] - np.delete(answers, i, -1).max(-1)
        for colour, width in ((palette.PALE, 4.5), (palette.INK, 1.8)):  # visible on pale and on saturated green
            fig.add_contour(
                z=lead.astype(np.float32),
                **where,
                contours={"coloring": "none", "start": 0, "end": 0, "size": 1},
                line={"color": colour, "width": width, "smoothing": 0},
                showscale=False,
                showlegend=False,
                hoverinfo="skip",
                name="the answer changes",
            )


@Drawing
def slope(arm: Probes, reference: Probed, plane: Plane) -> Draft:
    """For a single input: the size of the slope of the arm's first seed along it, and where the training points lie."""
    fig, finite = Draft(), np.nan_to_num(arm.probed[0].map, posinf=0)
    high = top(reference) * 1.1
    fig.add_scatter(
        x=plane.x,
        y=finite.astype(np.float32),
        mode="lines",
        line={"color": palette.ARMS[arm.name], "width": 2.5},
        name="slope",
        hovertemplate="at %{x:.2f} a small change moves the answer by %{y:.2f} times its length<extra></extra>",
    )
    fig.add_scatter(
        x=plane.points[:, 0],
        y=np.full(len(plane.points), high * 0.02, np.float32),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 10, "color": palette.GHOST, "line": {"width": 2}},
        name="training points",
        hovertemplate="training point at %{x:.2f}<extra></extra>",
    )
    fig.update_xaxes(title=plane.labels[0], range=[float(plane.x[0]), float(plane.x[-1])], zeroline=False)
    fig.update_yaxes(title="size of the slope", range=[0, high], zeroline=False)
    fig.update_layout(
        title=palette.title(f"How strongly the answer reacts, {palette.ARM_NAMES[arm.name]}"),
        showlegend=False,
        margin={"l": 52, "r": 12, "t": 12, "b": 44},
    )
    return fig


@Drawing
def images(flipped: Flipped, name: str, classes: Sequence[str]) -> Draft:
    """Four images: the test image, with noise, the smallest change that flips the answer, and the image with it.

    Arguments:
        name: "without" or "with".
    """
    fig, found = Draft(), math.isfinite(flipped.distance)
    answer = (
        f"<b>{classes[flipped.answer]}</b> ({100 * flipped.probabilities.max():.0f} %)"
        if np.isfinite(flipped.probabilities).all()
        else "nothing"
    )
    after = f"then it answers <b>{classes[int(np.argmax(flipped.after))]}</b>" if found else "no other answer found"
    _add_image(fig, 0, 1, flipped.clean, f"test image of a {classes[flipped.label]}")
    _add_image(fig, 1, 1, flipped.x, f"with noise: {answer}")
    change = np.nan_to_num(flipped.change)
    _add_image(fig, 0, 0, change, f"change, length <b>{flipped.distance:.2f}</b>" if found else "no change", signed=True)
    _add_image(fig, 1, 0, flipped.x + change, after)
    end = 2 * SIDE + GAP
    hidden = {"visible": False, "fixedrange": True}
    fig.update_xaxes(range=[-0.6, end + 0.6], constrain="domain", title="pixels", **hidden)
    fig.update_yaxes(range=[-0.4, end + GAP], scaleanchor="x", title="pixels", **hidden)
    fig.update_layout(
        title=palette.title(f"The smallest change that flips the answer, {palette.ARM_NAMES[name]}"),
        showlegend=False,
        margin={"l": 6, "r": 6, "t": 6, "b": 6},
    )
    return fig


def _add_image(fig: Draft, column: int, row: int, pixels: np.ndarray, words: str, *, signed: bool = False) -> None:
    """One image with words above it; a signed one is brown where pixels go down and teal where they go up, magnified to its largest."""
    x, y = column * (SIDE + GAP), row * (SIDE + GAP)
    largest = float(np.abs(pixels).max()) or 1.0
    signed_ramp = [[0, "#8c510a"], [0.5, palette.PALE], [1, "#01665e"]]
    fig.add_heatmap(
        z=pixels.reshape(SIDE, SIDE)[::-1].astype(np.float32),
        x0=x + 0.5,
        dx=1,
        y0=y + 0.5,
        dy=1,
        zmin=-largest if signed else 0,
        zmax=largest if signed else 1,
        colorscale=signed_ramp if signed else [[0, palette.PALE], [1, palette.INK]],
        showscale=False,
        hovertemplate="%{z:.3f}<extra></extra>",
        name=words.replace("<b>", "").replace("</b>", ""),
    )
    outline = {"color": palette.GHOST, "width": 1}
    fig.add_shape(type="rect", x0=x, x1=x + SIDE, y0=y, y1=y + SIDE, line=outline)
    fig.add_annotation(
        x=x + SIDE / 2,
        y=y + SIDE,
        text=words,
        xanchor="center",
        yanchor="bottom",
        yshift=1,
        showarrow=False,
        font={"size": 12, "color": "var(--ink)"},
    )


@Drawing
def probabilities(pair: tuple[Flipped, Flipped], classes: Sequence[str]) -> Draft:
    """What each arm makes of the noisy image: the probability of each class."""
    fig = Draft()
    for name, flipped in zip(("without", "with"), pair, strict=True):
        colour = palette.ARMS[name]
        pattern = {"shape": "/" if name == "without" else "", "fgcolor": palette.PALE, "bgcolor": colour, "solidity": 0.25}
        fig.add_bar(
            x=list(range(len(classes))),
            y=np.nan_to_num(flipped.probabilities).astype(np.float32),
            marker={"color": colour, "pattern": pattern},
            name=palette.ARM_NAMES[name],
            customdata=list(classes),
            hovertemplate=f"{palette.ARM_NAMES[name]}: %{{y:.1%}} for %{{customdata}}<extra></extra>",
        )
    label = pair[0].label
    ticks = [f"<b>{c}</b>" if i == label else c for i, c in enumerate(classes)]
    fig.update_xaxes(title=f"class (the image is a {classes[label]})", tickvals=list(range(len(classes))), ticktext=ticks)
    fig.update_yaxes(title="probability", range=[0, 1], tickformat=".0%")
    fig.update_layout(
        title=palette.title("What both networks make of the noisy image"),
        barmode="group",
        bargap=0.25,
        showlegend=True,
        legend=palette.LEGEND,
        margin={"l": 56, "r": 12, "t": 30, "b": 46},
    )
    return fig
