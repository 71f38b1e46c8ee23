"""Families of networks over the decays: test loss and accuracy, the best decay of each seed, its gain, and single parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.figures.tuning import log_axis
from wdviz.results import Spread

Floats = NDArray[np.floating]

# Colour, marker, dash of each family (Okabe & Ito 2008): none of them is an arm's.
STYLES = {
    "feedforward": ("#E69F00", "circle", "solid"),
    "convolutional": ("#009E73", "square", "dash"),
    "recurrent": ("#CC79A7", "diamond", "dot"),
    "attention": ("#56B4E9", "triangle-up", "dashdot"),
}
ONLY, SPARED = ("#0072B2", "circle", "only this decays"), ("#D55E00", "diamond-open", "all but this decays")
APART = 0.07  # by which families stand beside each other at one decay


@dataclass(frozen=True, eq=False)
class Curve:
    """One family: (S, D) test losses or scores, and for each seed the place of the decay that validation data pick."""

    family: str
    values: Floats
    picks: tuple[int | None, ...]


@Drawing
def against_decay(curves: Sequence[Curve], decays: Sequence[float], what: str, *, unit: str, yours: float) -> Draft:
    """Median and range over the seeds for each family and decay; the best decay is ringed, with the range of the seeds' picks.

    Arguments:
        what: "loss", "accuracy" or "R2".
        yours: where the visitor's decay lies on the axis.
    """
    fig = Draft()
    for k, curve in enumerate(curves):
        _add_family(fig, curve, decays, what, (k - (len(curves) - 1) / 2) * APART)
    _add_yours(fig, yours, len(decays))
    _decay_axis(fig, decays)
    finite = np.concatenate([c.values[np.isfinite(c.values)] for c in curves]) if curves else np.zeros(0)
    if what == "loss":
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.5, 2.0)
        log_axis(fig, f"test loss ({unit}, log)", max(low, 1e-3) / 1.1, max(high, 2e-3) * 1.1)
    else:
        share = what == "accuracy"
        least = float(finite.min()) if finite.size else 0.0
        fig.update_yaxes(title=f"test {what}", tickformat=".0%" if share else ".1f")
        fig.update_yaxes(range=[math.floor(10 * max(least, -1.0)) / 10 - 0.02, 1.0], zeroline=False)
    fig.update_layout(
        title=palette.title(f"Test {what} against decay, four families"),
        margin={"l": 58, "r": 14, "t": 34, "b": 46},
        legend=palette.LEGEND,
        meta={"put": {"x": {"name": "decay", "values": [f"{d:g}" for d in decays]}}},
    )
    return fig


def _add_family(fig: Draft, curve: Curve, decays: Sequence[float], what: str, aside: float) -> None:
    colour, symbol, dash = STYLES[curve.family]
    spreads = [Spread.of(column) for column in curve.values.T]
    use = [i for i, s in enumerate(spreads) if math.isfinite(s.median)]
    middle = [spreads[i].median for i in use]
    form = ".0%" if what == "accuracy" else ".3f"
    fig.add_scatter(
        x=np.array([i + aside for i in use], np.float32),
        y=np.array(middle, np.float32),
        error_y={
            "array": np.array([spreads[i].high for i in use]) - middle,
            "arrayminus": middle - np.array([spreads[i].low for i in use]),
            "color": palette.tint(colour, 0.7),
            "thickness": 1.2,
            "width": 2,
        },
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"size": 7, "symbol": symbol},
        name=curve.family,
        customdata=[[decays[i], spreads[i].low, spreads[i].high, spreads[i].seeds] for i in use],
        hovertemplate=f"{curve.family}, decay %{{customdata[0]:g}}: test {what} %{{y:{form}}}"
        f"<br>%{{customdata[1]:{form}}} to %{{customdata[2]:{form}}} over %{{customdata[3]}} seeds<extra></extra>",
    )
    picks = sorted(at for at in curve.picks if at is not None)
    if not picks or picks[(len(picks) - 1) // 2] not in use:
        return
    at = picks[(len(picks) - 1) // 2]
    fig.add_scatter(
        x=[at + aside],
        y=[spreads[at].median],
        error_x={"array": [picks[-1] - at], "arrayminus": [at - picks[0]], "color": colour, "thickness": 3, "width": 6},
        mode="markers",
        marker={"size": 15, "symbol": symbol, "color": colour, "line": {"color": "var(--ink)", "width": 2}},
        name=f"best decay, {curve.family}",
        showlegend=False,
        customdata=[[decays[at], decays[picks[0]], decays[picks[-1]]]],
        hovertemplate=f"{curve.family}: best decay %{{customdata[0]:g}} by validation loss"
        "<br>%{customdata[1]:g} to %{customdata[2]:g} over the seeds<extra></extra>",
    )


@Drawing
def best(picks: Mapping[str, Sequence[int | None]], decays: Sequence[float], *, yours: float) -> Draft:
    """Which decay each seed's validation data pick, a dot each, for each family; a bar marks the (lower) median."""
    fig = Draft()
    for row, (family, places) in enumerate(picks.items()):
        colour, symbol, _ = STYLES[family]
        at = sorted(p for p in places if p is not None)
        nudge = [(i - (at.count(p) - 1) / 2) * min(0.16, 0.7 / at.count(p)) for p in dict.fromkeys(at) for i in range(at.count(p))]
        fig.add_scatter(
            x=np.array(at, np.float32),
            y=np.array([row + n for n in nudge], np.float32),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 10, "line": {"color": "var(--ink)", "width": 0.5}},
            name=family,
            text=[f"{decays[p]:g}" for p in at],
            hovertemplate=f"{family}: one seed picks decay %{{text}}<extra></extra>",
        )
        if at:
            middle = at[(len(at) - 1) // 2]
            line = {"color": colour, "width": 4}
            fig.add_shape(type="line", x0=middle, x1=middle, y0=row - 0.42, y1=row + 0.42, line=line, layer="below")
    _add_yours(fig, yours, len(decays))
    _decay_axis(fig, decays)
    _rows(fig, list(picks))
    return _plain(fig, "Which decay each seed picks", left=92)


@Drawing
def gains(spreads: Mapping[str, Spread], what: str) -> Draft:
    """What the best decay gains over none on test data, for each family: median and range over the seeds.

    Arguments:
        what: "loss": the share by which it falls; "accuracy" or "R2": by how much it rises.
    """
    fig = Draft()
    for row, (family, spread) in enumerate(spreads.items()):
        if not math.isfinite(spread.median):
            continue
        colour, symbol, _ = STYLES[family]
        said = f"%{{x:.0%}} {'less test loss' if what == 'loss' else 'more test ' + what}"
        fig.add_scatter(
            x=[spread.median],
            y=[row],
            error_x=_range(spread, colour),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 13, "line": {"color": "var(--ink)", "width": 0.5}},
            name=family,
            hovertemplate=f"{family}: {said} than without decay, median of {spread.seeds}<extra></extra>",
        )
    _zero(fig)
    fig.update_xaxes(title="test loss saved" if what == "loss" else f"test {what} gained", zeroline=False, nticks=6)
    fig.update_xaxes(tickformat=".2f" if what == "R2" else ".0%")
    _rows(fig, list(spreads))
    return _plain(fig, f"What the best decay gains in test {what}", left=92)


@Drawing
def parts(
    names: Sequence[str],
    change: Callable[[tuple[str, str]], Spread],
    what: str,
    *,
    unit: str,
    put: str,
) -> Draft:
    """Each part decayed alone, and everything but it: test loss (or score) less that with decay on everything, seed by seed.

    Arguments:
        change: (part, "only" or "spared") -> median and range; ("none", "") and ("weights", "") as well.
        put: the setting that a click on a part sets.
    """
    fig, rows = Draft(), [*names, "all weights", "nothing"]
    for colour, symbol, said in (ONLY, SPARED):
        how = "only" if said == ONLY[2] else "spared"
        rules = [(name, how) for name in names] + ([("weights", ""), ("none", "")] if how == "only" else [])
        spreads = [(row, change(rule)) for row, rule in enumerate(rules)]
        spreads = [(row, s) for row, s in spreads if math.isfinite(s.median)]
        aside = -0.16 if how == "only" else 0.16
        middle = np.array([s.median for _, s in spreads])
        fig.add_scatter(
            x=middle.astype(np.float32),
            y=np.array([row + (aside if row < len(names) else 0) for row, _ in spreads], np.float32),
            error_x={
                "array": np.array([s.high for _, s in spreads]) - middle,
                "arrayminus": middle - np.array([s.low for _, s in spreads]),
                "color": palette.tint(colour, 0.8),
                "thickness": 1.5,
                "width": 3,
            },
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2, "color": colour}},
            name=said,
            customdata=[[rows[row] if row < len(names) else f"decay on {rows[row]}", s.low, s.high, s.seeds] for row, s in spreads],
            hovertemplate=f"%{{customdata[0]}}, {said}: test {what} %{{x:+.3f}} against decay on everything"
            "<br>%{customdata[1]:+.3f} to %{customdata[2]:+.3f} over %{customdata[3]} seeds<extra></extra>",
        )
    _zero(fig)
    fig.update_xaxes(title=f"change of test {what}" + (f" ({unit})" if unit else ""), zeroline=False, nticks=6)
    if what == "accuracy":
        fig.update_xaxes(tickformat="+.0%")
    _rows(fig, rows)
    fig.update_layout(meta={"put": {"y": {"name": put, "values": [*names, "weights"]}}})
    fig.update_layout(legend=palette.LEGEND)
    return _plain(fig, f"Test {what} with single parts decayed, and spared", left=8, top=32, legend=True)


@Drawing
def waiting(words: str) -> Draft:
    """The axes of `parts` with nothing measured yet, and why."""
    fig = Draft()
    font = {"color": "var(--mute)", "size": 14}
    fig.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=words, showarrow=False, font=font)
    fig.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip", showlegend=False, name="parts")
    fig.update_xaxes(title="change of test loss", range=[-1, 1], showticklabels=False, zeroline=False)
    fig.update_yaxes(title="part", range=[0, 1], showticklabels=False, showgrid=False, zeroline=False)
    return _plain(fig, "Single parts decayed, and spared", left=40)


# --- parts ------------------------------------------------------------------------------------------------------------------------


def _range(spread: Spread, colour: str) -> dict[str, object]:
    low, high = [spread.median - spread.low], [spread.high - spread.median]
    return {"array": high, "arrayminus": low, "color": colour, "thickness": 2.5, "width": 5}


def _decay_axis(fig: Draft, decays: Sequence[float]) -> None:
    fig.update_xaxes(title="weight decay", range=[-0.4, len(decays) - 0.6], zeroline=False)
    fig.update_xaxes(tickvals=list(range(len(decays))), ticktext=[f"{d:g}" for d in decays])


def _add_yours(fig: Draft, at: float, count: int) -> None:
    """The visitor's decay as a line over the whole height; left out beyond the ladder's end."""
    if at > count - 1:
        return
    line = {"color": "var(--ink)", "width": 1.5, "dash": "dash"}
    fig.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line=line, layer="below")


def _zero(fig: Draft) -> None:
    fig.add_shape(type="line", x0=0, x1=0, y0=0, y1=1, yref="paper", line={"color": palette.GHOST, "width": 1.5}, layer="below")


def _rows(fig: Draft, names: Sequence[str]) -> None:
    """Names down the left side, the first one at the top."""
    fig.update_yaxes(tickvals=list(range(len(names))), ticktext=list(names), range=[len(names) - 0.5, -0.5])
    fig.update_yaxes(showgrid=False, zeroline=False, automargin=True)


def _plain(fig: Draft, title: str, *, left: int, top: int = 12, legend: bool = False) -> Draft:
    fig.update_layout(title=palette.title(title), showlegend=legend, margin={"l": left, "r": 14, "t": top, "b": 46})
    return fig
