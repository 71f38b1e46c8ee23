"""The Learning rate page's figures show the numbers they are given, and stand up to what is not trained, diverges or is never reached."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from tests.test_learning_rate import cell, map_of
from wdviz.experiments import learning_rate, speed
from wdviz.experiments.learning_rate import Map, Maps
from wdviz.experiments.speed import Speed
from wdviz.figures import cells, landscape
from wdviz.figures import speed as figures
from wdviz.plans import Landscape
from wdviz.results import SPLITS, Arm, Spread
from wdviz.settings import Settings

RATES, DECAYS = (0.01, 0.1, 1.0), (0.0, 0.1, 1.0, 10.0)


def checked(figure: go.Figure) -> Any:
    """The figure with Plotly's own check of every property, which `Draft` leaves out."""
    return go.Figure(figure)


def draw(shown: Map, split: str = "validation", **more: Any) -> Any:
    return checked(landscape.landscape(shown, split, cap=1.0, **more))


def traces(figure: Any, kind: str) -> list[Any]:
    return [trace for trace in figure.data if trace.type == kind]


def sample(**regimes: str) -> Map:
    """Losses 0.00, 0.01, 0.02, 0.10, ... by row and column; `r1c2="diverged"` sets the regime of a cell."""
    cells = {
        (i, j): cell(RATES[j], DECAYS[i], i / 10 + j / 100, regimes.get(f"r{i}c{j}", "generalises")) for i in range(4) for j in range(3)
    }
    return Map("decoupled", RATES, DECAYS, cells)


# Cells


def test_cells_are_coloured_by_their_own_loss():
    (heat,) = traces(draw(sample()), "heatmap")
    np.testing.assert_allclose(heat.z, [[i / 10 + j / 100 for j in range(3)] for i in range(4)], atol=1e-6)
    assert (heat.zmin, heat.zmax) == (0, 1.0)


def test_each_split_has_its_own_numbers_and_the_hover_says_them():
    spreads = {name: Spread(k + 0.5, k + 0.4, k + 0.6, 3) for k, name in enumerate(SPLITS)}
    shown = replace(sample(), cells={**sample().cells, (2, 1): replace(sample().cells[2, 1], losses=spreads)})
    for k, name in enumerate(SPLITS):
        (heat,) = traces(draw(shown, name), "heatmap")
        assert heat.z[2][1] == pytest.approx(k + 0.5)
        said = heat.hovertext[2][1]
        assert f"{name} loss {k + 0.5:.2f} nats ({k + 0.4:.2f} to {k + 0.6:.2f}, 3 seeds)" in said
        assert said.startswith("learning rate 0.1, decay 1<br>")
        assert said.endswith("generalises<br>learning rate x decay = 0.1")


def test_a_diverged_cell_is_grey_and_crossed_never_coloured():
    figure = draw(sample(r3c2="diverged"))
    losses, grey = traces(figure, "heatmap")
    assert math.isnan(losses.z[3][2])
    assert np.isfinite(np.array(grey.z, float)).sum() == 1
    assert grey.z[3][2] == 1
    (crosses,) = [t for t in traces(figure, "scatter") if t.name == "diverged"]
    assert (list(crosses.x), list(crosses.y)) == ([2], [3])
    assert "diverged" in grey.hovertext[3][2]


def test_a_cell_not_yet_trained_is_paler_and_says_so():
    whole = sample()
    shown = replace(whole, cells={(1, 1): whole.cells[1, 1]})
    own, near = traces(draw(shown), "heatmap")
    assert np.isfinite(np.array(own.z, float)).sum() == 1
    assert np.isfinite(np.array(near.z, float)).sum() == 11
    assert near.opacity < 0.7
    assert near.z[3][2] == own.z[1][1]
    assert "not trained yet" in near.hovertext[3][2]
    assert "not trained yet" not in own.hovertext[1][1]


def test_a_map_all_diverged_is_no_error():
    figure = draw(map_of(np.full((4, 3), math.nan), RATES, DECAYS))
    assert "diverged" in {note.text for note in figure.layout.annotations}
    assert not [t for t in figure.data if t.name == "best of all"]


# Marks


def test_the_star_and_the_dots_are_the_best_cells():
    losses = np.array([[3.0, 2.0, 1.0], [2.0, 0.5, 4.0], [0.1, 5.0, 9.0], [9.0, 9.0, 9.0]])
    figure = draw(map_of(losses, RATES, DECAYS))
    marks = {t.name: (list(t.x), list(t.y)) for t in traces(figure, "scatter")}
    assert marks["best of all"] == ([0], [2])
    assert marks["best decay of each learning rate"] == ([0, 1, 2], [2, 1, 0])


@pytest.mark.parametrize(("at", "x", "y"), [((0.1, 1.0), 1, 2), ((0.01, 0.0), 0, 0), ((math.sqrt(0.1), 1.0), 1.5, 2)])
def test_the_chosen_setting_carries_a_frame(at, x, y):
    frames = [shape for shape in draw(sample(), at=at).layout.shapes if shape.name == "your setting"]
    assert frames
    for frame in frames:
        assert ((frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2) == pytest.approx((x, y))
    assert not draw(sample()).layout.shapes


def test_borders_run_between_cells_of_different_regimes_only():
    assert all(len(t.x) == 0 for t in traces(draw(sample()), "scatter") if t.name == "borders of the regimes")
    figure = draw(sample(r0c0="memorises"))
    border = next(t for t in traces(figure, "scatter") if t.name == "borders of the regimes")
    x, y = (np.array(v, float).reshape(-1, 3)[:, :2].tolist() for v in (border.x, border.y))
    assert sorted(zip(x, y, strict=True)) == [([-0.5, 0.5], [0.5, 0.5]), ([0.5, 0.5], [-0.5, 0.5])]


@pytest.mark.parametrize("row", range(2, 11))
def test_labels_of_lines_keep_clear_of_the_names_of_regions_and_names_of_the_best(row: int):
    rates, decays = (tuple(10 ** np.linspace(-4, end, 12)) for end in (0.0, 1.0))
    losses = np.full((12, 12), 2.0)
    losses[row - 1 : row + 1, :6] = 0.4  # a region on the left, where the labels stand
    losses[row - 1, :6] = 0.3  # the best decay of each learning rate
    shown = map_of(losses, rates, decays)
    regimes = {at: replace(found, regime="memorises" if losses[at] > 1 else "generalises") for at, found in shown.cells.items()}
    notes = draw(replace(shown, cells=regimes)).layout.annotations
    names = [note for note in notes if note.text in landscape.NAMES.values()]
    labels = [note for note in notes if note not in names]
    assert {name.text for name in names} >= {landscape.NAMES["memorises"], landscape.NAMES["generalises"]}
    assert len(labels) >= 3
    for name in names:
        assert all(abs(label.x - name.x) > 0.2 * 12 or abs(label.y - name.y) > 1 for label in labels)
    (generalises,) = [name for name in names if name.text == "generalises"]
    assert generalises.y == row


def test_regions_are_named_where_they_are_and_small_ones_are_not():
    left = {f"r{i}c0": "memorises" for i in range(4)}
    notes = {note.text: note for note in draw(sample(**left, r3c2="diverged")).layout.annotations}
    assert landscape.NAMES["diverged"] not in notes
    assert notes[landscape.NAMES["memorises"]].x < 0.5
    assert notes[landscape.NAMES["generalises"]].x > 0.5


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=49))
def test_a_name_stands_in_the_largest_connected_part(places):
    found = cells.centre(places)

    def part(of: tuple[int, int]) -> set[tuple[int, int]]:
        seen, edge = set(), {of}
        while edge:
            seen |= edge
            edge = {(i + a, j + b) for i, j in edge for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))} & (places - seen)
        return seen

    sizes = [len(part(of)) for of in places]
    if max(sizes, default=0) < cells.LEAST:
        assert found is None
    else:
        assert found is not None
        assert found in places
        assert len(part(found)) == max(sizes)


# Axes


@given(st.integers(-30, 10))
def test_lines_of_equal_product_have_that_product(power):
    product, rates, decays = 10 ** (power / 10), (0.001, 0.003, 0.02, 0.3), (0.0, 0.01, 0.2, 1.0, 50.0)
    x, y = cells.equal(rates, decays, product)
    inside = np.isfinite(y) & (x >= 0) & (x <= 3) & (y >= 1) & (y <= 4)
    for at, up in zip(x[inside], y[inside], strict=True):
        rate = math.exp(np.interp(at, range(4), np.log(rates)))
        decay = math.exp(np.interp(up, range(1, 5), np.log(decays[1:])))
        assert rate * decay == pytest.approx(product, rel=1e-4)
    assert np.all(np.diff(y[np.isfinite(y)]) < 0)


def test_independent_decay_has_level_lines():
    figure = draw(replace(sample(), kind="independent"))
    lines = [t for t in traces(figure, "scatter") if t.name.startswith("each step takes off")]
    assert [(t.name, list(t.y)) for t in lines] == [(f"each step takes off {d:g}", [i, i]) for i, d in enumerate(DECAYS) if d]
    assert draw(sample()).layout.meta["put"]["also"] == {"decay_kind": "decoupled"}


@pytest.mark.parametrize(("value", "at"), [(0.0, 0), (0.1, 1), (10.0, 3), (1.0, 2), (math.sqrt(10), 2.5), (0.001, 0.5), (100.0, 3.5)])
def test_position_of_a_decay(value, at):
    assert cells.position(DECAYS, value) == pytest.approx(at)


def test_position_of_zero_where_there_is_none():
    assert cells.position((1.0, 2.0), 0.0) == -0.5


@given(st.integers(2, 30), st.booleans())
def test_labels_are_few_name_the_right_values_and_keep_apart(count, zero):
    values = (0.0, *range(1, count)) if zero else tuple(range(1, count + 1))
    found = cells.ticks(values)
    assert [f"{values[i]:g}" for i in found["tickvals"]] == found["ticktext"]
    assert found["tickvals"][-1] == count - 1
    assert len(found["tickvals"]) <= cells.TICKS + 1
    if zero and count > cells.TICKS:
        assert found["tickvals"][:1] == [0]
        assert found["tickvals"][1] >= 2


def test_a_click_names_the_values_as_the_address_writes_them():
    put = draw(replace(sample(), kind="coupled")).layout.meta["put"]
    assert put == {
        "x": {"name": "learning_rate", "values": ["0.01", "0.1", "1"]},
        "y": {"name": "decay", "values": ["0", "0.1", "1", "10"]},
        "also": {"decay_kind": "coupled"},
    }


# Speed


def spread(*values: float) -> Spread:
    return Spread.of(values)


def test_never_stands_apart_from_the_steps():
    series = {"yours": [spread(10, 20, 30), spread(40, 50, math.inf), spread(math.inf), None], "example": [spread(90)] * 4}
    figure = checked(figures.reaching(DECAYS, series, [100, 100], loss="a training loss of 0.2", decay=1.0))
    yours, example = figure.data
    assert list(yours.x) == [0, 1, 2]
    assert yours.y[:2] == pytest.approx([20, 50])
    assert yours.y[2] > 100
    assert yours.y[1] + yours.error_y.array[1] == pytest.approx(yours.y[2])
    assert "50 steps (40 to never, 3 seeds)" in yours.hovertext[1]
    assert "never within the training" in yours.hovertext[2]
    assert list(example.y) == [90] * 4
    assert "never" in figure.layout.yaxis.ticktext
    assert figure.layout.shapes[0].x0 == 2
    assert yours.line.dash != example.line.dash


@pytest.mark.parametrize("top", [10, 90, 600, 777, 3000])
def test_marks_of_steps_are_round_and_within(top):
    figure = checked(figures.reaching(DECAYS, {"yours": [None] * 4}, [top], loss="a loss", decay=0.0))
    *marks, never = figure.layout.yaxis.tickvals
    assert marks[0] == 0
    assert 2 <= len(marks) <= 6
    assert marks[-1] <= top < never


@pytest.fixture(scope="module")
def real() -> tuple[Maps, Speed]:
    settings, plan = Settings(steps=60), Landscape(side=3, map_seeds=2)
    return learning_rate.run(settings, plan), speed.run(settings, plan)


def test_balance_shows_runs_and_prediction(real):
    found = real[1].equilibrium
    for what, first in (("norm", found.with_decay.histories[0].norms[0, 0]), ("effective learning rate", None), ("angle per step", None)):
        figure = checked(figures.balance(found.arms, what, learning_rate=0.03, angle=0.3, norm=0.2))
        named = {t.name: t for t in figure.data}
        if first is not None:
            assert named["with decay"].y[0] == pytest.approx(np.median([h.norms[0, 0] for h in found.with_decay.histories]))
        predicted = {"norm": 0.2, "effective learning rate": 0.03 / 0.04, "angle per step": 0.3}[what]
        assert list(named["predicted with decay"].y) == pytest.approx([predicted] * 2)
        low, high = figure.layout.yaxis.range
        assert low <= math.log10(predicted) <= high
        figure = checked(figures.balance(found.arms, what, learning_rate=0.03, angle=math.nan, norm=math.nan))
        assert "predicted with decay" not in {t.name for t in figure.data}


def test_balance_of_diverged_runs_is_no_error():
    broken = replace(made(), norms=np.full((2, 1), math.nan), angles=np.full((2, 1), math.nan))
    arms = [Arm("without", 0.0, (broken,)), Arm("with", 1.0, (broken,))]
    for what in ("norm", "effective learning rate", "angle per step"):
        checked(figures.balance(arms, what, learning_rate=0.1, angle=math.nan, norm=math.nan))


def test_schedules_show_rates_shares_and_ends(real):
    found = real[1].schedules
    rates = checked(figures.schedules(found, "learning rate"))
    assert [t.name for t in rates.data] == ["constant", "cosine", "warm-up"]
    assert max(rates.data[1].y) == pytest.approx(0.03)
    alone = checked(figures.schedules(found, "decay alone"))
    np.testing.assert_allclose(alone.data[1].y[:5], found[1].arm.histories[0].shrink[:5], rtol=1e-5)
    ends = checked(figures.ends(found, unit="nats"))
    seeds, medians = [t for t in ends.data if t.name == "one seed"], [t for t in ends.data if t.name.endswith("median")]
    assert [list(t.y) for t in seeds] == [pytest.approx([s.arm.histories[i].loss("validation") for s in found]) for i in range(2)]
    assert [t.y[0] for t in medians] == pytest.approx([np.median([h.loss("validation") for h in s.arm.histories]) for s in found])


def test_every_axis_has_a_title(real):
    maps, below = real
    drawn = [
        *(landscape.landscape(shown, split, cap=1.0) for shown in maps.maps for split in SPLITS),
        *(figures.schedules(below.schedules, what) for what in ("learning rate", "decay alone")),
    ]
    for figure in map(checked, drawn):
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
        assert figure.layout.title.text
