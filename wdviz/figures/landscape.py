"""Maps of learning rate against decay: the loss of each cell, the regimes with their names, and lines of equal learning rate x decay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.cells import Place, add_frame, centre, equal, position, ticks
from wdviz.figures.draft import Draft, Drawing
from wdviz.results import Spread

SCALE = "Viridis"  # evenly lighter, also for colour-blind readers; dark is a low loss
GREY = [[0, "rgba(128,134,144,0.55)"], [1, "rgba(128,134,144,0.55)"]]
PROVISIONAL = 0.45  # opacity of a cell that shows its nearest trained neighbour
NAMES = {
    "memorises": "cannot escape<br>overfitting",
    "generalises": "generalises",
    "learns nothing": "learns<br>nothing",
    "diverged": "diverged",
}
NAME = (0.27, 1.4)  # room that a region's name takes to each side: a share of the columns, and rows

Array = NDArray[np.floating]


class Cell(Protocol):
    """`experiments.learning_rate.Cell`."""

    @property
    def losses(self) -> Mapping[str, Spread]: ...
    @property
    def regime(self) -> str: ...


class Map(Protocol):
    """`experiments.learning_rate.Map`."""

    @property
    def kind(self) -> str: ...
    @property
    def rates(self) -> tuple[float, ...]: ...
    @property
    def decays(self) -> tuple[float, ...]: ...
    @property
    def cells(self) -> Mapping[Place, Cell]: ...
    @property
    def filled(self) -> Mapping[Place, Place]: ...
    @property
    def ridge(self) -> tuple[Place, ...]: ...
    @property
    def best(self) -> Place | None: ...


@Drawing
def landscape(shown: Map, split: str, *, cap: float, unit: str = "nats", at: tuple[float, float] | None = None) -> Draft:
    """The median loss on one split in each cell. A click on a cell asks for its learning rate and decay.

    Arguments:
        split: train, validation or test.
        cap: losses above it have one colour, so that the others can be told apart.
        at: the chosen learning rate and decay, marked by a frame; None where they are not of this map.
    """
    fig = Draft()
    shape = (len(shown.decays), len(shown.rates))
    regimes = {place: shown.cells[near].regime for place, near in shown.filled.items()}
    names = _names(shown, regimes)
    _add_cells(fig, shown, split, cap, unit, shape)
    _add_equal(fig, shown, list(names.values()))
    _add_borders(fig, regimes, shape)
    _add_best(fig, shown)
    if at is not None:
        add_frame(fig, position(shown.rates, at[0]), position(shown.decays, at[1]))
    for label, place in names.items():
        _name(fig, label, place, shape)
    _axes(fig, shown, split, shape)
    return fig


def _names(shown: Map, regimes: Mapping[Place, str]) -> dict[str, Place]:
    """What stands where: beside the best of each learning rate where a region has room there."""
    of = {label: {place for place, regime in regimes.items() if regime == name} for name, label in NAMES.items()}
    return {label: at for label, region in of.items() if (at := centre(region - set(shown.ridge)) or centre(region))}


def _add_cells(fig: Draft, shown: Map, split: str, cap: float, unit: str, shape: tuple[int, int]) -> None:
    values = np.full(shape, np.nan, np.float32)
    near = np.full(shape, np.nan, np.float32)
    broken = np.full(shape, np.nan, np.float32)
    words = [[""] * shape[1] for _ in range(shape[0])]
    for (i, j), source in shown.filled.items():
        cell = shown.cells[source]
        words[i][j] = _hover(shown, (i, j), split, unit)
        if cell.regime == "diverged":
            broken[i, j] = 1
        else:
            (values if source == (i, j) else near)[i, j] = cell.losses[split].median
    quarters = [cap * i / 4 for i in range(5)]
    texts = [*(f"{value:.2g}" for value in quarters[:-1]), f"{cap:.2g}+"]
    bar = palette.colour_bar(unit, tickvals=quarters, ticktext=texts)
    common = {"hovertext": words, "hovertemplate": "%{hovertext}<extra></extra>", "hoverongaps": False}
    losses = {"zmin": 0, "zmax": float(cap), "colorscale": SCALE, **common}
    fig.add_heatmap(z=values, name=f"{split} loss", colorbar=bar, xgap=1, ygap=1, **losses)
    if np.isfinite(near).any():
        fig.add_heatmap(z=near, name="not yet trained: as its neighbour", showscale=False, opacity=PROVISIONAL, **losses)
    if np.isfinite(broken).any():
        fig.add_heatmap(z=broken, zmin=0, zmax=1, colorscale=GREY, showscale=False, name="diverged", **common)
        rows, columns = np.nonzero(np.isfinite(broken))
        marker = {"symbol": "x-thin", "size": 9, "line": {"width": 1.5, "color": "var(--mute)"}}
        _marks(fig, columns, rows, marker, "diverged")


def _hover(shown: Map, at: Place, split: str, unit: str) -> str:
    rate, decay, cell = shown.rates[at[1]], shown.decays[at[0]], shown.cells[shown.filled[at]]
    here, spread = f"learning rate {rate:g}, decay {decay:g}", cell.losses[split]
    if cell.regime == "diverged":
        loss = "diverged"
    else:
        over = f" ({spread.low:.2f} to {spread.high:.2f}, {spread.seeds} seeds)" if spread.seeds > 1 else " (one seed)"
        loss = f"{split} loss {spread.median:.2f} {unit}{over}<br>{NAMES[cell.regime].replace('<br>', ' ')}"
    if shown.filled[at] != at:
        return f"{here}: not trained yet<br>its nearest neighbour: {loss}"
    shrink = f"each step takes off {decay:g} of a weight" if shown.kind == "independent" else f"learning rate x decay = {rate * decay:.2g}"
    return f"{here}<br>{loss}<br>{shrink}"


def _add_equal(fig: Draft, shown: Map, names: Sequence[Place]) -> None:
    """Dotted lines: of equal learning rate x decay, or of equal decay where that is what a step takes off."""
    positive = [d for d in shown.decays if d > 0]
    if shown.kind == "independent":
        low, high, what = positive[0], positive[-1], "each step takes off"
    else:
        low, high, what = positive[0] * shown.rates[0], positive[-1] * shown.rates[-1], "learning rate x decay ="
    for power in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1):
        level = 10.0**power
        if shown.kind == "independent":
            x = np.array([-0.5, len(shown.rates) - 0.5], np.float32)
            y = np.full(2, position(shown.decays, level), np.float32)
        else:
            x, y = equal(shown.rates, shown.decays, level)
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": palette.PALE, "width": 1.3, "dash": "dot"},
            opacity=0.75,
            name=f"{what} {level:g}",
            hoverinfo="skip",
            showlegend=False,
        )
        on = np.flatnonzero(np.isfinite(y))
        if on.size > 3 and shown.kind != "independent":
            at = _free(x[on], y[on], names, len(shown.rates))
            if at:
                written = f"{level:g}" if power >= -3 else f"10<sup>−{-power}</sup>"
                _note(fig, *at, written, size=10, color=palette.PALE, bgcolor=palette.tint(palette.INK, 0.8))


def _free(x: Array, y: Array, names: Sequence[Place], columns: int) -> tuple[float, float] | None:
    """Where on a line its label stands: as far left as it is clear of the regions' names."""
    for column in range(columns - 1):
        k = int(np.argmin(np.abs(x - column - 0.5)))  # between two columns, where no mark stands
        clear = all(abs(x[k] - j) > NAME[0] * columns or abs(y[k] - i) > NAME[1] for i, j in names)
        if abs(x[k] - column - 0.5) < 0.2 and clear:
            return float(x[k]), float(y[k])
    return None


def _add_borders(fig: Draft, regimes: Mapping[Place, str], shape: tuple[int, int]) -> None:
    x: list[float] = []
    y: list[float] = []
    for (i, j), regime in sorted(regimes.items()):
        if j + 1 < shape[1] and regimes[i, j + 1] != regime:
            x, y = [*x, j + 0.5, j + 0.5, math.nan], [*y, i - 0.5, i + 0.5, math.nan]
        if i + 1 < shape[0] and regimes[i + 1, j] != regime:
            x, y = [*x, j - 0.5, j + 0.5, math.nan], [*y, i + 0.5, i + 0.5, math.nan]
    for colour, width in ((palette.INK, 4.5), (palette.PALE, 2)):  # seen on dark and on light cells
        fig.add_scatter(
            x=np.array(x, np.float32),
            y=np.array(y, np.float32),
            mode="lines",
            line={"color": colour, "width": width},
            name="borders of the regimes",
            hoverinfo="skip",
            showlegend=False,
        )


def _add_best(fig: Draft, shown: Map) -> None:
    """A point at the best decay of each learning rate, a star at the best of all."""
    around = {"width": 1.5, "color": palette.INK}
    rows, columns = [i for i, _ in shown.ridge], [j for _, j in shown.ridge]
    _marks(fig, columns, rows, {"symbol": "circle", "size": 7, "color": palette.PALE, "line": around}, "best decay of each learning rate")
    if shown.best:
        _marks(fig, [shown.best[1]], [shown.best[0]], {"symbol": "star", "size": 17, "color": "#f7c948", "line": around}, "best of all")


def _marks(fig: Draft, x: Any, y: Any, marker: dict[str, Any], name: str) -> None:
    fig.add_scatter(
        x=np.asarray(x, np.float32),
        y=np.asarray(y, np.float32),
        mode="markers",
        marker=marker,
        name=name,
        hoverinfo="skip",
        showlegend=False,
    )


def _name(fig: Draft, label: str, at: Place, shape: tuple[int, int]) -> None:
    """The name of a region; at the map's edge it is moved inwards."""
    (y, yanchor), (x, xanchor) = (
        (-0.5, low) if i == 0 else (n - 0.5, high) if i == n - 1 else (float(i), "middle" if low == "bottom" else "center")
        for i, n, low, high in zip(at, shape, ("bottom", "left"), ("top", "right"), strict=True)
    )
    box = {"bgcolor": "var(--paper)", "borderpad": 3, "opacity": 0.88}
    _note(fig, x, y, label, size=12, color="var(--ink)", xanchor=xanchor, yanchor=yanchor, **box)


def _note(fig: Draft, x: float, y: float, text: str, *, size: int, color: str, **more: Any) -> None:
    fig.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": size, "color": color}, **more)


def _axes(fig: Draft, shown: Map, split: str, shape: tuple[int, int]) -> None:
    span = {"showgrid": False, "zeroline": False, "fixedrange": True, "tickangle": 0}
    fig.update_xaxes(title="learning rate", range=[-0.5, shape[1] - 0.5], **span, **ticks(shown.rates))
    fig.update_yaxes(title="decay", range=[-0.5, shape[0] - 0.5], **span, **ticks(shown.decays))
    put = {
        "x": {"name": "learning_rate", "values": [f"{v:g}" for v in shown.rates]},
        "y": {"name": "decay", "values": [f"{v:g}" for v in shown.decays]},
        "also": {"decay_kind": shown.kind},
    }
    kind = {"decoupled": "decoupled decay", "coupled": "coupled decay", "independent": "decay independent of the learning rate"}[shown.kind]
    fig.update_layout(
        title=palette.title(f"{split.capitalize()} loss by learning rate and decay: {kind}"),
        margin={"l": 58, "r": 8, "t": 10, "b": 44},
        meta={"put": put},
        showlegend=False,
        hovermode="closest",
    )
