"""The Combinations page's figures show the numbers they are given, name axes and verdicts, and stand up to what diverged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.test_factorial import of_means, only, random_table, table
from tests.test_figures import constants, layout, trace, traces
from wdviz import factorial
from wdviz.factorial import Estimate, Pair
from wdviz.figures import combinations, interactions, palette
from wdviz.figures import effects as effect_figures
from wdviz.figures import together as together_figures
from wdviz.figures.interactions import VERDICTS, Scale
from wdviz.figures.strengths import NAMED, strengths
from wdviz.plans import RIVALS

LOSS, ACCURACY = Scale("loss", "nats"), Scale("accuracy", "points")
SIX = ("decay", "augmentation", "dropout", "batch norm", "label smoothing", "early stopping")
DECAYS, AMOUNTS = (0.0, 0.1, 1.0), (0.0, 0.3, 0.6)
VALUES = np.array([[1.0, 0.8, 0.9], [0.7, 0.6, 1.2], [3.0, 4.0, 5.0]])
COUNTS = np.full((3, 3), 2)


def matrix(found: factorial.Table, scale: Scale = LOSS) -> go.Figure:
    return go.Figure(interactions.interactions(factorial.pairs(found, averaged=False), found.factors, scale))


def six() -> factorial.Table:
    values = np.random.default_rng(0).normal(size=(3, *(2,) * 6))
    return factorial.Table(SIX, values, np.ones(values.shape, bool))


def broken(count: int = 2) -> factorial.Table:
    found = random_table(count)
    found.values[0] = np.nan
    return found


def together(pair: Pair | None = None, scale: Scale = LOSS) -> go.Figure:
    return go.Figure(together_figures.together(pair or only(of_means(2.0, 1.0, 1.5, 1.2)), scale, unit="nats"))


def effects(found: factorial.Table, scale: Scale = LOSS) -> go.Figure:
    given = {way: factorial.effects(found, averaged=way == "average") for way in effect_figures.WAYS}
    return go.Figure(effect_figures.effects(given, list(found.factors), scale))


def ranking(found: factorial.Table, scale: Scale = LOSS, chosen: tuple[int, ...] | None = None) -> go.Figure:
    return go.Figure(combinations.ranking(factorial.ranking(found), found.factors, scale, unit="nats", chosen=chosen))


def heat(values: np.ndarray = VALUES, counts: np.ndarray = COUNTS, best: tuple[int | None, ...] = (1, 1, 0), **changes: Any) -> go.Figure:
    given: dict[str, Any] = {"rival": "dropout", "setting": "dropout", "what": "test loss", "unit": "nats", "at": (0.3, 0.15)}
    return go.Figure(strengths(values, counts, DECAYS, AMOUNTS, best, **(given | changes)))


def words(fig: go.Figure) -> str:
    return " ".join(note.text for note in layout(fig).annotations)


FIGURES = {
    "interactions": lambda: matrix(random_table(4)),
    "two factors": lambda: matrix(random_table(2)),
    "six factors": lambda: matrix(six()),
    "six factors, diverged": lambda: matrix(factorial.Table(SIX, six().values * np.nan, np.ones((3, *(2,) * 6), bool))),
    "interactions of accuracy": lambda: matrix(random_table(3), ACCURACY),
    "interactions, one seed": lambda: matrix(random_table(3, seeds=1)),
    "interactions, diverged": lambda: matrix(broken()),
    "no pair yet": lambda: go.Figure(interactions.interactions([], SIX, LOSS)),
    "together": together,
    "not finished": lambda: go.Figure(together_figures.waiting(("decay", "dropout"), LOSS)),
    "together, accuracy": lambda: together(only(of_means(0.5, 0.7, 0.8, 0.9)), ACCURACY),
    "together, diverged": lambda: together(only(broken())),
    "effects": lambda: effects(random_table(4)),
    "effects, one seed": lambda: effects(random_table(3, seeds=1)),
    "effects, diverged": lambda: effects(broken()),
    "ranking": lambda: ranking(table(np.exp(random_table(4).values)), chosen=(1, 0, 0, 0)),
    "ranking of accuracy": lambda: ranking(table(random_table(2).values, lower_is_better=False), ACCURACY),
    "ranking, diverged": lambda: ranking(broken(), chosen=(1, 1)),
    "ranking of zeros": lambda: ranking(table(np.zeros((2, 2, 2)))),
    "strengths": heat,
    "strengths, nothing yet": lambda: heat(VALUES * np.nan, COUNTS * 0, (None, None, None)),
    "strengths, diverged": lambda: heat(np.where(VALUES > 2, np.nan, VALUES), COUNTS, (1, 1, None), at=None),
    "strengths, accuracy": lambda: heat(VALUES / 5, what="test accuracy", unit="%"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_says_what_it_shows_and_travels(name: str):
    fig = FIGURES[name]()
    assert layout(fig).title.text
    for axis in (layout(fig).xaxis, layout(fig).yaxis):
        assert axis.title.text or axis.ticktext or axis.showticklabels is False
    for given in traces(fig):
        assert given.name
        assert given.hovertemplate or given.hoverinfo == "skip"
    text = json.dumps(json.loads(fig.to_json() or ""), allow_nan=False)
    json.loads(text, parse_constant=constants)


# Interactions


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ((2.0, 1.0, 1.5, 0.1), "complements"),
        ((2.0, 1.0, 1.5, 1.0), "substitutes"),
        ((2.0, 1.0, 0.9, 1.4), "conflict"),
        ((2.0, 1.0, 1.5, 0.5), "cannot tell"),
    ],
)
def test_a_cell_has_the_number_the_interval_and_the_verdict_in_words_and_by_its_line(means: tuple[float, ...], verdict: str):
    found = of_means(*means)
    pair, fig = only(found), matrix(found)
    said = words(fig)
    assert LOSS.signed(pair.interaction.value) in said
    assert LOSS.between(pair.interaction.low, pair.interaction.high).replace("+", "") in said
    assert verdict in said
    (cell,) = layout(fig).shapes
    assert cell.line.color == VERDICTS[verdict][0]
    assert cell.line.dash == ("dot" if verdict == "cannot tell" else "solid")
    assert verdict in trace(fig, "interactions").text[0]
    assert "beyond the sum" in trace(fig, "interactions").text[0]


def test_what_cannot_be_told_says_how_many_seeds_would():
    found = of_means(2.0, 1.0, 1.5, 0.52, spread=0.05)
    pair = only(found)
    assert pair.verdict == "cannot tell"
    assert f"{pair.interaction.seeds_to_tell} seeds" in words(matrix(found))
    assert "> 1,000 seeds" in words(matrix(of_means(2.0, 1.0, 1.5, 0.5, spread=0.05)))


def test_each_pair_has_its_cell_above_the_diagonal_and_the_key_is_below():
    fig = matrix(random_table(4))
    points = trace(fig, "interactions")
    assert sorted(zip(points.x, points.y, strict=True)) == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    assert sorted((round((c.x0 + c.x1) / 2), round((c.y0 + c.y1) / 2)) for c in layout(fig).shapes) == sorted(
        zip(points.x, points.y, strict=True)
    )
    assert list(layout(fig).xaxis.ticktext) == ["augmentation", "dropout", "batch<br>norm"]
    assert list(layout(fig).yaxis.ticktext) == ["decay", "augmentation", "dropout"]
    (key,) = [note for note in layout(fig).annotations if note.name == "key"]
    assert all(name in key.text and meaning in key.text for name, (_, _, meaning) in VERDICTS.items())
    assert not [note for note in layout(matrix(random_table(2))).annotations if note.name == "key"]


def test_six_factors_have_signs_where_words_would_not_fit_and_the_key_explains_them():
    fig = matrix(six())
    key = next(note.text for note in layout(fig).annotations if note.name == "key")
    assert all(sign in key for _, sign, _ in VERDICTS.values())
    assert not any("seeds" in note.text for note in layout(fig).annotations)


def test_verdicts_differ_by_more_than_hue():
    assert len({sign for _, sign, _ in VERDICTS.values()}) == len(VERDICTS)


@pytest.mark.parametrize(
    ("value", "loss", "accuracy"),
    [
        (0.314, "+0.31", "+31.4"),
        (-0.05, "−0.05", "−5.0"),
        (0.0, "0.00", "0.0"),
        (-0.0004, "0.00", "0.0"),
        (math.nan, "diverged", "diverged"),
    ],
)
def test_changes_are_written_with_a_sign_and_accuracies_in_points(value: float, loss: str, accuracy: str):
    assert (LOSS.signed(value), ACCURACY.signed(value)) == (loss, accuracy)


# One pair


def test_the_lines_join_the_means_and_the_dashed_one_ends_at_the_sum():
    fig = together()
    assert list(trace(fig, "without decay").y) == pytest.approx([2.0, 1.5])
    assert list(trace(fig, "with decay").y) == pytest.approx([1.0, 1.2])
    assert list(trace(fig, "if effects added up").y) == pytest.approx([1.0, 0.5])
    assert "+0.70" in words(fig)
    singles = trace(fig, "with decay, single seeds").y
    assert np.isnan(singles[2::3]).all()
    assert len(singles) == 15
    assert trace(fig, "with decay").line.color == palette.ARMS["with"]


def test_accuracies_are_drawn_in_per_cent():
    fig = together(only(of_means(0.5, 0.7, 0.8, 0.9)), ACCURACY)
    assert list(trace(fig, "with decay").y) == pytest.approx([70, 90])
    assert "−10.0" in words(fig)


# Effects


def test_effects_have_their_intervals_and_both_ways():
    found = random_table(3)
    fig = effects(found)
    for way, (_, _, name) in effect_figures.WAYS.items():
        estimates = factorial.effects(found, averaged=way == "average")
        drawn = trace(fig, name)
        assert list(drawn.x) == pytest.approx([e.value for e in estimates.values()], abs=1e-6)
        assert list(drawn.error_x.array) == pytest.approx([e.high - e.value for e in estimates.values()], abs=1e-5)
    low, high = layout(fig).xaxis.range
    ends = [end for way in (True, False) for e in factorial.effects(found, averaged=way).values() for end in (e.low, e.high)]
    assert low < min(ends)
    assert max(ends) < high
    assert "← better" in words(fig)
    assert "better →" in words(effects(found, ACCURACY))


def test_the_axis_ends_at_round_numbers():
    def span(*values: float) -> list[float]:
        return effect_figures._span([0.0, *values])

    assert span(-0.33, 0.12) == pytest.approx([-0.5, 0.2])
    assert span(-0.31) == pytest.approx([-0.5, 0.02])
    assert span(-0.34, 0.11) == span(-0.33, 0.12)
    assert span(9.9) == pytest.approx([-0.02, 10.0])


# Ranking


def test_the_ranking_shows_means_ranges_and_what_each_is_made_of():
    found = of_means(2.0, 1.0, 1.5, 0.8, spread=0.1)
    fig = ranking(found, chosen=(1, 0))
    assert np.nansum([trace(fig, palette.ARM_NAMES[a]).x for a in ("with", "without")], 0) == pytest.approx([0.8, 1.0, 1.5, 2.0])
    ends = np.asarray(trace(fig, "range over the seeds").x).reshape(-1, 3)
    assert ends[0, :2] == pytest.approx([found.values[:, 1, 1].min(), found.values[:, 1, 1].max()])
    on = trace(fig, "on")
    assert sorted(zip(on.y, on.x, strict=True)) == [(0, 0), (0, 1), (1, 0), (2, 1)]
    chosen = trace(fig, "chosen by validation loss")
    assert (chosen.x[0], chosen.y[0]) == (pytest.approx(1.0), 1)
    assert "decay + augmentation" in next(t for t in trace(fig, palette.ARM_NAMES["with"]).text)
    assert list(layout(fig).xaxis2.ticktext) == ["decay", "augmentation"]


def test_what_diverged_is_said_and_has_no_dot():
    found = of_means(2.0, 1.0, 1.5, 0.8)
    found.values[0, 1, 0] = np.nan
    fig = ranking(found)
    assert "diverged" in words(fig)
    assert np.isnan(trace(fig, palette.ARM_NAMES["with"]).x[3])
    assert "diverged in 1 of 5 seeds" in trace(fig, palette.ARM_NAMES["with"]).text[3]


def test_many_rows_stand_closer():
    assert combinations.height(16) < combinations.height(64) < 1100
    assert combinations.height(4) < combinations.height(16)


# Strengths


def test_the_map_shows_the_best_decay_of_each_column_and_takes_clicks():
    fig = heat()
    best = trace(fig, "best decay")
    assert list(zip(best.x, best.y, strict=True)) == [(0, 1), (1, 1), (2, 0)]
    assert "decay 0.1" in best.text[0]
    put = layout(fig).meta["put"]
    assert put["x"] == {"name": "dropout", "values": ["0", "0.3", "0.6"]}
    assert put["y"] == {"name": "decay", "values": ["0", "0.1", "1"]}
    cells = trace(fig, "test loss")
    assert cells.zmax == pytest.approx(0.6 * 2.5)
    assert cells.colorbar.ticktext[-1].endswith("+")
    assert "test loss 0.60 nats, median of 2 seeds" in cells.hovertext[1][1]


def test_cells_without_a_number_say_why():
    counts = COUNTS.copy()
    counts[2, 2] = 0
    values = VALUES.copy()
    values[2, 1:] = np.nan
    fig = heat(values, counts)
    hover = trace(fig, "test loss").hovertext
    assert "not trained yet" in hover[2][2]
    assert "diverged" in hover[2][1]
    assert list(zip(trace(fig, "diverged").x, trace(fig, "diverged").y, strict=True)) == [(1, 2)]


def test_every_rival_has_a_name_for_its_axis():
    assert NAMED.keys() == RIVALS.keys()


def test_an_estimate_without_an_interval_has_no_bar():
    alone = Estimate(0.5, math.nan, math.nan, math.nan, 1)
    fig = go.Figure(effect_figures.effects({"alone": {"decay": alone}}, ["decay"], LOSS))
    assert list(traces(fig)[0].error_x.array) == [0]
