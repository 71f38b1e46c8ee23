"""Figures of what decay does to speed: steps to reach a loss, weights before batch norm and their equilibrium, schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.cells import position, ticks
from wdviz.figures.draft import Draft, Drawing
from wdviz.results import Arm, History, Spread

# Colour, dash, symbol.
YOURS, EXAMPLE = ("#0072B2", "solid", "circle"), ("#009E73", "dash", "diamond")
STYLES = {"constant": ("#D55E00", "dash", "square"), "cosine": ("#0072B2", "solid", "circle"), "warm-up": ("#009E73", "dot", "diamond")}
NEVER = 1.1  # height of "never", in units of the longest training
FLOOR = 1e-9  # least share of a weight that is drawn


class Schedule(Protocol):
    """`experiments.speed.Schedule`."""

    @property
    def name(self) -> str: ...
    @property
    def steps(self) -> NDArray[np.int32]: ...
    @property
    def rates(self) -> NDArray[np.float32]: ...
    @property
    def arm(self) -> Arm: ...


@Drawing
def reaching(
    decays: Sequence[float], series: Mapping[str, Sequence[Spread | None]], steps: Sequence[int], *, loss: str, decay: float
) -> Draft:
    """Median steps until a loss is reached against decay, with the range over seeds; "never" stands apart at the top.

    Arguments:
        series: name -> for each decay the steps, infinite where never; None where it is not trained. Two at most.
        steps: for each series how long it is trained.
        loss: what is reached, for the title: "a training loss of 0.2".
        decay: the chosen one, marked by a line.
    """
    fig, top = Draft(), max(steps)
    for (name, spreads), (colour, dash, symbol) in zip(series.items(), (YOURS, EXAMPLE), strict=False):
        known = [(i, s) for i, s in enumerate(spreads) if s is not None]
        x = np.array([i for i, _ in known], np.float32)
        median, low, high = (np.array([getattr(s, part) for _, s in known], float) for part in ("median", "low", "high"))
        y, low, high = (np.where(np.isfinite(v), v, NEVER * top) for v in (median, low, high))
        fig.add_scatter(
            x=x,
            y=y.astype(np.float32),
            error_y={
                "type": "data", "symmetric": False, "array": (high - y).astype(np.float32), "arrayminus": (y - low).astype(np.float32),
                "thickness": 1, "width": 2, "color": palette.tint(colour, 0.6),
            },
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"symbol": symbol, "size": 8, "color": colour},
            hovertext=[f"{name}, decay {decays[i]:g}: {_steps(s)}" for i, s in known],
            hovertemplate="%{hovertext}<extra></extra>",
            name=name,
        )  # fmt: skip
    at = position(decays, decay)
    fig.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": palette.GHOST, "width": 1, "dash": "dot"})
    fig.add_shape(type="line", x0=0, x1=1, xref="paper", y0=1.05 * top, y1=1.05 * top, line={"color": palette.GHOST, "width": 1})
    fig.update_xaxes(title="decay", range=[-0.4, len(decays) - 0.6], tickangle=0, zeroline=False, **ticks(decays))
    marks = _round_marks(top)
    fig.update_yaxes(
        title="steps", range=[0, 1.17 * top], tickvals=[*marks, NEVER * top], ticktext=[*(f"{m:g}" for m in marks), "never"], zeroline=False
    )
    return _finish(fig, f"Steps until {loss} is reached, by decay")


@Drawing
def balance(arms: Sequence[Arm], what: str, *, learning_rate: float, angle: float, norm: float) -> Draft:
    """The first layer's weights without and with decay over training, and dashed what is predicted of those with decay.

    Arguments:
        what: `norm`, `effective learning rate` or `angle per step`.
        angle, norm: the prediction: radians, and the norm of the weights. NaN draws none.
    """
    curves: dict[str, tuple[Callable[[History], NDArray[Any]], float, str]] = {
        "norm": (lambda h: h.norms[:, 0], norm, "norm of the weights"),
        "effective learning rate": (
            lambda h: learning_rate / np.maximum(h.norms[:, 0].astype(np.float64) ** 2, 1e-30), learning_rate / norm**2,
            "learning rate / norm²",
        ),
        "angle per step": (lambda h: h.angles[1:, 0], angle, "angle (radians)"),
    }  # fmt: skip
    curve, predicted, axis = curves[what]
    fig, values = Draft(), []
    for arm in arms:
        runs = np.array([curve(h) for h in arm.histories], float)
        runs = np.where(np.isfinite(runs) & (runs > 0), runs, np.nan)
        values.append(runs)
        steps, colour = arm.histories[0].steps[-runs.shape[1] :], palette.ARMS[arm.name]
        faint = {"color": palette.tint(colour, 0.3), "width": 1}
        if len(runs) > 1:
            x, y = np.tile(np.append(steps, -1.0), len(runs)), np.concatenate([np.append(run, np.nan) for run in runs])
            fig.add_scatter(
                x=x.astype(np.float32), y=y.astype(np.float32), mode="lines", line=faint, hoverinfo="skip", name=f"{arm.name}, seeds",
                showlegend=False,
            )  # fmt: skip
        fig.add_scatter(
            x=steps,
            y=np.median(runs, 0).astype(np.float32),
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": "solid" if arm.name == "with" else "dashdot"},
            name=palette.ARM_NAMES[arm.name],
            hovertemplate=f"{palette.ARM_NAMES[arm.name]}: {what} %{{y:.3g}}<br>step %{{x}}, median of {len(runs)}<extra></extra>",
        )
    last = int(arms[0].histories[0].steps[-1])
    if math.isfinite(predicted):
        fig.add_scatter(
            x=np.array([0, last], np.float32),
            y=np.full(2, predicted, np.float32),
            mode="lines",
            line={"color": palette.GHOST, "width": 2, "dash": "dash"},
            name="predicted with decay",
            hovertemplate=f"predicted: {predicted:.3g}<extra></extra>",
        )
    every = np.concatenate([v[np.isfinite(v)] for v in values] + ([np.array([predicted])] if math.isfinite(predicted) else []))
    span = [math.floor(math.log10(every.min())), math.ceil(math.log10(every.max()))] if every.size else [-1, 1]
    fig.update_yaxes(title=f"{axis} (log)", type="log", range=span, dtick=1, exponentformat="power")
    fig.update_xaxes(title="training step", range=[0, last], zeroline=False, nticks=5, tickangle=0)
    return _finish(fig, f"{what.capitalize()}, first layer, before batch norm")


@Drawing
def schedules(found: Sequence[Schedule], what: str) -> Draft:
    """Learning rate over training under each schedule, or (`what` = "decay alone") the share of a weight that decay alone leaves."""
    fig = Draft()
    for s in found:
        colour, dash, symbol = STYLES[s.name]
        alone = what == "decay alone"
        history = s.arm.histories[0]
        y = np.maximum(np.abs(history.shrink.astype(np.float64)), FLOOR / 10) if alone else s.rates
        x = history.steps if alone else s.steps
        said = "%{y:.2g} of a weight is left" if alone else "learning rate %{y:.4g}"
        fig.add_scatter(
            x=x,
            y=np.asarray(y, np.float32),
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"symbol": symbol, "size": 7, "color": colour, "maxdisplayed": 8},
            name=s.name,
            hovertemplate=f"{s.name}: {said}<br>step %{{x}}<extra></extra>",
        )
    last = int(found[0].steps[-1])
    fig.update_xaxes(title="training step", range=[0, last], zeroline=False, nticks=5, tickangle=0)
    if what == "decay alone":
        least = min(float(np.abs(s.arm.histories[0].shrink[-1])) for s in found)
        low = math.floor(math.log10(min(max(least, FLOOR), 0.05)))
        fig.update_yaxes(title="share of a weight left (log)", type="log", range=[low, 0.1], exponentformat="power")
        return _finish(fig, "What decay alone leaves of a weight, by schedule")
    peak = max(float(s.rates.max()) for s in found)
    fig.update_yaxes(title="learning rate", range=[0, 1.08 * peak], zeroline=False)
    return _finish(fig, "Learning rate over training, by schedule")


@Drawing
def ends(found: Sequence[Schedule], *, unit: str) -> Draft:
    """Validation loss at the end under each schedule: each seed, lines between its own three, and the median."""
    fig = Draft()
    runs = np.array([[h.loss("validation") for h in s.arm.histories] for s in found], float).T  # (seeds, schedules)
    x = np.arange(len(found))
    for of_seed in runs:
        fig.add_scatter(
            x=x,
            y=of_seed.astype(np.float32),
            mode="lines+markers",
            line={"color": palette.tint(palette.GHOST, 0.6), "width": 1},
            marker={"size": 5, "color": palette.GHOST},
            name="one seed",
            hovertemplate="one seed: %{y:.3f}<extra></extra>",
            showlegend=False,
        )
    for i, s in enumerate(found):
        colour, _, symbol = STYLES[s.name]
        fig.add_scatter(
            x=[i],
            y=[float(np.median(runs[:, i]))],
            mode="markers",
            marker={"symbol": symbol, "size": 13, "color": colour},
            name=f"{s.name}, median",
            hovertemplate=f"{s.name}: median %{{y:.3f}} of {len(runs)}<extra></extra>",
            showlegend=False,
        )
    finite = runs[np.isfinite(runs)]
    fig.update_xaxes(range=[-0.5, len(found) - 0.5], tickvals=x.tolist(), ticktext=[s.name for s in found], zeroline=False)
    fig.update_yaxes(title=f"validation loss ({unit})", range=[0, float(finite.max()) * 1.15 if finite.size else 1], zeroline=False)
    return _finish(fig, "Validation loss at the end, by schedule")


def _steps(spread: Spread) -> str:
    def words(value: float) -> str:
        return f"{value:.0f}" if math.isfinite(value) else "never"

    over = f" ({words(spread.low)} to {words(spread.high)}, {spread.seeds} seeds)" if spread.seeds > 1 else " (one seed)"
    return f"{words(spread.median)}{' steps' if math.isfinite(spread.median) else ' within the training'}{over}"


def _round_marks(top: int) -> list[float]:
    unit = 10.0 ** math.floor(math.log10(top))
    step = next(s for s in (unit / 5, unit / 2, unit, 2 * unit) if top / s <= 5)
    return [step * i for i in range(int(top / step) + 1)]


def _finish(fig: Draft, title: str) -> Draft:
    fig.update_layout(
        title=palette.title(title),
        margin={"l": 62, "r": 18, "t": 34, "b": 44},
        legend=palette.LEGEND,
    )
    return fig
