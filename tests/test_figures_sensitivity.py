"""The Sensitivity page's figures show the numbers they are given, with axes that hold still, and stand up to runs that diverge."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.test_figures import constants, layout, trace, traces
from wdviz.experiments import sensitivity
from wdviz.experiments.sensitivity import LADDERS, Sensitivity
from wdviz.figures import palette, reaction
from wdviz.figures import sensitivity as figures
from wdviz.measured import Calibration
from wdviz.plans import Probe
from wdviz.settings import Settings

SHORT = Settings(steps=60, seeds=2)
KINDS = {
    "default": SHORT,
    "with diverges": replace(SHORT, learning_rate=10.0, decay=100.0),
    "both diverge": replace(SHORT, optimiser="sgd", learning_rate=10.0),
    "curve": replace(SHORT, dataset="sine", n_train=20, seeds=1),
    "digits": replace(SHORT, dataset="digits", noise=0.0, seeds=1),
}
RUNGS = LADDERS["decoupled"]


@pytest.fixture(scope="module")
def real() -> dict[str, Sensitivity]:
    return {kind: sensitivity.run(chosen) for kind, chosen in KINDS.items()}


def first_picture(found: Sensitivity) -> Sensitivity:
    """As it is before the ladder."""
    return replace(found, ladder=(), normalised=(), plain=())


def drawn(f: Sensitivity) -> dict[str, go.Figure]:
    """All figures of a kind, built with Plotly's own check of every property, which `Draft` leaves out."""
    classes, reference = len(f.split.classes), f.without.probed[0]
    found = {what: figures.under_noise(f.arms, f.ladder, what, classes=classes, spoken=0.3) for what in _scores(f)}
    found["decay"] = figures.against_decay(f.arms, f.ladder, RUNGS)
    found |= {f"rescaled {what}": figures.rescaling(f.normalised, f.plain, what) for what in ("change", *_scores(f)[:1])}
    if classes:
        found["calibration"] = figures.miscalibration(f.arms, f.ladder, RUNGS)
        found["reliability"] = figures.reliability(f.arms)
        found["distance"] = figures.flipping_distance(f.arms)
    if f.flipped:
        pair = dict(zip(palette.ARMS, f.flipped, strict=True))
        found |= {f"image {name}": reaction.images(flipped, name, f.split.classes) for name, flipped in pair.items()}
        found["probabilities"] = reaction.probabilities(f.flipped, f.split.classes)
    elif f.split.inputs == 1:
        found |= {f"map {arm.name}": reaction.slope(arm, reference, f.plane) for arm in f.arms}
    else:
        found |= {f"map {arm.name}": reaction.plane_map(arm, reference, f.split, f.plane) for arm in f.arms}
    return {name: go.Figure(fig) for name, fig in found.items()}


def _scores(f: Sensitivity) -> tuple[str, str]:
    return ("accuracy", "loss") if f.split.classes else ("R2", "loss")


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_each_figure_says_what_it_shows_and_travels(real, kind, partial):
    for name, fig in drawn(first_picture(real[kind]) if partial else real[kind]).items():
        for title in (layout(fig).title, layout(fig).xaxis.title, layout(fig).yaxis.title):
            assert title.text, name
        as_json = fig.to_json()
        assert as_json
        assert json.loads(as_json, parse_constant=constants)["data"] is not None
        ranges = [axis.range for axis in (layout(fig).xaxis, layout(fig).yaxis) if axis.range]
        assert all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in ranges), name
        assert all(t.name for t in traces(fig)), name


def test_axes_and_colours_hold_still_while_decay_moves(real):
    ours, other = real["default"], real["with diverges"]
    moved = replace(ours, with_decay=other.with_decay)
    for (name, a), b in zip(drawn(ours).items(), drawn(moved).values(), strict=True):
        for axis in ("xaxis", "yaxis"):
            assert layout(a)[axis].range == layout(b)[axis].range, name
        if name.startswith("map"):
            assert traces(a)[0].zmax == traces(b)[0].zmax


def test_both_maps_share_their_colours_and_show_the_numbers(real):
    f = real["default"]
    figs = drawn(f)
    a, b = (traces(figs[f"map {name}"])[0] for name in palette.ARMS)
    assert (a.zmin, a.zmax) == (b.zmin, b.zmax) == (0, pytest.approx(np.quantile(f.without.probed[0].map, 0.98)))
    assert a.colorscale == b.colorscale
    np.testing.assert_array_equal(a.z, f.without.probed[0].map.reshape(80, 80))
    at = (30, 50)  # rows go up the second input
    assert f.plane.grid[30 * 80 + 50] == pytest.approx([a.x0 + 50 * a.dx, a.y0 + 30 * a.dy], abs=1e-4)
    assert a.z[at] == f.without.probed[0].map[30 * 80 + 50]
    lines = [t for t in traces(figs["map without"]) if t.type == "contour"]
    p = f.without.probed[0].answers
    np.testing.assert_allclose(lines[0].z.ravel(), p[:, 1] - p[:, 0], atol=1e-6)
    assert {line.contours.start for line in lines} == {0}


def test_lines_under_noise_are_medians(real):
    f = real["default"]
    fig = drawn(f)["accuracy"]
    for arm in f.arms:
        np.testing.assert_allclose(trace(fig, palette.ARM_NAMES[arm.name]).y, np.median([p.scores for p in arm.probed], 0), rtol=1e-6)
    assert {t.name for t in traces(fig)} >= {f"decay {d:g}" for d in RUNGS}
    assert {a.name for a in layout(fig).annotations} == {"without", "with"}


def test_the_ladder_shows_medians_ranges_and_the_visitors_own(real):
    f = real["default"]
    fig = drawn(f)["decay"]
    line = trace(fig, "mean Jacobian norm")
    spreads = [rung.spread(lambda p: p.reaction) for rung in f.ladder]
    np.testing.assert_allclose(line.y, np.maximum([s.median for s in spreads], figures.FLOOR))
    np.testing.assert_allclose(line.y + line.error_y.array, np.maximum([s.high for s in spreads], figures.FLOOR))
    assert list(layout(fig).xaxis.ticktext) == [f"{d:g}" for d in RUNGS]
    assert layout(fig).meta["put"]["x"]["values"] == [f"{d:g}" for d in RUNGS]
    own = trace(fig, "with decay")
    assert own.x[0] == pytest.approx(3 + math.log(2) / math.log(3))  # decay 2 between the rungs 1 and 3
    assert own.y[0] == pytest.approx(f.with_decay.spread(lambda p: p.reaction).median)


@pytest.mark.parametrize(("decay", "place"), [(0, 0), (0.1, 1), (0.3, 2), (30, 6), (100, 6), (math.sqrt(3) / 10, 1.5)])
def test_where_a_decay_lies_on_the_ladder(decay, place):
    assert figures.placed(RUNGS, decay) == pytest.approx(place, abs=1e-6)


def test_places_rise_with_decay():
    places = [figures.placed(RUNGS, d) for d in np.geomspace(1e-4, 100, 60)]
    assert places == sorted(places)
    assert 0 < places[0] < 1


def test_bins_of_all_seeds_are_counted_together():
    rng = np.random.default_rng(0)
    parts = [(rng.random(30), rng.random(30) < 0.5) for _ in range(3)]
    pooled = figures.pool([Calibration.of(*part) for part in parts])
    whole = Calibration.of(np.concatenate([sure for sure, _ in parts]), np.concatenate([right for _, right in parts]))
    np.testing.assert_array_equal(pooled.counts, whole.counts)
    np.testing.assert_allclose(pooled.accuracy, whole.accuracy)
    np.testing.assert_allclose(pooled.confidence, whole.confidence)


def test_the_share_that_flips_is_counted_over_all_points(real):
    f = real["default"]
    fig = drawn(f)["distance"]
    line, end = trace(fig, "without decay"), layout(fig).xaxis.range[1]
    at = len(line.x) // 2
    length = np.linspace(0, end, len(line.x))[at]
    expected = np.mean([(p.distances <= length).mean() for p in f.without.probed])
    assert line.y[at] == pytest.approx(expected, abs=1e-6)
    assert (np.diff(line.y) >= 0).all()


def test_images_lie_as_the_pixels_do(real):
    f = real["digits"]
    fig = drawn(f)["image with"]
    maps = [t for t in traces(fig) if t.type == "heatmap"]
    assert len(maps) == 4
    clean, _, change, after = maps
    flipped = f.flipped[1]
    np.testing.assert_array_equal(clean.z[::-1].ravel(), flipped.clean)  # the first row of pixels on top
    np.testing.assert_allclose(change.z[::-1].ravel(), flipped.change)
    np.testing.assert_allclose(after.z[::-1].ravel(), flipped.x + flipped.change)
    assert change.zmin == -change.zmax
    bars = drawn(f)["probabilities"]
    np.testing.assert_allclose(trace(bars, "with decay").y, flipped.probabilities, rtol=1e-6)
    assert f"<b>{f.split.classes[flipped.label]}</b>" in layout(bars).xaxis.ticktext


def test_an_image_that_nothing_flips_and_one_of_a_run_that_diverged(real):
    flipped = real["digits"].flipped[0]
    still = replace(flipped, change=np.full(64, np.nan), after=np.full(10, np.nan))
    words = [a.text for a in layout(go.Figure(reaction.images(still, "with", real["digits"].split.classes))).annotations]
    assert "no other answer found" in words
    broken = replace(still, probabilities=np.full(10, np.nan))
    assert any("nothing" in a.text for a in layout(go.Figure(reaction.images(broken, "with", real["digits"].split.classes))).annotations)


def test_arms_differ_by_more_than_colour(real):
    f = real["default"]
    assert len({t.marker.symbol for t in traces(drawn(f)["reliability"])[1:]}) == 2
    assert len({t.marker.symbol for t in traces(drawn(f)["rescaled change"])}) == 2


def test_the_plan_s_image_is_looked_at():
    chosen = KINDS["digits"]
    found = sensitivity.run(chosen, Probe(image=5, jitter=0.0))
    assert found.flipped
    np.testing.assert_array_equal(found.flipped[0].x, found.split.x_test[5])
