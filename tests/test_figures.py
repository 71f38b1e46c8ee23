"""Figures show the numbers they are given, name their axes, and stand up to runs that diverge or stop early."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.test_experiments import comparison, made
from wdviz import datasets
from wdviz.experiments import overfitting
from wdviz.experiments.overfitting import Comparison
from wdviz.figures import curves, decision, palette, weights
from wdviz.figures.draft import Draft
from wdviz.results import Arm, History
from wdviz.settings import DATASETS, Settings

SHORT = Settings(steps=60, seeds=3)
KINDS = {
    "default": SHORT,
    "one seed": replace(SHORT, seeds=1),
    "early stopping": replace(SHORT, steps=400, patience=10, regularisers=("early stopping",)),
    "with diverges": replace(SHORT, learning_rate=10.0, decay=100.0),
    "both diverge": replace(SHORT, optimiser="sgd", learning_rate=10.0),
    "linear": replace(SHORT, model="linear"),
    "curve": replace(SHORT, dataset="sine", n_train=20),
    "values on a plane": replace(SHORT, dataset="diabetes"),
    "ten classes": replace(SHORT, dataset="digits", noise=0.0),
}
FIGURES = ("losses", "scores", "minimised", "steps", "norms", "histogram", "answers without", "answers with")


@pytest.fixture(scope="module")
def real() -> dict[str, Comparison]:
    return {kind: overfitting.run(chosen) for kind, chosen in KINDS.items()}


def draw(name: str, c: Comparison, **more: Any) -> go.Figure:
    """The figure, built once more with Plotly's own check of every property, which `Draft` leaves out."""
    return go.Figure(drawn(name, c, **more))


def drawn(name: str, c: Comparison, **more: Any) -> go.Figure:
    regression = c.split.task == "regression"
    unit = "half squared error" if regression else "nats"
    layer = c.without.histories[0].layers[-1]
    match name:
        case "losses":
            return curves.losses(c.arms, unit=unit, **more)
        case "scores":
            return curves.scores(c.arms, name="R2" if regression else "accuracy", **more)
        case "minimised":
            return curves.minimised(c.with_decay, unit=unit, **more)
        case "steps":
            return curves.step_losses(c.arms, unit=unit, **more)
        case "norms":
            return curves.norms(c.arms, len(c.without.histories[0].layers) - 1, pure_shrink=True, **more)
        case "histogram":
            return weights.histogram(c.arms, layer)
        case _:
            arm = c.without if name.endswith("without") else c.with_decay
            return decision.decision(arm, c.split, c.plane, test_points=True)


def traces(fig: go.Figure) -> list[Any]:
    found: Any = fig.data
    return list(found)


def layout(fig: go.Figure) -> Any:
    return fig.layout


def trace(fig: go.Figure, name: str) -> Any:
    found = [t for t in traces(fig) if t.name == name]
    assert len(found) == 1, [t.name for t in traces(fig)]
    return found[0]


def median_trace(fig: go.Figure, split: str, arm: str, what: str) -> np.ndarray:
    return np.asarray(trace(fig, f"{split} {what}, {arm} decay").y)


def constants(text: str) -> Any:
    raise AssertionError(f"{text} is not JSON")


# Every figure of every kind of result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_says_what_it_shows_and_travels(real, kind, name):
    fig = draw(name, real[kind])
    for title in (layout(fig).title, layout(fig).xaxis.title, layout(fig).yaxis.title):
        assert title.text
        assert title.text.strip() == title.text
    assert traces(fig)
    assert all(t.name for t in traces(fig) if t.type != "heatmap")

    as_json: Any = fig.to_json()
    assert json.loads(as_json, parse_constant=constants)["data"]
    page = fig.to_html(include_plotlyjs=False)
    assert "Plotly.newPlot" in page
    assert "NaN" not in page
    ranges = [axis.range for axis in (layout(fig).xaxis, layout(fig).yaxis) if axis.range]
    assert all(math.isfinite(end) for each in ranges for end in each)
    assert all(low < high for low, high in ranges)


@pytest.mark.parametrize("kind", ["default", "curve"])
def test_units_are_on_the_axes(real, kind):
    unit = "half squared error" if kind == "curve" else "nats"
    assert layout(draw("losses", real[kind])).yaxis.title.text == f"loss ({unit}, log)"
    assert unit in layout(draw("minimised", real[kind])).yaxis.title.text
    assert unit in layout(draw("steps", real[kind])).yaxis.title.text
    assert layout(draw("scores", real[kind])).yaxis.title.text == ("R2" if kind == "curve" else "accuracy")
    assert layout(draw("losses", real[kind])).xaxis.title.text == "training step"


@pytest.mark.parametrize("name", ["losses", "norms", "histogram", "scores"])
def test_axes_hold_still_while_decay_moves(real, name):
    ours, other = real["default"], real["with diverges"]
    moved = replace(ours, with_decay=other.with_decay)
    for axis in ("xaxis", "yaxis"):
        assert layout(draw(name, ours))[axis].range == layout(draw(name, moved))[axis].range


# Decision maps


def decoded(predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = math.isqrt(len(predictions))
    codes, levels = decision.encode_map(predictions, size), decision.levels(max(predictions.shape[1], 2))
    assert codes.dtype == np.uint8
    assert codes.shape == (size, size)
    return codes.ravel() // levels, (codes.ravel() % levels) / (levels - 1)


@st.composite
def probabilities(draw: st.DrawFn) -> np.ndarray:
    points, classes = draw(st.sampled_from([1, 4, 9])), draw(st.integers(2, 10))
    raw = draw(arrays.arrays(np.float64, (points, classes), elements=st.floats(0, 1)))
    return ((raw + 1e-6) / (raw + 1e-6).sum(1, keepdims=True)).astype(np.float32)


@given(probabilities())
def test_a_map_keeps_class_and_margin(p):
    chosen, margin = decoded(p)
    ordered = np.sort(p, 1)
    np.testing.assert_array_equal(chosen, p.argmax(1))
    np.testing.assert_allclose(margin, ordered[:, -1] - ordered[:, -2], atol=0.5 / (256 // p.shape[1] - 1) + 1e-6)


@given(arrays.arrays(np.float32, (4, 1), elements=st.floats(-5, 5, width=32)))
def test_a_map_of_values_keeps_side_and_distance(values):
    side, distance = decoded(values)
    np.testing.assert_array_equal(side, values[:, 0] > 0)
    np.testing.assert_allclose(distance, np.minimum(np.abs(values[:, 0]) / 2, 1), atol=0.5 / 127 + 1e-6)


@given(arrays.arrays(np.float32, (9, 3), elements=st.floats(width=32)), st.booleans())
def test_a_map_of_anything_stays_on_the_scale(anything, one):
    chosen, margin = decoded(anything[:, :1] if one else anything)
    assert chosen.max() < (2 if one else 3)
    assert margin.max() <= 1


@pytest.mark.parametrize("classes", [1, 2, 3, 10])
def test_a_film_of_maps_is_the_maps_one_by_one(classes):
    frames = np.random.default_rng(classes).normal(size=(5, 16, classes)).astype(np.float32)
    frames[1, 3], frames[2, 4, 0] = np.nan, np.inf
    film = decision.encode(frames)
    assert film.shape == (5, 16)
    np.testing.assert_array_equal(film.reshape(5, 4, 4), [decision.encode_map(frame, 4) for frame in frames])


def test_a_map_lies_where_its_grid_does():
    # Row j, column i of the map is the point (x[i], y[j]).
    c = comparison([made()], [made()])
    p = (c.plane.grid[:, 0] > c.plane.x[30]).astype(np.float32)
    history = replace(made(), grid=np.column_stack([1 - p, p]))
    fig = decision.decision(Arm("with", 2.0, (history,)), c.split, c.plane)
    heat = next(t for t in traces(fig) if t.type == "heatmap")
    assert heat.meta["levels"] == 128
    classes = np.asarray(heat.z) // 128
    assert (classes == (np.arange(80) > 30)).all()  # the same in each row
    assert heat.x0 + heat.dx * 79 == pytest.approx(c.plane.x[-1], abs=1e-4)
    assert heat.y0 + heat.dy * 79 == pytest.approx(c.plane.y[-1], abs=1e-4)


def colour_at(heat: Any, value: float) -> list[float]:
    stops = [(at, [int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for at, colour in heat.colorscale]
    where = value / heat.zmax
    return [float(np.interp(where, [at for at, _ in stops], [rgb[i] for _, rgb in stops])) for i in range(3)]


@pytest.mark.parametrize("kind", ["default", "ten classes", "values on a plane"])
def test_a_map_is_pale_at_the_boundary_and_saturated_where_the_network_is_sure(real, kind):
    heat = next(t for t in traces(draw("answers with", real[kind])) if t.type == "heatmap")
    classes = len(real[kind].split.classes) or 2
    levels = heat.meta["levels"]
    assert levels == 256 // classes
    assert np.asarray(heat.z).max() <= heat.zmax == classes * levels - 1
    for i in range(classes):
        assert colour_at(heat, i * levels) == pytest.approx([255, 255, 255])
        colour = palette.CLASS_COLOURS[i]
        assert colour_at(heat, i * levels + levels - 1) == pytest.approx([int(colour[j : j + 2], 16) for j in (1, 3, 5)])


def test_classes_differ_in_symbol_and_colour(real):
    assert len(set(palette.CLASS_SYMBOLS)) == len(palette.CLASS_SYMBOLS) == len(set(palette.CLASS_COLOURS))
    assert max(len(datasets.REGISTRY[name].classes) for name in DATASETS) <= len(palette.CLASS_SYMBOLS)
    points = [
        t
        for t in traces(draw("answers with", real["ten classes"]))
        if t.type == "scatter" and t.showlegend and not t.name.startswith("flipped")
    ]
    assert len(points) == 10
    assert len({t.marker.symbol for t in points}) == len({t.marker.color for t in points}) == 10


@pytest.mark.parametrize("kind", ["default", "ten classes", "curve", "values on a plane"])
def test_every_training_point_is_drawn_once_and_each_flipped_one_has_its_rings(real, kind):
    c = real[kind]
    drawn = traces(draw("answers with", c))
    train = [t for t in drawn if t.type == "scatter" and t.mode == "markers" and t.showlegend and not t.name.startswith("flipped")]
    points = np.concatenate([np.column_stack([t.x, t.y]) for t in train])
    np.testing.assert_array_equal(np.unique(points, axis=0), np.unique(c.plane.points, axis=0))
    assert len(points) == c.split.n_train
    for i, name in enumerate(c.split.classes):
        np.testing.assert_array_equal(train[i].x, c.plane.points[c.split.y_train[: c.split.n_train] == i, 0], err_msg=name)
    rings = [t for t in drawn if (t.name or "").startswith("flipped") and not t.showlegend and t.showlegend is not None]
    assert [len(t.x) for t in rings] == ([c.split.flipped.sum()] * 2 if c.split.flipped.any() else [])


def test_test_points_are_drawn_on_demand(real):
    c = real["default"]
    without = decision.decision(c.with_decay, c.split, c.plane)
    assert not [t for t in traces(without) if t.name and t.name.endswith(", test")]
    test = [t for t in traces(draw("answers with", c)) if t.name and t.name.endswith(", test")]
    assert sum(len(t.x) for t in test) == len(c.split.x_test)


# Histograms


def three_counts(c: Comparison, layer: str) -> tuple[go.Figure, dict[str, np.ndarray]]:
    fig = weights.histogram(c.arms, layer)
    return fig, {t.name: np.asarray(t.y) for t in traces(fig)}


@pytest.mark.parametrize("kind", ["default", "linear", "ten classes", "early stopping"])
def test_a_histogram_counts_every_weight_on_shared_bins(real, kind):
    c = real[kind]
    for layer in c.without.histories[0].layers:
        fig, counts = three_counts(c, layer)
        size = c.without.histories[0].params[layer]["weight"].size
        assert counts.keys() == {"without decay", "with decay", "at the start"}
        for name, each in counts.items():
            assert np.nansum(each) == size, name
        first, *others = traces(fig)
        for other in others:
            np.testing.assert_array_equal(other.x, first.x)
        centres = np.asarray(first.x, float)
        np.testing.assert_allclose(np.diff(centres), first.width, rtol=1e-4)
        assert np.abs(centres).min() < 1e-6  # zero is the middle of a bin
        np.testing.assert_allclose(centres, -centres[::-1], atol=1e-6)


def test_a_histogram_agrees_with_a_count_by_hand(real):
    c = real["default"]
    fig, counts = three_counts(c, "output")
    bar: Any = traces(fig)[0]
    w = c.without.histories[0].params["output"]["weight"].ravel()
    nearest = np.abs(w[:, None] - np.asarray(bar.x, float)).argmin(1)
    np.testing.assert_array_equal(counts["without decay"], np.bincount(nearest, minlength=len(bar.x)))


def test_weights_beyond_the_bins_count_in_the_last_ones():
    far = replace(made(), params={"output": {"weight": np.array([[50.0, -50.0], [50.0, 0.0]])}})
    counts = three_counts(comparison([made()], [far]), "output")[1]["with decay"]
    assert (counts[0], counts[30], counts[-1], counts.sum()) == (1, 1, 2, 4)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_an_arm_that_is_not_finite_is_left_out_of_the_histogram(broken):
    bad = replace(made(), params={"output": {"weight": np.array([[1.0, broken], [0.0, 1.0]])}})
    assert list(three_counts(comparison([made()], [bad]), "output")[1]) == ["without decay", "at the start"]
    assert list(three_counts(comparison([bad], [made()]), "output")[1]) == ["with decay", "at the start"]
    assert list(three_counts(comparison([bad], [bad]), "output")[1]) == ["at the start"]


@given(arrays.arrays(np.float32, (3, 7), elements=st.floats(-4, 4, width=32)), st.integers(0, 6))
def test_counting_agrees_with_numpy_row_by_row(rows, broken):
    edges = np.linspace(-2, 2, 10)
    rows[0, broken] = np.nan
    rows[1, broken] = -np.inf
    for row, found in zip(rows, weights.count(rows, edges), strict=True):
        finite = row[np.isfinite(row)]
        np.testing.assert_array_equal(found, np.histogram(np.clip(finite, -2, 2), edges)[0])
    np.testing.assert_array_equal(weights.count(rows[2], edges), weights.count(rows, edges)[2])


def test_weights_that_are_all_zero_have_a_bin():
    zero = {"output": {"weight": np.zeros((2, 2))}}
    dead = replace(made(), start=zero, params=zero)
    counts = three_counts(comparison([dead], [dead]), "output")[1]
    assert counts["with decay"][30] == 4


# Curves


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", ["default", "one seed"])
def test_the_bold_line_is_the_median_of_the_seeds(real, kind, split):
    c = real[kind]
    for arm in c.arms:
        expected = np.median([h.losses[split] for h in arm.histories], axis=0)
        np.testing.assert_allclose(median_trace(draw("losses", c), split, arm.name, "loss"), expected, rtol=1e-6)
        expected = np.median([h.scores[split] for h in arm.histories], axis=0)
        np.testing.assert_allclose(median_trace(draw("scores", c), split, arm.name, "accuracy"), expected, rtol=1e-6)


def test_faint_lines_are_the_seeds_with_gaps_between(real):
    c = real["default"]
    fig = draw("norms", c)
    faint: Any = trace(fig, "with, seeds")
    lines = [h.norms[:, -1] for h in c.with_decay.histories]
    np.testing.assert_array_equal(faint.y, np.concatenate([np.r_[line, np.float32(np.nan)] for line in lines]))
    assert not [t for t in traces(draw("norms", real["one seed"])) if t.name.endswith("seeds")]


def shortened(history: History, checkpoints: int) -> History:
    cut = slice(0, checkpoints)
    return replace(
        history,
        steps=history.steps[cut],
        losses={s: v[cut] for s, v in history.losses.items()},
        scores={s: v[cut] for s, v in history.scores.items()},
        penalty=history.penalty[cut],
        shrink=history.shrink[cut],
        norms=history.norms[cut],
        angles=history.angles[cut],
        kept=checkpoints - 1,
    )


def test_the_median_ends_where_the_first_seed_stops(real):
    c = real["default"]
    lengths = (10, 30, 20)
    arm = replace(c.with_decay, histories=tuple(shortened(h, n) for h, n in zip(c.with_decay.histories, lengths, strict=True)))
    fig = curves.losses([c.without, arm])
    median = median_trace(fig, "test", "with", "loss")
    assert len(median) == 30
    np.testing.assert_allclose(median[:10], np.median([h.losses["test"][:10] for h in arm.histories], axis=0), rtol=1e-6)
    assert np.isnan(median[10:]).all()
    bold: Any = trace(fig, "test loss, with decay")
    np.testing.assert_array_equal(bold.x, c.with_decay.histories[0].steps[:30])
    assert layout(fig).xaxis.range[1] == c.without.histories[0].steps[-1]


@pytest.mark.parametrize("count", [1, 2])
def test_seeds_that_diverge_leave_no_median_and_no_end_label(real, count):
    c = real["default"]
    seeds = c.with_decay.histories[:2]
    broken = [
        replace(h, losses={s: np.full_like(v, np.inf) for s, v in h.losses.items()}, norms=np.full_like(h.norms, np.inf))
        for h in seeds[:count]
    ]
    arms = (c.without, replace(c.with_decay, histories=(*broken, *seeds[count:])))
    for fig in (curves.losses(arms), curves.norms(arms, 0, pure_shrink=False)):
        assert {a.name for a in layout(fig).annotations} == {"without"}
    assert np.isnan(median_trace(curves.losses(arms), "train", "with", "loss")).all()


def test_numbers_near_the_end_of_the_range_of_float32_are_drawn():
    huge = np.float32(3e38)
    loud = replace(
        made(),
        losses={s: np.array([1, huge], np.float32) for s in ("train", "validation", "test")},
        penalty=np.array([1, huge], np.float32),
        shrink=np.array([1, huge], np.float32),
        norms=np.array([[9], [huge]], np.float32),
    )
    c = comparison([made(), made()], [loud, loud])
    top = layout(curves.minimised(c.with_decay)).yaxis.range[1]
    assert 6e38 < top < math.inf
    for name in ("losses", "norms", "scores", "steps"):
        draw(name, c)
    draw("norms", comparison([loud, replace(loud, norms=np.array([[2], [np.inf]], np.float32))], [loud]))


def test_a_norm_that_overflows_leaves_the_axis_finite():
    broken = made(norm=math.inf)
    low, high = layout(curves.norms(comparison([broken], [broken]).arms, 0, pure_shrink=True)).yaxis.range
    assert (low, high) == (0, pytest.approx(2.4))  # 1.2 x the norm at the start


@pytest.mark.parametrize("kind", ["default", "early stopping"])
def test_the_sum_that_is_minimised_is_stacked(real, kind):
    history = real[kind].with_decay.histories[0]
    parts = traces(draw("minimised", real[kind]))
    assert [t.name for t in parts] == ["data loss", "penalty"]
    assert len({t.stackgroup for t in parts}) == 1
    np.testing.assert_allclose(parts[0].y, history.losses["train"])
    squares = sum((h["weight"].astype(float) ** 2).sum() for h in history.params.values())
    assert parts[1].y[history.kept] == pytest.approx(KINDS[kind].decay / 2 * squares, rel=1e-4)
    assert parts[0].fillpattern.shape != parts[1].fillpattern.shape


def test_batch_losses_of_each_step_are_all_there(real):
    c = real["default"]
    for arm in c.arms:
        line: Any = trace(draw("steps", c), palette.ARM_NAMES[arm.name])
        np.testing.assert_allclose(line.y, np.maximum(arm.histories[0].step_losses, 1e-4))
        assert (line.x0, line.dx, len(line.y)) == (1, 1, 60)


# Norms


@pytest.mark.parametrize(("optimiser", "kind"), [("adam", "decoupled"), ("sgd", "coupled")])
def test_the_dotted_line_is_the_closed_form_of_decay_alone(optimiser, kind):
    chosen = Settings(width=4, steps=60, seeds=1, schedule="constant", optimiser=optimiser, decay_kind=kind, learning_rate=0.02, decay=3.0)
    c = overfitting.run(chosen)
    for layer in range(3):
        history = c.with_decay.histories[0]
        dotted: Any = trace(curves.norms(c.arms, layer, pure_shrink=True), "decay alone")
        expected = (1 - 0.02 * 3.0) ** np.asarray(dotted.x, float) * history.norms[0, layer]
        np.testing.assert_allclose(dotted.y, expected, rtol=1e-4)
        assert dotted.line.dash == "dot"
        start = np.linalg.norm(history.start[history.layers[layer]]["weight"])
        assert dotted.y[0] == pytest.approx(start, rel=1e-5)


def test_the_dotted_line_is_absent_where_there_is_none(real):
    c = real["default"]
    assert "decay alone" not in [t.name for t in traces(curves.norms(c.arms, 0, pure_shrink=False))]
    still = replace(c, with_decay=replace(c.with_decay, histories=c.without.histories))
    assert "decay alone" not in [t.name for t in traces(curves.norms(still.arms, 0, pure_shrink=True))]


def test_the_dotted_line_is_there_once_decay_sets_in():
    c = overfitting.run(replace(SHORT, seeds=1, decay=0.0, switch_at=30, decay_after=5.0))
    dotted = np.asarray(trace(curves.norms(c.arms, 0, pure_shrink=True), "decay alone").y)
    steps = c.with_decay.histories[0].steps
    np.testing.assert_array_equal(dotted[steps <= 30], dotted[0])
    assert (np.diff(dotted[steps >= 30]) < 0).all()


# Playback and the switch


def test_lines_that_a_point_follows_name_their_arm(real):
    expected = {"losses": ["without", "without", "with", "with"], "scores": ["without", "without", "with", "with"]}
    expected |= {"norms": ["without", "with"], "steps": ["without", "with"], "minimised": []}
    for name, arms in expected.items():
        followed = [t for t in traces(draw(name, real["default"])) if t.meta]
        assert [t.meta["follow"] for t in followed] == arms
        assert all(t.name.endswith(f"{t.meta['follow']} decay") for t in followed)


@pytest.mark.parametrize("step", [10, 30, 50, 60])
@pytest.mark.parametrize("name", ["losses", "scores", "minimised", "steps", "norms"])
def test_a_switch_is_a_line_with_words_and_moves_no_axis(real, name, step):
    c = real["default"]
    plain, marked = draw(name, c), draw(name, c, switch=(step, "decay 0 from here"))
    assert not layout(plain).shapes
    (line,) = layout(marked).shapes
    assert (line.type, line.x0, line.x1, line.y0, line.y1, line.yref, line.line.dash) == ("line", step, step, 0, 1, "paper", "dot")
    *others, words = layout(marked).annotations
    assert (words.text, words.x, words.y, words.yref) == ("decay 0 from here", step, 1, "paper")
    assert words.xanchor == ("left" if step <= 30 else "right")
    assert [a.text for a in others] == [a.text for a in layout(plain).annotations]
    for part in ("xaxis", "yaxis", "margin"):
        assert layout(marked)[part] == layout(plain)[part]


def test_a_switch_that_was_never_reached_is_not_drawn(real):
    marked = layout(draw("losses", real["default"], switch=(61, "decay 0 from here")))
    assert not marked.shapes
    assert {a.name for a in marked.annotations} == {"without", "with"}


# Telling lines apart


@given(st.lists(st.floats(-0.5, 1.5) | st.just(math.nan), max_size=4))
def test_end_labels_stay_inside_apart_and_in_order(ends):
    draft = Draft()
    curves.label_ends(draft, [(str(i), "with", y) for i, y in enumerate(ends)], (0.0, 1.0))
    labels = layout(draft.figure()).annotations
    assert sorted(int(a.text) for a in labels) == [i for i, y in enumerate(ends) if math.isfinite(y)]
    places = np.array([a.y for a in labels])
    if not places.size:
        return
    assert places.min() >= -1e-9
    assert places.max() <= 1 + 1e-9
    assert (np.diff(places) >= 0.085 - 1e-9).all()
    shown = np.clip([ends[int(a.text)] for a in labels], 0, 1)
    assert (np.diff(shown) >= 0).all()
    if (np.diff(shown) >= 0.085).all():
        np.testing.assert_allclose(places, shown)


def test_a_label_that_is_in_nobodys_way_stays_at_its_line():
    draft = Draft()
    curves.label_ends(draft, [(text, "with", y) for text, y in (("a", 0.0), ("b", 0.98), ("c", 0.99), ("d", 1.0))], (0.0, 1.0))
    assert [a.y for a in layout(draft.figure()).annotations] == pytest.approx([0.0, 0.83, 0.915, 1.0])


def test_lines_are_named_at_their_ends(real):
    labels = [a.text for a in layout(draw("losses", real["default"])).annotations]
    assert sorted(labels) == ["test, with", "test, without", "train, with", "train, without"]
    fig = draw("scores", real["default"])
    found = {a.text: a.y for a in layout(fig).annotations}
    ends = {(s, a): median_trace(fig, s, a, "accuracy")[-1] for s in ("train", "test") for a in ("with", "without")}
    assert found.keys() == {f"{s}, {a}" for s, a in ends}
    order = sorted(found, key=lambda text: found[text])
    values = [ends[s, a] for s, a in (text.split(", ") for text in order)]
    assert values == sorted(values)


def test_arms_differ_by_more_than_colour(real):
    c = real["default"]
    patterns = {t.marker.pattern.shape for t in traces(draw("histogram", c)) if t.type == "bar"}
    assert len(patterns) == 2
    assert len({t.line.dash for t in traces(draw("steps", c))}) == 2
    fig = draw("losses", c)
    assert {t.line.dash for t in traces(fig) if "train" in t.name} == {"solid"}
    assert {t.line.dash for t in traces(fig) if "test" in t.name} == {"dash"}
    for name in ("losses", "norms", "scores"):  # there a label at the end of the line names the arm
        assert {a.name for a in layout(draw(name, c)).annotations} == {"without", "with"}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_stand_out_from_a_white_page():
    for colour in palette.ARMS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 2.2, 1.4.11, for graphics


def test_tint():
    assert palette.tint("#0072B2", 0.25) == "rgba(0,114,178,0.25)"


def arrays_in(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        if "bdata" in value:
            yield value
        for item in value.values():
            yield from arrays_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from arrays_in(item)


def test_pictures_are_small_to_send(real):
    spec: Any = draw("answers with", real["ten classes"]).to_plotly_json()
    sizes = [len(base64.b64decode(a["bdata"])) for a in arrays_in(spec)]
    assert max(sizes) == 80 * 80  # the map, one byte a point
