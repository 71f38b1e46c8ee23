"""The cross-validated curve: single folds, mean and standard error, the choices, the regions, and the visitor's own decay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.figures.tuning import FLOOR, WAYS, Floats, Scale, add_faint, add_guess, decay_axis, log_axis

EXACT = "#009E73"
SHADE = 0.13  # of the regions beside the right range
DEEP = 4.0  # how far below its lowest point the curve's axis goes at most, for the training loss


@dataclass(frozen=True, eq=False)
class Folds:
    """One repetition's cross-validation. F folds, D candidates; what is not a finite number is not drawn."""

    decays: Sequence[float]
    single: Floats  # (F, D)
    mean: Floats  # (D,)
    error: Floats  # (D,) standard error, not a number with one fold
    train: Floats  # (D,) mean over the points trained on
    exact: Floats | None = None  # (D,) leave-one-out in closed form
    freedom: Floats | None = None  # (D,) effective degrees of freedom


@Drawing
def cross_validated(
    folds: Folds, scale: Scale, *, marks: Mapping[str, int], right: tuple[int, int] | None, guess: float, decay: float
) -> Draft:
    """The mean over the folds with standard errors, single folds faintly, the choices, the regions, and the visitor's own decay.

    Arguments:
        marks: for each way to choose, the candidate.
        right: first and last candidate of the range that is about right; what lies left of it overfits, right of it underfits.
        guess: where `decay`, the visitor's own, lies: 2.5 is halfway from the third to the fourth candidate.
    """
    fig, count = Draft(), len(folds.decays)
    low, high = span = _span(folds, scale)
    if right:
        _add_regions(fig, right, count)
    x = np.arange(count, dtype=np.float32)
    add_faint(fig, x, folds.single, scale)
    line = {"color": palette.GHOST, "width": 2}
    _add_line(fig, x, folds.train, scale, line, "points trained on", f"{scale.name} on the points trained on %{{y:.3f}}")
    if folds.exact is not None:
        line = {"color": palette.tint(EXACT, 0.4), "width": 9}
        _add_line(fig, x, folds.exact, scale, line, "exact leave-one-out", "exact leave-one-out %{y:.4f}")
    _add_mean(fig, x, folds, scale)
    _add_names(fig, folds, scale, span)
    _add_marks(fig, folds, scale, marks)
    add_guess(fig, guess, count, decay=decay, top=scale.log and guess > 0.3 * count)  # where the curves are not
    decay_axis(fig, folds.decays, meta=True)
    if scale.log:
        log_axis(fig, f"loss ({scale.unit}, log)", low, high)
    else:
        fig.update_yaxes(title=scale.name, range=[low, high], tickformat=".0%", zeroline=False)
    fig.update_layout(
        title=palette.title(f"Cross-validated {scale.name} for each decay, first seed"),
        showlegend=False,
        margin={"l": 58, "r": 14, "t": 26, "b": 46},
    )
    return fig


def _span(folds: Folds, scale: Scale) -> tuple[float, float]:
    """Range of the vertical axis: means with their errors, and what of the training loss is not far below; single folds may leave it."""
    if not scale.log:
        return 0.0, 1.03
    middle = folds.mean[np.isfinite(folds.mean)]
    if not middle.size:
        return 0.1, 10.0
    lowest, top = float(middle.min()), float(np.nanmax(folds.mean + np.nan_to_num(folds.error)))
    low = max(min(lowest, float(np.nanmin(folds.train))), lowest / DEEP, FLOOR)
    return low / 1.3, max(top, low * 2) * 1.4


def _add_line(fig: Draft, x: Floats, y: Floats, scale: Scale, line: dict[str, object], name: str, hover: str) -> None:
    drawn = np.where(np.isfinite(y), np.maximum(y, FLOOR) if scale.log else y, np.nan)
    fig.add_scatter(x=x, y=drawn.astype(np.float32), mode="lines", line=line, name=name, hovertemplate=f"{hover}<extra></extra>")


def _add_mean(fig: Draft, x: Floats, folds: Folds, scale: Scale) -> None:
    colour = palette.ARMS["with"]
    mean = np.where(np.isfinite(folds.mean), np.maximum(folds.mean, FLOOR) if scale.log else folds.mean, np.nan)
    error = np.nan_to_num(folds.error)
    # On a log axis a bar that reaches 0 has no lower end: it stops a little above.
    down = np.minimum(error, 0.95 * np.nan_to_num(mean)) if scale.log else error
    free = folds.freedom
    said = [
        f"decay {d:g}" + (f"<br>{free[i]:.1f} effective degrees of freedom" if free is not None else "") for i, d in enumerate(folds.decays)
    ]
    fig.add_scatter(
        x=x,
        y=mean.astype(np.float32),
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": palette.DASHES["validation"]},
        marker={"color": colour, "size": 6},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [round(float(e), 6) for e in error],
            "arrayminus": [round(float(e), 6) for e in down],
            "thickness": 1.5,
            "width": 4,
            "color": colour,
        },
        name="points held out",
        text=said,
        customdata=[f"{e:.3f}" if math.isfinite(e) else "unknown" for e in folds.error.tolist()],
        hovertemplate=f"%{{text}}<br>{scale.name} on the points held out %{{y:.3f}}, standard error %{{customdata}}<extra></extra>",
    )


def _add_names(fig: Draft, folds: Folds, scale: Scale, span: tuple[float, float]) -> None:
    """The lines named where they begin: the mean above it, the training loss beside the place at which it enters the picture."""
    inside = np.flatnonzero(np.isfinite(folds.train) & (folds.train > span[0]))
    enters = int(inside[0]) if inside.size else 0
    up = 1 if scale.log else -1
    _name(fig, 0, scale.up(float(folds.mean[0])), "points held out", palette.ARMS["with"], "left", 8 * up)
    _name(
        fig,
        enters,
        scale.up(float(folds.train[enters])),
        "points trained on",
        "var(--mute)",
        "right" if enters > 2 else "left",
        (2 if enters > 2 else -9) * up,
    )
    if folds.exact is not None:
        middle = len(folds.decays) // 2
        _name(fig, middle, scale.up(float(folds.exact[middle])), "exact leave-one-out", EXACT, "left", 12)


def _name(fig: Draft, x: float, y: float, text: str, colour: str, anchor: str, shift: float) -> None:
    if math.isfinite(y):
        font = {"color": colour, "size": 12}
        aside = 10 if anchor == "left" else -10
        fig.add_annotation(x=x, y=y, text=text, showarrow=False, xanchor=anchor, xshift=aside, yshift=shift, font=font)


def _add_marks(fig: Draft, folds: Folds, scale: Scale, marks: Mapping[str, int]) -> None:
    """A larger marker for each choice, named beside it; choices that agree share their name."""
    together: dict[int, list[str]] = {}
    for way, at in marks.items():
        together.setdefault(at, []).append(way)
    for k, (at, ways) in enumerate(sorted(together.items())):
        y = float(folds.mean[at])
        if not math.isfinite(y):
            continue
        for i, way in enumerate(ways):
            colour, symbol, _, said = WAYS[way]
            fig.add_scatter(
                x=[at],
                y=[max(y, FLOOR) if scale.log else y],
                mode="markers",
                marker={
                    "symbol": f"{symbol}-open" if i else symbol,
                    "size": 13 + 8 * i,
                    "color": colour,
                    "line": {"color": colour, "width": 2},
                },
                name=said,
                hoverinfo="skip",
                showlegend=False,
            )
        below, last = k % 2 == 0, at > len(folds.decays) - 4
        fig.add_annotation(
            x=at,
            y=scale.up(y),
            text=f"{'<br>'.join(WAYS[way][3] for way in ways)}: {folds.decays[at]:g}".replace("standard error", "standard<br>error"),
            showarrow=False,
            yanchor="top" if below else "bottom",
            xanchor="right" if last else "left",
            xshift=0 if last else -20,
            yshift=-16 if below else 18,
            font={"color": WAYS[ways[0]][0], "size": 12},
        )


def _add_regions(fig: Draft, right: tuple[int, int], count: int) -> None:
    low, high = right[0] - 0.5, right[1] + 0.5
    for name, x0, x1 in (("overfits", -0.5, low), ("about right", low, high), ("underfits", high, count - 0.5)):
        if x1 <= x0:
            continue
        if name != "about right":
            shade = {"fillcolor": palette.tint(palette.GHOST, SHADE), "line": {"width": 0}, "layer": "below"}
            fig.add_shape(type="rect", x0=x0, x1=x1, y0=0, y1=1, yref="paper", **shade)
        # At the outer edges, and the one in the middle a line lower: so they do not meet on a narrow screen.
        place, anchor = {"overfits": (x0, "left"), "underfits": (x1, "right")}.get(name, ((x0 + x1) / 2, "center"))
        inside = name == "about right"
        fig.add_annotation(
            x=place,
            y=1,
            yref="paper",
            xanchor=anchor,
            yanchor="top" if inside else "bottom",
            yshift=-2 if inside else 2,
            text=name,
            showarrow=False,
            font={"color": "var(--ink)" if inside else "var(--mute)", "size": 13},
            bgcolor="var(--paper)" if inside else None,  # the line of a guess ends behind it
            borderpad=1,
        )
