"""The Architectures page's figures show the numbers they are given, for each kind of network, and stand up to runs that diverge."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.test_figures import constants, layout, trace, traces
from wdviz import runs
from wdviz.experiments import architectures
from wdviz.experiments.architectures import Architectures
from wdviz.figures import architectures as figures
from wdviz.figures import inside, mosaics
from wdviz.figures.architectures import Curve
from wdviz.internals import Internals
from wdviz.plans import Families
from wdviz.results import Spread
from wdviz.settings import Settings
from wdviz.ui.live import Following
from wdviz.ui.scenes import architectures as scenes
from wdviz.ui.stage import View

SHORT = Settings(dataset="digits", n_train=30, steps=30, learning_rate=0.01, seeds=2, noise=0.0)
DECAYS = (0.0, 1.0, 2.0, 5.0)
KINDS = {  # settings, plan, and how many groups of jobs are finished; None: all
    "recurrent": (SHORT, Families(), None),
    "feedforward": (SHORT, Families(inside="feedforward"), 1),
    "convolutional": (SHORT, Families(inside="convolutional"), None),
    "attention": (replace(SHORT, summary="class token", tokens="patches"), Families(inside="attention", moment=40, example=11), 1),
    "a series": (replace(SHORT, dataset="power demand"), Families(inside="convolutional", moment=0), 1),
    "two gated layers": (replace(SHORT, cell="gru"), Families(layers_each=2), 1),
    "diverges": (replace(SHORT, learning_rate=10.0, decay=100.0, seeds=1), Families(), None),
    "no decay": (replace(SHORT, decay=0.0, seeds=1), Families(moment=50), None),
    "points": (replace(SHORT, dataset="moons"), Families(stand_in="none"), 1),
}


@pytest.fixture(scope="module")
def real() -> dict[str, Architectures]:
    return {kind: _found(*chosen) for kind, chosen in KINDS.items()}


def _found(chosen: Settings, plan: Families, many: int | None) -> Architectures:
    jobs = [job for group in architectures.groups(chosen, plan)[:many] for job in group]
    found = architectures.summarise(chosen, plan, runs.sweep(jobs).wait_all())
    assert found is not None
    return found


def views(kind: str) -> list[tuple[str, View]]:
    """Every view of every panel, from what has been found."""
    chosen, plan, many = KINDS[kind]
    jobs = [job for group in architectures.groups(chosen, plan)[:many] for job in group]
    results = runs.finished(jobs)
    panels = scenes.scene(chosen, plan, Following(results, len(jobs), None)).panels
    return [(f"{panel.name}, {view.label}", view) for panel in panels for view in panel.views]


@pytest.mark.parametrize("kind", KINDS)
def test_each_figure_says_what_it_shows_and_travels(real, kind):
    assert kind in real
    shown = views(kind)
    assert len(shown) >= 10
    for name, view in shown:
        fig = go.Figure(view.draw().figure())  # with Plotly's own check of every property
        assert layout(fig).title.text, name
        assert layout(fig).xaxis.title.text, name
        as_json = fig.to_json()
        assert as_json
        assert json.loads(as_json, parse_constant=constants)["data"] is not None
        ranges = [axis.range for axis in (layout(fig).xaxis, layout(fig).yaxis) if axis.range]
        assert all(math.isfinite(low) and math.isfinite(high) and low != high for low, high in ranges), name
        assert all(t.name for t in traces(fig)), name
        said = view.say()
        assert said.endswith((".", ").")), said
        assert "nan" not in said, said
        assert "**" not in said


def test_only_the_families_that_fit_are_drawn(real):
    assert set(real["points"].missing) == {"convolutional", "recurrent", "attention"}
    fig = go.Figure(dict(views("points"))["families, loss"].draw().figure())
    assert {t.name for t in traces(fig)} == {"feedforward", "best decay, feedforward"}


# --- families ---------------------------------------------------------------------------------------------------------------------

CURVES = [
    Curve("feedforward", np.array([[2.0, 1.0, 1.5, 3.0], [2.2, 1.1, 1.6, 3.0], [2.4, 1.3, 1.2, 3.0]]), (1, 1, 2)),
    Curve("attention", np.array([[3.0, 2.5, 1.4, np.nan]]), (2,)),
]


def against(curves: list[Curve] = CURVES, what: str = "loss", yours: float = 1.5) -> go.Figure:
    return go.Figure(figures.against_decay(curves, DECAYS, what, unit="nats", yours=yours))


def test_a_family_is_its_median_with_the_range_of_the_seeds():
    line = trace(against(), "feedforward")
    np.testing.assert_allclose(line.y, [2.2, 1.1, 1.5, 3.0])
    np.testing.assert_allclose(line.error_y.array, [0.2, 0.2, 0.1, 0], atol=1e-6)
    np.testing.assert_allclose(line.error_y.arrayminus, [0.2, 0.1, 0.3, 0], atol=1e-6)
    assert len(trace(against(), "attention").y) == 3  # what diverged is left out


def test_the_best_decay_is_marked_with_the_range_of_the_picks():
    mark = trace(against(), "best decay, feedforward")
    assert mark.x[0] == pytest.approx(1, abs=0.2)
    assert mark.y[0] == pytest.approx(1.1)
    assert (mark.error_x.array[0], mark.error_x.arrayminus[0]) == (1, 0)
    assert list(mark.customdata[0]) == [1.0, 1.0, 2.0]


def test_families_differ_by_colour_marker_and_dash_and_from_the_arms():
    for values in zip(*figures.STYLES.values(), strict=True):
        assert len(set(values)) == 4
    assert not {colour for colour, *_ in figures.STYLES.values()} & set(figures.palette.ARMS.values())


def test_a_click_takes_the_decay_and_a_part():
    assert layout(against()).meta["put"]["x"] == {"name": "decay", "values": ["0", "1", "2", "5"]}
    fig = go.Figure(figures.parts(["biases"], lambda rule: Spread(0.1, 0, 0.2, 2), "loss", unit="nats", put="decaying"))
    assert layout(fig).meta["put"]["y"] == {"name": "decaying", "values": ["biases", "weights"]}


def test_your_decay_is_a_line_and_is_left_out_beyond_the_ladder():
    assert [s.x0 for s in layout(against()).shapes] == [1.5]
    assert not layout(against(yours=math.inf)).shapes


def test_the_axis_holds_still_while_the_decay_moves():
    assert len({tuple(layout(against(yours=at)).yaxis.range) for at in (0.0, 1.5, 3.0)}) == 1


def test_each_seed_has_a_dot_and_the_median_a_bar():
    fig = go.Figure(figures.best({"feedforward": (1, 1, 2, None), "attention": ()}, DECAYS, yours=math.inf))
    np.testing.assert_array_equal(trace(fig, "feedforward").x, [1, 1, 2])
    assert len(set(trace(fig, "feedforward").y[:2])) == 2
    assert [s.x0 for s in layout(fig).shapes] == [1]


def test_parts_stand_beside_each_other_with_their_range():
    changes = {("biases", "only"): 0.3, ("biases", "spared"): -0.1, ("weights", ""): 0.05, ("none", ""): 0.4}
    fig = go.Figure(figures.parts(["biases"], lambda rule: _spread(changes[rule]), "loss", unit="nats", put="decaying"))
    np.testing.assert_allclose(trace(fig, "only this decays").x, [0.3, 0.05, 0.4])
    np.testing.assert_allclose(trace(fig, "all but this decays").x, [-0.1])
    np.testing.assert_allclose(trace(fig, "all but this decays").error_x.array, [0.2])


def _spread(middle: float) -> Spread:
    return Spread(middle, middle - 0.1, middle + 0.2, 3)


# --- inside -----------------------------------------------------------------------------------------------------------------------


def test_the_inside_is_that_of_the_moment(real):
    pair = real["recurrent"].look
    for share, k in ((0.0, 0), (1.0, -1)):
        values = trace(go.Figure(inside.eigenvalues(pair, 0, share)), "with decay")
        np.testing.assert_allclose(np.sort(values.customdata), np.sort(np.abs(pair[1].eigenvalues[k, 0])), rtol=1e-5)
        memory = trace(go.Figure(inside.memory(pair, share)), "without decay")
        np.testing.assert_allclose(memory.y, np.maximum(pair[0].memory[k], inside.FLOOR), rtol=1e-5)
    np.testing.assert_allclose(trace(go.Figure(inside.radius(pair, 0, 1.0)), "with decay").y, pair[1].radius[:, 0], rtol=1e-5)
    sizes = trace(go.Figure(inside.growth(pair, ["a", "b", "c"], 1.0)), "without decay")
    np.testing.assert_allclose(sizes.x, pair[0].growth(-1), rtol=1e-5)


def test_ranges_hold_still_over_the_training(real):
    for kind, draw in (
        ("recurrent", lambda pair, share: inside.eigenvalues(pair, 0, share)),
        ("recurrent", lambda pair, share: inside.memory(pair, share)),
        ("recurrent", lambda pair, share: inside.growth(pair, pair[0].history.layers, share)),
        ("attention", lambda pair, share: mosaics.attention_maps(pair, 0, share)),
        ("convolutional", lambda pair, share: mosaics.tiles(pair, "layer1", (3, 3), share, "filters")),
    ):
        figs = [go.Figure(draw(real[kind].look, share)) for share in (0.0, 0.5, 1.0)]
        assert len({(tuple(layout(f).xaxis.range), tuple(layout(f).yaxis.range), _zmax(f)) for f in figs}) == 1


def _zmax(fig: go.Figure) -> Any:
    return next((t.zmax for t in traces(fig) if t.type == "heatmap"), None)


def test_entropy_is_drawn_up_to_that_of_even_attention(real):
    pair = real["attention"].look
    fig = go.Figure(inside.entropy(pair, 0, 1.0))
    np.testing.assert_allclose(trace(fig, "with decay").y, pair[1].entropy[:, 0].mean(1), rtol=1e-5)
    assert max(s.y0 for s in layout(fig).shapes if s.x1 == 1) == pytest.approx(math.log(17))  # 16 patches and the class token


def test_maps_stand_without_above_with_head_by_head(real):
    pair = real["attention"].look
    for example, of in ((None, lambda look: look.maps[-1, 0]), (3, lambda look: look.single[-1, 3, 0])):
        picture = np.array(traces(go.Figure(mosaics.attention_maps(pair, 0, 1.0, example)))[0].z, float)
        side, heads = 17, 4
        assert picture.shape == (2 * side + 2, heads * (side + 1) - 1)
        for top, look in ((0, pair[0]), (side + 2, pair[1])):
            for head in range(heads):
                left = head * (side + 1)
                np.testing.assert_allclose(picture[top : top + side, left : left + side], of(look)[head], rtol=1e-5)


def test_filters_are_drawn_where_their_weights_belong(real):
    pair: tuple[Internals, Internals] = real["convolutional"].look
    picture = np.array(traces(go.Figure(mosaics.tiles(pair, "layer1", (3, 3), 1.0, "filters")))[0].z, float)
    for look, left in ((pair[0], 0), (pair[1], picture.shape[1] - (picture.shape[1] - 3) // 2)):
        weight = look.params(-1)["layer1"]["weight"]  # (row x column x channel, filter)
        np.testing.assert_allclose(picture[:3, left : left + 3], weight[:, 0].reshape(3, 3), rtol=1e-5)
        np.testing.assert_allclose(picture[:3, left + 4 : left + 7], weight[:, 1].reshape(3, 3), rtol=1e-5)


def test_a_network_of_made_up_numbers_that_are_none_draws_nothing(real):
    look: Any = real["diverges"].look[1]
    broken = replace(look, eigenvalues=np.full_like(look.eigenvalues, np.nan))
    assert not len(trace(go.Figure(inside.eigenvalues((broken, broken), 0, 1.0)), "with decay").x)
    assert go.Figure(inside.radius((broken, broken), 0, 1.0)).to_json()
