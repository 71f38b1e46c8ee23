"""The Tuning page's figures show the numbers they are given, name axes and choices, and stand up to what diverged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.test_figures import constants, layout, luminance, trace, traces
from wdviz.figures import palette, searching, tuning, validation
from wdviz.figures.searching import Bar
from wdviz.figures.tuning import WAYS, Scale
from wdviz.figures.validation import Folds

LOSS, ACCURACY = Scale("loss", "nats"), Scale("accuracy")
DECAYS = (0.0, 0.1, 1.0, 10.0, 100.0)
SINGLE = np.array([[6.0, 3.0, 0.8, 0.6, 0.7], [4.0, 2.0, 1.0, 0.4, 0.7], [5.0, 4.0, 0.9, 0.5, 0.7]])


def folds(**changes: Any) -> Folds:
    error = SINGLE.std(0, ddof=1) / math.sqrt(3)
    given = {"decays": DECAYS, "single": SINGLE, "mean": SINGLE.mean(0), "error": error, "train": np.array([0.01, 0.05, 0.3, 0.45, 0.7])}
    return Folds(**(given | changes))


def curve(found: Folds | None = None, scale: Scale = LOSS, **changes: Any) -> go.Figure:
    given = {"marks": {"best": 3, "simplest": 4}, "right": (3, 4), "guess": 2.5, "decay": 3.0}
    return go.Figure(validation.cross_validated(found or folds(), scale, **(given | changes)))


def words(fig: go.Figure) -> list[str]:
    return [note.text for note in layout(fig).annotations]


NAN = np.full(5, np.nan)
FIGURES = {
    "curve": curve,
    "exact": lambda: curve(folds(exact=SINGLE.mean(0), freedom=np.array([5.0, 4, 3, 2, 1]))),
    "accuracy": lambda: curve(folds(single=SINGLE / 9, mean=SINGLE.mean(0) / 9), ACCURACY, marks={"most_accurate": 0, "best": 3}),
    "one fold": lambda: curve(folds(single=SINGLE[:1], mean=SINGLE[0], error=NAN)),
    "some diverged": lambda: curve(folds(mean=np.array([5.0, 3.0, 0.9, 0.5, np.nan])), marks={"best": 3}),
    "all diverged": lambda: curve(folds(single=SINGLE * np.nan, mean=NAN, error=NAN, train=NAN), marks={}, right=None),
    "losses of zero": lambda: curve(folds(single=SINGLE * 0, mean=SINGLE[0] * 0, error=SINGLE[0] * 0, train=SINGLE[0] * 0)),
    "choices": lambda: go.Figure(tuning.choices(DECAYS, {"best": [2, 3, 3], "simplest": [3, 3, 4], "most_accurate": [0, 1, 2]}, guess=2.5)),
    "no choice": lambda: go.Figure(tuning.choices(DECAYS, {"best": [], "simplest": []}, guess=9.0)),
    "price": lambda: go.Figure(tuning.price({w: np.array([0.3, 0.4]) for w in WAYS}, {w: [1.0, 2.0] for w in WAYS}, LOSS)),
    "price of accuracy": lambda: go.Figure(tuning.price({w: np.array([0.8, 0.9]) for w in WAYS}, {w: [1.0, 2.0] for w in WAYS}, ACCURACY)),
    "price, diverged": lambda: go.Figure(tuning.price({w: np.array([np.nan]) for w in WAYS}, {w: [1.0] for w in WAYS}, LOSS)),
    "sealed": lambda: go.Figure(tuning.sealed(list(WAYS), "The test set is sealed.")),
    "searches": lambda: searched(),
    "searches, diverged": lambda: searched(np.array([[np.inf, 0.1], [np.nan, np.nan], [0.0, 0.0]])),
    "widths": lambda: widths(),
    "widths, diverged": lambda: widths((None, None)),
}  # fmt: skip


def searched(table: np.ndarray | None = None) -> go.Figure:
    above = {
        name: np.array([[0.1, 0.3, 0.2], [0.0, 0.1, 0.05], [0.0, 0.0, 0.0]]) if table is None else table for name in searching.SEARCHES
    }
    return go.Figure(searching.searches(above, dict.fromkeys(above, (3.0, 6.0, 11.0)), (3, 6, 11), unit="nats", split="validation"))


def widths(bars: tuple[Bar | None, ...] = (Bar(1, 10, False, False, 3), Bar(0.1, 1, True, False, 0.2))) -> go.Figure:
    given: dict[str, Any] = {"all_values": (20, 40, 80), "title": "training points", "percent": False, "now": 40, "ends": (0.05, 50.0)}
    return go.Figure(searching.widths((20, 80), bars, **given))


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_says_what_it_shows_and_travels(name):
    fig = FIGURES[name]()
    assert layout(fig).title.text
    axes = (layout(fig).xaxis, layout(fig).yaxis)
    assert any(axis.title.text for axis in axes)
    for axis in axes:
        assert axis.title.text or axis.ticktext
        if axis.range:
            assert all(math.isfinite(end) for end in axis.range)
            assert axis.range[0] != axis.range[1]
    as_json: Any = fig.to_json()
    assert json.loads(as_json, parse_constant=constants)["data"]
    assert "NaN" not in fig.to_html(include_plotlyjs=False)


# The curve


def test_the_mean_has_its_standard_errors_and_names_its_decay():
    mean = trace(curve(), "points held out")
    np.testing.assert_allclose(mean.y, SINGLE.mean(0), rtol=1e-6)
    np.testing.assert_allclose(mean.error_y.array, SINGLE.std(0, ddof=1) / math.sqrt(3), atol=1e-6)
    assert [text.split("<br>")[0] for text in mean.text] == [f"decay {d:g}" for d in DECAYS]
    assert list(layout(curve()).xaxis.ticktext) == ["0", "0.1", "1", "10", "100"]
    assert list(layout(curve()).xaxis.tickvals) == [0, 1, 2, 3, 4]


def test_on_a_log_axis_no_bar_reaches_zero():
    wide = folds(error=SINGLE.mean(0) * 3)
    mean = trace(curve(wide), "points held out")
    assert (np.array(mean.error_y.arrayminus) < mean.y).all()
    np.testing.assert_allclose(mean.error_y.array, SINGLE.mean(0) * 3, rtol=1e-5)


def test_single_folds_are_one_faint_line_each():
    faint = np.asarray(trace(curve(), "single").y).reshape(3, 6)
    np.testing.assert_allclose(faint[:, :5], SINGLE, rtol=1e-6)
    assert np.isnan(faint[:, 5]).all()


def test_the_regions_are_named_and_meet_at_the_range_that_is_about_right():
    fig = curve(right=(2, 3))
    assert {"overfits", "about right", "underfits"} <= set(words(fig))
    shaded = [(s.x0, s.x1) for s in layout(fig).shapes if s.type == "rect"]
    assert shaded == [(-0.5, 1.5), (3.5, 4.5)]
    backed = [note.text for note in layout(fig).annotations if note.bgcolor]
    assert backed == ["about right"], "the line of a guess would run through the word"


def test_a_region_that_is_empty_has_no_name():
    assert "overfits" not in words(curve(right=(0, 3)))
    assert "underfits" not in words(curve(right=(3, 4)))
    assert not {"overfits", "about right", "underfits"} & set(words(curve(right=None, marks={})))


def test_choices_are_named_with_their_decay_and_share_a_name_where_they_agree():
    assert {"lowest loss: 10", "one standard<br>error: 100"} <= set(words(curve()))
    assert "lowest loss<br>one standard<br>error: 10" in words(curve(marks={"best": 3, "simplest": 3}))
    marker = trace(curve(), "lowest loss")
    assert (marker.x[0], marker.y[0]) == (3, pytest.approx(0.5))


def test_the_guess_is_a_line_at_its_place_and_is_left_out_beyond_the_grid():
    def lines(fig: go.Figure) -> list[float]:
        return [s.x0 for s in layout(fig).shapes if s.type == "line"]

    assert lines(curve()) == [2.5]
    assert "your guess: 3" in words(curve())
    assert lines(curve(guess=5.0)) == []


def test_the_axis_holds_still_while_the_guess_moves_and_shows_all_means():
    ranges = {tuple(layout(curve(guess=g, decay=d)).yaxis.range) for g, d in ((0.0, 0.0), (2.5, 3.0), (4.0, 100.0))}
    assert len(ranges) == 1
    low, high = (10**end for end in ranges.pop())
    assert low < SINGLE.mean(0).min()
    assert high > SINGLE.mean(0).max() + 1


def test_a_click_takes_a_candidate_as_the_guess():
    assert layout(curve()).meta["put"]["x"] == {"name": "decay", "values": ["0", "0.1", "1", "10", "100"]}


def test_the_exact_curve_lies_under_the_mean_and_the_mean_tells_the_degrees_of_freedom():
    fig = FIGURES["exact"]()
    names = [t.name for t in traces(fig)]
    assert names.index("exact leave-one-out") < names.index("points held out")
    assert "exact leave-one-out" in words(fig)
    assert trace(fig, "points held out").text[1] == "decay 0.1<br>4.0 effective degrees of freedom"
    assert "exact leave-one-out" not in words(curve())


def test_lines_differ_by_more_than_hue():
    fig = FIGURES["exact"]()
    styles = {(t.line.dash, t.line.width, t.mode) for t in traces(fig) if t.mode and "lines" in t.mode}
    assert len(styles) == 4
    assert len({symbol for _, symbol, *_ in WAYS.values()}) == len(WAYS)
    assert len({(symbol, dash) for _, symbol, dash, _ in searching.SEARCHES.values()}) == 3


def test_accuracies_are_shares_on_a_linear_axis():
    axis = layout(FIGURES["accuracy"]()).yaxis
    assert (axis.type, axis.tickformat, axis.range) == (None, ".0%", (0, 1.03))


# Choices, price, searches, widths


def test_each_repetition_is_a_dot_and_the_median_a_bar():
    fig = FIGURES["choices"]()
    assert sorted(trace(fig, "lowest loss").x) == [2, 3, 3]
    assert len(set(zip(trace(fig, "lowest loss").x, trace(fig, "lowest loss").y, strict=True))) == 3  # none hides another
    bars = [s.x0 for s in layout(fig).shapes if s.line.width == 3]
    assert bars == [3, 3, 1]


def test_prices_are_paired_by_thin_lines_with_the_median_as_a_bar():
    values = {"oracle": np.array([0.2, 0.3, 0.4]), "best": np.array([0.3, 0.3, 0.5]), "none": np.array([2.0, 4.0, 3.0])}
    fig = go.Figure(tuning.price(values, {way: [1.0] * 3 for way in values}, LOSS))
    joined = np.asarray(trace(fig, "single").y).reshape(3, 4)[:, :3]
    np.testing.assert_allclose(joined, np.array(list(values.values())).T, rtol=1e-6)
    assert [s.y0 for s in layout(fig).shapes] == [0.3, 0.3, 3.0]
    low, high = (10**end for end in layout(fig).yaxis.range)
    assert low < 0.2
    assert high > 4


def test_a_sealed_test_set_shows_nothing_but_its_words():
    fig = FIGURES["sealed"]()
    assert words(fig) == ["The test set is sealed."]
    assert all(not t.x for t in traces(fig))


def test_searches_show_medians_and_ranges_and_only_where_no_repetition_diverged():
    fig = searched()
    grid = trace(fig, "grid")
    np.testing.assert_allclose(grid.y, [0.2, 0.05, 0], atol=1e-6)
    np.testing.assert_allclose(np.array(grid.error_y.array) + grid.y, [0.3, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(grid.y - np.array(grid.error_y.arrayminus), [0.1, 0, 0], atol=1e-6)
    assert list(layout(fig).xaxis.ticktext) == ["3", "6", "all 11"]
    assert np.isnan(np.asarray(trace(FIGURES["searches, diverged"](), "grid").y)).tolist() == [True, True, False]


def test_widths_are_bars_with_their_factors_of_ten_and_marks_where_they_are_open():
    fig = widths()
    bars = [(s.x0, s.x1, s.y0, s.y1) for s in layout(fig).shapes]
    np.testing.assert_allclose(bars, [(-0.16, 0.16, 1, 10), (1.84, 2.16, 0.1, 1)])
    assert words(fig) == ["1.00", "≥ 1.00"]
    assert [t.marker.symbol for t in traces(fig) if not t.name] == ["triangle-down"]
    assert list(layout(fig).xaxis.ticktext) == ["20", "<b>40</b>", "80"]


def test_ticks_of_a_log_axis():
    fig = tuning.Draft()
    tuning.log_axis(fig, "loss", 0.15, 12.0)
    assert fig.layout["yaxis"]["ticktext"] == ["0.2", "0.5", "1", "2", "5", "10"]
    tuning.log_axis(fig, "loss", 0.85, 3.2)
    assert fig.layout["yaxis"]["ticktext"] == ["1", "1.5", "2", "3"]
    tuning.log_axis(fig, "loss", 1.21, 1.45)
    assert fig.layout["yaxis"]["ticktext"] == ["1.3", "1.4"]
    tuning.log_axis(fig, "loss", 0.001, 12.0)
    assert fig.layout["yaxis"]["ticktext"] == ["0.001", "0.01", "0.1", "1", "10"]


def test_colours_of_the_ways_stand_out_from_a_white_page():
    for way, (colour, *_) in WAYS.items():
        if way != "most_accurate":  # Okabe and Ito's purple is drawn with a full-strength rim
            assert 1.05 / (luminance(colour) + 0.05) >= 3, way
    assert WAYS["none"][0] == palette.ARMS["without"]
