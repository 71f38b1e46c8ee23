"""Small pictures from inside a network, without and with decay: filters, weights into single units, attention maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wdviz.figures import palette
from wdviz.figures.draft import Draft, Drawing
from wdviz.internals import Internals

Floats = NDArray[np.floating]
Pair = tuple[Internals, Internals]  # without and with decay

MOST = 16  # filters, or units, of one network that are shown
DIVERGING = [[0.0, "#8c3b00"], [0.25, "#e8a06a"], [0.5, "#f4f1ea"], [0.75, "#7db4d8"], [1.0, "#004d80"]]  # below zero, zero, above
SHARES = [[0.0, "#f4f1ea"], [0.5, "#5a9bc4"], [1.0, "#002f50"]]


@Drawing
def tiles(pair: Pair, layer: str, shape: tuple[int, int], share: float, title: str) -> Draft:
    """Weights into single units or channels of a layer as small images: without decay on the left, with it on the right.

    Arguments:
        shape: rows and columns of an image; a layer with several input channels shows their first.
    """
    blocks = []
    for found in pair:
        weight = found.params(found.at(share))[layer]["weight"]
        images = weight.reshape(*shape, -1, weight.shape[-1])[:, :, 0].transpose(2, 0, 1)[:MOST]
        blocks.append(_mosaic(images))
    film = pair[0].history.film_params
    assert film is not None
    scale = float(np.quantile(np.abs(np.nan_to_num(film[layer]["weight"][-1])), 0.99)) or 1.0
    return _side_by_side(blocks, title, DIVERGING, (-scale, scale), "weight")


@Drawing
def attention_maps(pair: Pair, block: int, share: float, example: int | None = None) -> Draft:
    """The attention of each head of a block: without decay in the upper row, with it in the lower one.

    Arguments:
        example: the test input that is looked at; None: the mean over the test inputs.
    """
    rows = []
    for found in pair:
        k = found.at(share)
        maps = found.maps[k, block] if example is None else found.single[k, example, block]
        rows.append(_row(list(maps)))
    reached = pair[0].maps if example is None else pair[0].single[:, example]
    top = max(float(np.nan_to_num(reached).max()), 2.0 / reached.shape[-1])
    which = "mean over test inputs" if example is None else f"test input {example}"
    fig = Draft()
    gap = np.full((2, rows[0].shape[1]), np.nan, np.float32)
    picture = np.vstack([rows[0], gap, rows[1]])
    side = pair[0].maps.shape[-1]
    fig.add_heatmap(
        z=picture,
        colorscale=SHARES,
        zmin=0,
        zmax=top,
        xgap=0.5,
        ygap=0.5,
        hoverongaps=False,
        name="attention",
        text=_places(picture.shape, side),
        hovertemplate="%{text}: %{z:.2f}<extra></extra>",
        colorbar=_bar("share"),
    )
    centres = [side / 2 - 0.5 + j * (side + 1) for j in range(pair[0].maps.shape[2])]
    fig.update_xaxes(
        title="token that is looked at, head by head", tickvals=centres, ticktext=[f"head {j + 1}" for j in range(len(centres))]
    )
    fig.update_yaxes(title="down: token that looks", tickvals=[side / 2 - 0.5, side * 1.5 + 1.5], ticktext=["without", "with"])
    return _map_layout(fig, f"Attention, {which}", picture.shape)


# --- parts ------------------------------------------------------------------------------------------------------------------------


def _mosaic(images: Floats) -> NDArray[np.float32]:
    """(n, rows, columns) small images side by side and in rows, with a gap between them; places left over are empty."""
    count, rows, columns = images.shape
    wide = 0.8 * count * (rows + 1) / (columns + 1)  # images across for a mosaic a little higher than wide: two stand side by side
    across = min(max(1, round(math.sqrt(wide))), count)
    down = math.ceil(count / across)
    out = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan, np.float32)
    for i, image in enumerate(images):
        top, left = (i // across) * (rows + 1), (i % across) * (columns + 1)
        out[top : top + rows, left : left + columns] = image
    return out


def _row(maps: Sequence[Floats]) -> NDArray[np.float32]:
    """Square maps side by side, with a gap between them."""
    gap = np.full((maps[0].shape[0], 1), np.nan, np.float32)
    return np.hstack([piece for found in maps for piece in (found, gap)][:-1]).astype(np.float32)


def _places(shape: tuple[int, ...], side: int) -> list[list[str]]:
    """For each cell of a row of square maps the tokens that it is about."""
    rows, columns = shape

    def said(i: int, j: int) -> str:
        looks, seen, head = i % (side + 2), j % (side + 1), j // (side + 1)
        return f"head {head + 1}, {'without' if i < side else 'with'} decay: token {looks + 1} looks at token {seen + 1}"

    return [[said(i, j) for j in range(columns)] for i in range(rows)]


def _side_by_side(
    blocks: Sequence[NDArray[np.float32]], title: str, scale: list[list[object]], span: tuple[float, float], what: str
) -> Draft:
    fig = Draft()
    height, width = blocks[0].shape
    gap = np.full((height, 3), np.nan, np.float32)
    picture = np.hstack([blocks[0], gap, blocks[1]])
    fig.add_heatmap(
        z=picture,
        colorscale=scale,
        zmin=span[0],
        zmax=span[1],
        hoverongaps=False,
        name=what,
        hovertemplate=f"{what} %{{z:.2f}}<extra></extra>",
        colorbar=_bar(what),
    )
    centres = [(width - 1) / 2, width + 3 + (width - 1) / 2]
    fig.update_xaxes(title=title, tickvals=centres, ticktext=[palette.ARM_NAMES[arm] for arm in palette.ARMS])
    fig.update_yaxes(showticklabels=False)
    return _map_layout(fig, title, picture.shape)


def _bar(what: str) -> dict[str, object]:
    """A key to the colours above the picture, where it takes no width."""
    title = {"text": what, "side": "top", "font": {"size": 11}}
    place = {"x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "bottom", "ypad": 4}
    return {"orientation": "h", "thickness": 8, "len": 0.5, "nticks": 5, "tickfont": {"size": 11}, "title": title, **place}


def _map_layout(fig: Draft, title: str, shape: tuple[int, ...]) -> Draft:
    """Square cells, the first row at the top, nothing but the cells."""
    rows, columns = shape
    plain = {"showgrid": False, "zeroline": False, "ticks": "", "constrain": "domain"}
    fig.update_xaxes(range=[-0.5, columns - 0.5], **plain)
    fig.update_yaxes(range=[rows - 0.5, -0.5], scaleanchor="x", constraintoward="top", automargin=True, **plain)
    fig.update_layout(title=palette.title(title), showlegend=False, margin={"l": 24, "r": 8, "t": 52, "b": 46})
    return fig
