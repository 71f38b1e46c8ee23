"""What a network answers over the plane: a decision map with the training points, or the fitted curve of a one-input set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wdviz.datasets import Plane, Split
from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.results import Arm

CROWD = 120  # training points beyond which marks are drawn smaller
FULL_SCALE = 2.0  # standard deviations from the mean at which a map of predicted values is saturated
BOUND = 1e6  # predictions beyond count as this, so that their differences are finite


def levels(classes: int) -> int:
    """Steps of sureness for each class in a map of one byte a point."""
    return 256 // classes


def encode(predictions: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(..., points) of class x levels + level: the class that is chosen, and by how much over the next one (0 to levels - 1).

    Predictions are (..., points, classes) probabilities, or (..., points, 1) standardised values: then class 0 is below the mean,
    1 above it, and the margin is the distance in units of two standard deviations. Values that are not numbers count as 0.
    """
    p = np.clip(np.nan_to_num(np.asarray(predictions, np.float32)), -BOUND, BOUND)
    classes = max(p.shape[-1], 2)
    if p.shape[-1] == 1:
        chosen, margin = (p[..., 0] > 0).astype(np.uint8), np.abs(p[..., 0]) / FULL_SCALE
    else:
        # Class by class over all points at once: NumPy's argmax and sort take far longer along so short an axis.
        best, chosen = p[..., 0].copy(), np.zeros(p.shape[:-1], np.uint8)
        second = np.full_like(best, -BOUND)
        for i in range(1, classes):
            value = p[..., i]
            chosen[value > best] = i
            np.maximum(second, np.minimum(value, best), out=second)
            np.maximum(best, value, out=best)
        margin = best - second
    steps = levels(classes)
    return chosen * np.uint8(steps) + np.rint(np.minimum(margin, 1) * (steps - 1)).astype(np.uint8)


def encode_map(predictions: NDArray[np.floating], size: int) -> NDArray[np.uint8]:
    """`encode` of one map of (size * size, classes) predictions, as (size, size)."""
    return encode(predictions).reshape(size, size)


@Drawing
def decision(arm: Arm, split: Split, plane: Plane, *, test_points: bool = False) -> Draft:
    """What the arm's first seed answers, with its training points; flipped ones carry a ring."""
    fig = Draft()
    if split.inputs == 1:
        _add_curve(fig, arm, plane)
    else:
        _add_map(fig, arm, split, plane)
    if test_points:
        add_points(fig, split, plane, "test")
    add_points(fig, split, plane, "train")
    # Names as short as digits would otherwise stand in two wide columns.
    many: dict[str, object] = {"entrywidth": 42, "entrywidthmode": "pixels"} if len(split.classes) > 4 else {}
    fig.update_layout(
        title=palette.title(f"What the network answers, {palette.ARM_NAMES[arm.name]}"),
        legend=palette.LEGEND | {"itemsizing": "constant"} | many,
        margin={"l": 52, "r": 12, "t": 34, "b": 44},
    )
    x, y = plane.x, plane.y
    fig.update_xaxes(title=plane.labels[0], range=[float(x[0]), float(x[-1])], zeroline=False, showgrid=split.inputs == 1)
    fig.update_yaxes(title=plane.labels[1], range=[float(y[0]), float(y[-1])], zeroline=False, showgrid=split.inputs == 1)
    return fig


def _add_curve(fig: Draft, arm: Arm, plane: Plane) -> None:
    fig.add_scatter(
        x=plane.x,
        y=arm.histories[0].grid[:, 0].astype(np.float32),
        mode="lines",
        line={"color": palette.ARMS[arm.name], "width": 3},
        name="the network's answer",
        hovertemplate="input %{x:.2f}<br>the network answers %{y:.2f}<extra></extra>",
    )


def _add_map(fig: Draft, arm: Arm, split: Split, plane: Plane) -> None:
    x, y = plane.x, plane.y
    names = list(split.classes) or ["below the mean", "above the mean"]
    colours = palette.CLASS_COLOURS[: len(names)]
    steps = levels(len(names))
    top = len(names) * steps - 1
    ramp = [[(i * steps + at) / top, c] for i, colour in enumerate(colours) for at, c in ((0, palette.PALE), (steps - 1, colour))]
    fig.add_heatmap(
        z=encode_map(arm.histories[0].grid, len(x)),
        x0=float(x[0]),
        dx=float(x[1] - x[0]),
        y0=float(y[0]),
        dy=float(y[1] - y[0]),
        zmin=0,
        zmax=top,
        colorscale=ramp,
        showscale=False,
        hoverinfo="skip",
        meta={"kind": "decision", "colors": list(colours), "names": names, "levels": steps},
    )


def add_points(fig: Draft, split: Split, plane: Plane, which: str) -> None:
    """Training or test points (`which`), each class with its colour and mark; flipped labels carry a ring."""
    train = which == "train"
    points = plane.points if train else plane.test_points
    labels = split.y_train[: split.n_train] if train else split.y_test
    flipped = split.flipped[: split.n_train] if train else np.zeros(len(points), bool)
    classes = split.classes
    if not classes:
        # A value has no class: on a map the side of the mean picks the mark, on a curve all points look alike.
        labels = np.zeros(len(points), int) if split.inputs == 1 else (labels > 0).astype(int)
        classes = ("training point",) if split.inputs == 1 else ("below the mean", "above the mean")
    size = 9 if len(points) <= CROWD else 7
    for i, name in enumerate(classes):
        mine = labels == i
        marker = {
            "color": palette.CLASS_COLOURS[i],
            "symbol": palette.CLASS_SYMBOLS[i],
            "size": size,
            "line": {"color": palette.PALE, "width": 1.5},
        }
        if not train:
            marker |= {"size": 5, "opacity": 0.75, "line": {"color": palette.PALE, "width": 0.5}}
        fig.add_scatter(
            x=points[mine, 0],
            y=points[mine, 1],
            mode="markers",
            marker=marker,
            name=name if train else f"{name}, test",
            showlegend=train,
            hovertemplate=f"{'training' if train else 'test'} point, labelled {name}<br>%{{x:.2f}}, %{{y:.2f}}<extra></extra>",
        )
    if flipped.any():
        # Two rings, light and dark: visible on the pale and on the saturated side.
        name = "flipped label" if len(classes) <= 4 else "flipped"
        for colour, width in ((palette.PALE, 4.5), (palette.INK, 2)):
            fig.add_scatter(
                x=points[flipped, 0],
                y=points[flipped, 1],
                mode="markers",
                marker={"symbol": "circle-open", "size": size + 8, "color": colour, "line": {"color": colour, "width": width}},
                name=name,
                showlegend=False,
                hoverinfo="skip",
            )
        # In the legend a ring that is visible on a light and on a dark page.
        ring = {"symbol": "circle-open", "size": size + 4, "color": palette.GHOST, "line": {"color": palette.GHOST, "width": 2}}
        fig.add_scatter(x=[None], y=[None], mode="markers", marker=ring, name=name, hoverinfo="skip")
