"""The inside of one network, without and with decay: sizes, recurrent matrices and their memory, filters, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.curves import label_ends
from wdviz.figures.draft import Draft, Drawing
from wdviz.internals import Internals

Floats = NDArray[np.floating]
Pair = tuple[Internals, Internals]  # without and with decay

FLOOR = 1e-4  # influences below are drawn here
_ARMS = tuple(palette.ARMS)  # "without", "with"
_SYMBOLS = {"without": "diamond", "with": "circle"}
_DASHES = {"without": "dash", "with": "solid"}


@Drawing
def growth(pair: Pair, names: Sequence[str], share: float) -> Draft:
    """Norm of each component's weights after a share of the training, as a multiple of that at the start; `names` as they are written."""
    fig = Draft()
    for arm, found in zip(_ARMS, pair, strict=True):
        k = found.at(share)
        values = np.maximum(found.growth(k), FLOOR)
        fig.add_scatter(
            x=values.astype(np.float32),
            y=np.arange(len(names), dtype=np.float32),
            mode="markers",
            marker={"color": palette.ARMS[arm], "symbol": _SYMBOLS[arm], "size": 11, "line": {"color": palette.PALE, "width": 1}},
            name=palette.ARM_NAMES[arm],
            text=list(names),
            customdata=found.history.norms[k],
            hovertemplate=f"%{{text}}, {palette.ARM_NAMES[arm]}: %{{x:.2f}} times its norm at the start, %{{customdata:.2f}} now"
            "<extra></extra>",
        )
    reached = np.concatenate([found.growth(k) for found in pair[:1] for k in range(len(found.history.steps))])
    reached = reached[np.isfinite(reached)]
    top = math.log10(max(float(reached.max(initial=1.0)), 2.0) * 1.25)
    fig.add_shape(type="line", x0=1, x1=1, y0=0, y1=1, yref="paper", line={"color": palette.GHOST, "width": 1.5}, layer="below")
    fig.update_xaxes(title="norm / norm at the start (log)", type="log", range=[-1.3, top])
    ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if t <= 10**top]
    fig.update_xaxes(tickvals=ticks, ticktext=[f"{t:g}" for t in ticks], zeroline=False)
    fig.update_yaxes(tickvals=list(range(len(names))), ticktext=list(names), range=[len(names) - 0.5, -0.5], automargin=True)
    fig.update_yaxes(zeroline=False)
    return _finish(fig, "Size of each component", left=8, legend=True)


@Drawing
def radius(pair: Pair, layer: int, share: float) -> Draft:
    """Spectral radius of one recurrent matrix over the training; above 1 a linear recurrence would grow without end."""
    series = [found.radius[:, layer] for found in pair]
    top = max(1.2, 1.1 * _largest(series[0]), 1.1 * float(series[0][0]))
    fig = _over_training(pair, series, "spectral radius", (0.0, top), share)
    line = {"color": palette.GHOST, "width": 1.5, "dash": "dot"}
    fig.add_shape(type="line", x0=0, x1=1, xref="paper", y0=1, y1=1, line=line, layer="below")
    return _finish(fig, "Spectral radius of the recurrent matrix", right=98)


@Drawing
def eigenvalues(pair: Pair, layer: int, share: float) -> Draft:
    """The eigenvalues of one recurrent matrix in the complex plane, with the circle of size 1."""
    fig = Draft()
    turn = np.linspace(0, 2 * np.pi, 121)
    circle = {"color": palette.GHOST, "width": 1.5, "dash": "dot"}
    fig.add_scatter(
        x=np.cos(turn).astype(np.float32),
        y=np.sin(turn).astype(np.float32),
        mode="lines",
        line=circle,
        hoverinfo="skip",
        name="size 1",
    )
    for arm, found in zip(_ARMS, pair, strict=True):
        values = found.eigenvalues[found.at(share), layer]
        values = values[np.isfinite(values)]
        fig.add_scatter(
            x=values.real,
            y=values.imag,
            mode="markers",
            marker={"color": palette.tint(palette.ARMS[arm], 0.85), "symbol": _SYMBOLS[arm], "size": 8},
            name=palette.ARM_NAMES[arm],
            customdata=np.abs(values),
            hovertemplate=f"{palette.ARM_NAMES[arm]}: eigenvalue of size %{{customdata:.2f}}<extra></extra>",
        )
    reached = np.abs(pair[0].eigenvalues[:, layer])
    top = 1.12 * max(_largest(reached), 1.0)
    fig.update_xaxes(title="real part", range=[-top, top], zeroline=False, nticks=6, constrain="domain")
    fig.update_yaxes(title="imaginary part", range=[-top, top], zeroline=False, nticks=6, scaleanchor="x", constrain="domain")
    return _finish(fig, "Eigenvalues of the recurrent matrix", legend=True)


@Drawing
def memory(pair: Pair, share: float) -> Draft:
    """How much a small change of the input so many steps before moves the last state, as measured on test inputs."""
    fig, ends = Draft(), []
    back = np.arange(pair[0].memory.shape[1], dtype=np.float32)
    for name, values, colour, dash in (
        ("at the start", pair[0].memory[0], palette.GHOST, "dot"),
        *(
            (palette.ARM_NAMES[arm], found.memory[found.at(share)], palette.ARMS[arm], _DASHES[arm])
            for arm, found in zip(_ARMS, pair, strict=True)
        ),
    ):
        drawn = np.where(np.isfinite(values), np.maximum(values, FLOOR), np.nan).astype(np.float32)
        fig.add_scatter(
            x=back,
            y=drawn,
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 6, "symbol": "circle" if dash == "solid" else "diamond"},
            name=name,
            hovertemplate=f"{name}: the input %{{x}} steps before moves the last state by %{{y:.3g}} times its own change<extra></extra>",
        )
        ends.append((name, float(drawn[-1])))
    reached = pair[0].memory[np.isfinite(pair[0].memory)]
    low, high = (float(reached.min(initial=1)), float(reached.max(initial=1))) if reached.size else (0.1, 1.0)
    span = (math.log10(max(low / 5, FLOOR)), math.log10(high * 1.5))
    placed = [(n, {"without decay": "without", "with decay": "with"}.get(n, ""), math.log10(v)) for n, v in ends if math.isfinite(v)]
    label_ends(fig, [p for p in placed if p[1]], span)
    fig.update_yaxes(title="influence on the last state (log)", type="log", range=span, dtick=1)
    fig.update_xaxes(title="steps before the end", range=[-0.3, len(back) - 0.7], zeroline=False, nticks=8)
    return _finish(fig, "What the last state remembers of each input", right=98)


@Drawing
def unit_norms(pair: Pair, layer: str, share: float) -> Draft:
    """Norms of the weights into each unit, or filter, of a layer, from the largest down; dotted: at the start."""
    fig = Draft()
    start = _sorted_norms(pair[0].history.start[layer]["weight"])
    found = [
        (palette.ARM_NAMES[arm], _sorted_norms(look.params(look.at(share))[layer]["weight"]), arm)
        for arm, look in zip(_ARMS, pair, strict=True)
    ]
    for name, norms, arm in (("at the start", start, ""), *found):
        fig.add_scatter(
            x=np.arange(1, len(norms) + 1, dtype=np.float32),
            y=norms,
            mode="lines+markers",
            line={"color": palette.ARMS.get(arm, palette.GHOST), "width": 2.5, "dash": _DASHES.get(arm, "dot")},
            marker={"size": 6, "symbol": _SYMBOLS.get(arm, "circle")},
            name=name,
            hovertemplate=f"{name}: norm %{{y:.2f}}, number %{{x}} by size<extra></extra>",
        )
    film = pair[0].history.film_params
    assert film is not None
    top = 1.1 * max(_largest(np.linalg.norm(film[layer]["weight"], axis=1)), 0.1)
    fig.update_xaxes(title="by size", zeroline=False, nticks=8)
    fig.update_yaxes(title="norm", range=[0, top], zeroline=False)
    return _finish(fig, "Norm of each unit's weights", legend=True)


def _sorted_norms(weight: Floats) -> NDArray[np.float32]:
    return -np.sort(-np.linalg.norm(weight, axis=0)).astype(np.float32)


@Drawing
def entropy(pair: Pair, block: int, share: float) -> Draft:
    """Mean entropy of the attention over the training: a thin line a head, their mean bold; dotted: evenly over all tokens."""
    most = math.log(pair[0].maps.shape[-1])
    series = [found.entropy[:, block].mean(1) for found in pair]
    fig = _over_training(pair, series, "entropy", (0.0, most * 1.06), share)
    for arm, found in zip(_ARMS, pair, strict=True):
        heads = found.entropy[:, block].T
        fig.add_scatter(
            x=np.concatenate([np.r_[found.history.steps, np.nan] for _ in heads]).astype(np.float32),
            y=np.concatenate([np.r_[row, np.nan] for row in heads]).astype(np.float32),
            mode="lines",
            line={"color": palette.tint(palette.ARMS[arm], 0.4), "width": 1, "dash": _DASHES[arm]},
            hoverinfo="skip",
            name=f"{arm}, heads",
        )
    line = {"color": palette.GHOST, "width": 1.5, "dash": "dot"}
    fig.add_shape(type="line", x0=0, x1=1, xref="paper", y0=most, y1=most, line=line, layer="below")
    fig.update_yaxes(title="entropy of the attention (nats)")
    return _finish(fig, "Entropy of the attention", right=98)


# --- parts ------------------------------------------------------------------------------------------------------------------------


def _over_training(pair: Pair, series: Sequence[Floats], what: str, span: tuple[float, float], share: float) -> Draft:
    """A number of both arms over the training; a vertical line where the other pictures stand, unless that is the end."""
    fig, ends = Draft(), []
    for arm, found, values in zip(_ARMS, pair, series, strict=True):
        fig.add_scatter(
            x=found.history.steps,
            y=np.where(np.isfinite(values), values, np.nan).astype(np.float32),
            mode="lines",
            line={"color": palette.ARMS[arm], "width": 2.8, "dash": _DASHES[arm]},
            name=palette.ARM_NAMES[arm],
            hovertemplate=f"{palette.ARM_NAMES[arm]}: {what} %{{y:.2f}} at step %{{x}}<extra></extra>",
        )
        ends.append((palette.ARM_NAMES[arm], arm, float(values[-1])))
    label_ends(fig, ends, span)
    last = int(pair[0].history.steps[-1])
    now = int(pair[0].history.steps[pair[0].at(share)])
    if now < last:
        line = {"color": "var(--ink)", "width": 1, "dash": "dot"}
        fig.add_shape(type="line", x0=now, x1=now, y0=0, y1=1, yref="paper", line=line, layer="below")
    fig.update_xaxes(title="training step", range=[0, last], zeroline=False, nticks=5, tickangle=0)
    fig.update_yaxes(title=what, range=list(span), zeroline=False)
    return fig


def _largest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 1.0


def _finish(fig: Draft, title: str, *, left: int = 58, right: int = 14, legend: bool = False) -> Draft:
    fig.update_layout(
        title=palette.title(title),
        showlegend=legend,
        margin={"l": left, "r": right, "t": 32 if legend else 12, "b": 46},
        legend=palette.LEGEND,
    )
    return fig
