"""Curves over training: losses, scores, the minimised sum, weight norms; the median of the seeds over faint single runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.results import Arm, History

Curve = Callable[[History], NDArray[np.floating]]
Switch = tuple[int, str]  # a step, and what is said there beside a vertical line, such as "decay 0 from here"
LOSS_FLOOR = 1e-3


@Drawing
def losses(arms: Sequence[Arm], *, unit: str = "nats", switch: Switch | None = None) -> Draft:
    """Training and test data loss of each arm, without the penalty, on a logarithmic axis."""
    fig = Draft()
    ends = []
    for arm in arms:
        for split in ("train", "test"):
            end = _add_seeds(fig, arm, lambda h, s=split: np.maximum(h.losses[s], LOSS_FLOOR / 10), split, f"{split} loss")
            ends.append((f"{split}, {arm.name}", arm.name, math.log10(end) if end > 0 else math.nan))
    first = arms[0].histories[0]
    # The range follows the arm without decay, which stays as it is while decay moves, so that the axis holds still.
    low = max(LOSS_FLOOR, float(np.nanmin(first.losses["train"])) / 1.5)
    high = float(np.nanmax(np.r_[first.losses["test"], first.losses["train"]])) * 2
    span = (math.log10(min(low, 0.05)), math.log10(max(high, 1.0) if math.isfinite(high) else 10.0))
    label_ends(fig, ends, span)
    fig.update_yaxes(title=f"loss ({unit}, log)", type="log", range=span, dtick=1)
    return _over_training(fig, "Loss on training and on new data", arms, switch)


@Drawing
def scores(arms: Sequence[Arm], *, name: str, switch: Switch | None = None) -> Draft:
    """Accuracy (or R2) on training and test data of each arm."""
    fig = Draft()
    ends = []
    for arm in arms:
        for split in ("train", "test"):
            end = _add_seeds(fig, arm, lambda h, s=split: h.scores[s], split, f"{split} {name}")
            ends.append((f"{split}, {arm.name}", arm.name, end))
    span = (0.0, 1.03) if name == "accuracy" else (-0.5, 1.05)
    label_ends(fig, ends, span)
    fig.update_yaxes(title=name, range=span, tickformat=".0%" if name == "accuracy" else ".1f")
    return _over_training(fig, f"{name[0].upper()}{name[1:]} on training and on new data", arms, switch)


@Drawing
def minimised(arm: Arm, *, unit: str = "nats", switch: Switch | None = None) -> Draft:
    """Training data loss and, stacked on it, the penalty decay / 2 x ||w||^2, of the first seed."""
    history = arm.histories[0]
    fig = Draft()
    colour = palette.ARMS[arm.name]
    parts = (
        ("data loss", history.losses["train"], palette.tint(colour, 0.75), ""),
        ("penalty", history.penalty, palette.tint(colour, 0.25), "/"),
    )
    for name, y, fill, pattern in parts:
        fig.add_scatter(
            x=history.steps,
            y=np.asarray(y, np.float32),
            stackgroup="loss",
            mode="lines",
            line={"color": colour, "width": 1.5},
            fillcolor=fill,
            fillpattern={"shape": pattern, "fgcolor": colour, "bgcolor": fill} if pattern else None,
            name=name,
            hovertemplate=f"{name} %{{y:.3f}} at step %{{x}}<extra></extra>",
        )
    total = history.losses["train"].astype(np.float64) + history.penalty
    finite = total[np.isfinite(total)]
    fig.update_yaxes(title=f"loss ({unit})", range=[0, float(finite.max()) * 1.1 if finite.size else 1])
    return _over_training(fig, "Data loss and penalty, with decay, first seed", [arm], switch, legend=True)


@Drawing
def step_losses(arms: Sequence[Arm], *, unit: str = "nats", switch: Switch | None = None) -> Draft:
    """The loss of each step's batch as it was minimised, without the penalty, of the first seed."""
    fig = Draft()
    for arm in arms:
        y = np.maximum(arm.histories[0].step_losses, LOSS_FLOOR / 10).astype(np.float32)
        fig.add_scatter(
            x0=1,
            dx=1,
            y=y,
            mode="lines",
            line={"color": palette.ARMS[arm.name], "width": 1.5, "dash": "solid" if arm.name == "with" else "dot"},
            name=palette.ARM_NAMES[arm.name],
            hovertemplate="step %{x}: %{y:.3f}<extra></extra>",
            meta={"follow": arm.name},
        )
    fig.update_yaxes(title=f"batch loss ({unit}, log)", type="log", dtick=1)
    return _over_training(fig, "Training loss of each step, first seed", arms, switch, legend=True)


@Drawing
def norms(arms: Sequence[Arm], layer: int, *, pure_shrink: bool, switch: Switch | None = None) -> Draft:
    """Norm of one layer's weights in each arm and, dotted, what decay alone would leave of the start.

    Arguments:
        layer: its place, 0 for the first.
        pure_shrink: whether decay alone takes a fixed share a step (see `settings.shrink_per_step`), so that the curve exists.
    """
    fig = Draft()
    ends = [(arm.name, arm.name, _add_seeds(fig, arm, lambda h: h.norms[:, layer], "train", "norm")) for arm in arms]
    history = arms[-1].histories[0]
    if pure_shrink and (history.shrink != 1).any():
        fig.add_scatter(
            x=history.steps,
            y=np.minimum(np.abs(history.shrink.astype(np.float64) * history.norms[0, layer]), np.finfo(np.float32).max).astype(np.float32),
            mode="lines",
            line={"color": palette.ARMS["with"], "width": 1.5, "dash": "dot"},
            name="decay alone",
            hovertemplate="decay alone would leave %{y:.2f} at step %{x}<extra></extra>",
        )
    reference = arms[0].histories[0].norms[:, layer]
    reference = reference[np.isfinite(reference)]
    top = float(reference.max()) * 1.2 or 1.0 if reference.size else 1.0
    label_ends(fig, ends, (0.0, top))
    fig.update_yaxes(title="norm of the weights", range=[0, top])
    return _over_training(fig, "Norm of a layer's weights", arms, switch, nticks=4)


def _add_seeds(fig: Draft, arm: Arm, curve: Curve, split: str, what: str) -> float:
    """Draw each seed faintly and the median boldly; returns the median's last finite value (NaN if none)."""
    colour, dash = palette.ARMS[arm.name], palette.DASHES[split]
    runs = [np.asarray(curve(h), np.float32) for h in arm.histories]
    steps = max((h.steps for h in arm.histories), key=len)
    if len(runs) > 1:
        # One trace for all seeds, with gaps between them: fewer objects to draw.
        x = np.concatenate([np.r_[h.steps, np.nan] for h in arm.histories]).astype(np.float32)
        y = np.concatenate([np.r_[r, np.nan] for r in runs]).astype(np.float32)
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": palette.tint(colour, 0.28), "width": 1, "dash": dash},
            hoverinfo="skip",
            name=f"{arm.name}, seeds",
        )
    padded = np.array([np.r_[r, np.full(len(steps) - len(r), np.nan)] for r in runs])
    count = np.isfinite(padded).sum(0)
    middle = np.median(np.nan_to_num(padded, posinf=0, neginf=0), axis=0)
    median = np.where(count == len(runs), middle, np.nan).astype(np.float32)
    of = f"median of {len(runs)} seeds" if len(runs) > 1 else "one seed"
    fig.add_scatter(
        x=steps,
        y=median,
        mode="lines",
        line={"color": colour, "width": 2.5, "dash": dash},
        name=f"{what}, {palette.ARM_NAMES[arm.name]}",
        hovertemplate=f"{what}, {palette.ARM_NAMES[arm.name]}: %{{y:.3f}}<br>step %{{x}}, {of}<extra></extra>",
        meta={"follow": arm.name},  # the stage moves a point along this line while the training is played
    )
    finite = median[np.isfinite(median)]
    return float(finite[-1]) if finite.size else math.nan


def label_ends(fig: Draft, ends: list[tuple[str, str, float]], span: tuple[float, float]) -> None:
    """Name the lines beside their last points, in the margin, moved apart where they would overlap."""
    low, high = span
    placed = sorted((min(max((y - low) / (high - low), 0), 1), text, arm) for text, arm, y in ends if math.isfinite(y))
    room = 0.085
    positions: list[float] = []
    for at, _, _ in placed:
        positions.append(max(at, positions[-1] + room) if positions else at)
    count = len(positions)
    positions = [min(at, 1 - room * (count - 1 - i)) for i, at in enumerate(positions)]  # down again from the top, those in the way only
    for position, (_, text, arm) in zip(positions, placed, strict=True):
        fig.add_annotation(
            x=1,
            xref="paper",
            y=position,
            yref="paper",
            text=text,
            name=arm,  # the stage picks the arm's text colour for the theme by this name
            xanchor="left",
            yanchor="middle",
            xshift=5,
            showarrow=False,
            font={"color": palette.ARMS[arm], "size": 12},
        )


def _mark(fig: Draft, step: int, text: str, *, left: bool) -> None:
    """A vertical line at a step, with words at its top on the side where there is more room."""
    fig.add_shape(
        type="line", x0=step, x1=step, y0=0, y1=1, yref="paper", line={"color": palette.GHOST, "width": 1, "dash": "dot"}, layer="below"
    )
    fig.add_annotation(
        x=step,
        y=1,
        yref="paper",
        text=text,
        name="switch",
        xanchor="left" if left else "right",
        yanchor="top",
        xshift=4 if left else -4,
        showarrow=False,
        font={"color": palette.GHOST, "size": 11},
    )


def _over_training(fig: Draft, title: str, arms: Sequence[Arm], switch: Switch | None, *, legend: bool = False, nticks: int = 5) -> Draft:
    last = max(int(h.steps[-1]) for arm in arms for h in arm.histories)
    longest = max((len(a["text"]) for a in fig.layout["annotations"]), default=0)
    if switch is not None and switch[0] <= last:
        _mark(fig, *switch, left=2 * switch[0] <= last)
    fig.update_xaxes(title="training step", range=[0, last], zeroline=False, nticks=nticks, tickangle=0)
    fig.update_layout(
        title=palette.title(title),
        showlegend=legend,
        margin={"l": 56, "r": 14 + 7 * longest, "t": 12, "b": 44},
        legend=palette.LEGEND,
    )
    return fig
