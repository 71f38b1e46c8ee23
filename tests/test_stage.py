"""The stage: what a scene becomes on the wire, and what is made of a browser's messages."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_wire import Reader, lengths, read
from wdviz.figures.draft import Draft
from wdviz.ui import stage
from wdviz.ui.stage import MOST_TEXTS, Ask, Hold, Offer, Panel, Points, Progress, Reel, Scene, Seat, Slider, Stat, View, encode, encode_hold


def draft(figure: go.Figure) -> Draft:
    plain = Draft()
    plain.data = [trace.to_plotly_json() for trace in figure.data]  # type: ignore[attr-defined]
    plain.layout = {name: value for name, value in figure.layout.to_plotly_json().items() if name != "template"}  # type: ignore[attr-defined]
    return plain


def view(figure: go.Figure, label: str = "view 0") -> View:
    return View(label, lambda: draft(figure), lambda: f"Picture of {label}.")


def panel(*figures: go.Figure, **options: Any) -> Panel:
    views = tuple(view(figure, f"view {k}") for k, figure in enumerate(figures))
    return Panel(**{"name": "one", "title": "One", "views": views, **options})


def scene(*panels: Panel, **options: Any) -> Scene:
    return Scene(**{"panels": panels, "result": "r", "film": "f", "steps": 600, **options})


def sent(*panels: Panel, **options: Any) -> dict[str, Any]:
    return read(encode(scene(*panels, **options)))


def drawn(figure: go.Figure) -> dict[str, Any]:
    """The first view of a panel with that figure."""
    return sent(panel(figure))["panels"][0]["views"][0]


# --- figures ----------------------------------------------------------------------------------------------------------------------


def test_a_map_travels_beside_its_figure():
    z = np.arange(12, dtype="u2").reshape(3, 4)
    meta = {"kind": "decision", "colors": ["#5e3c99", "#e08214"], "names": ["a", "b"]}
    found = drawn(go.Figure([go.Heatmap(z=z, meta=meta), go.Scatter(x=np.array(["p", "q"]), y=[1, 2])]))
    np.testing.assert_array_equal(found["map"]["z"], z)
    assert found["map"]["meta"] == meta
    assert [trace["x"] for trace in found["figure"]["data"]] == [["p", "q"]]
    assert drawn(go.Figure(go.Scatter(y=[1])))["map"] is None


def test_a_map_that_moves_leaves_its_figure_the_very_same_object():
    seat, browser, found = Seat(), Reader(), []
    for k in range(2):
        figure = go.Figure([go.Heatmap(z=np.full((2, 2), k, "u1"), meta={"kind": "decision"}), go.Scatter(y=np.arange(3.0))])
        found.append(browser.open(encode(scene(panel(figure)), seat.wire))["panels"][0]["views"][0])
        seat.wire.acknowledge(browser.acknowledge())
    assert found[0]["figure"] is found[1]["figure"]
    assert found[0]["map"] is not found[1]["map"]


def test_numbers_of_a_figure_that_are_not_finite():
    values = np.array([1.0, np.nan, np.inf])
    (trace,) = drawn(go.Figure(go.Scatter(x=[0.0, math.nan, math.inf], y=values)))["figure"]["data"]
    assert trace["x"] == [0.0, None, None]
    np.testing.assert_array_equal(trace["y"], values)


def test_no_template_no_transition_no_title_and_annotations_apart():
    note = {"text": "0.24", "x": 1.0, "y": 2.0}
    layout = {"template": "plotly_dark", "transition": {"duration": 500}, "title": {"text": "One"}, "annotations": [note]}
    payload = encode(scene(panel(go.Figure(go.Scatter(y=[1]), {**layout, "xaxis": {"range": [0, 1]}}))))
    assert b"template" not in zlib.decompress(payload)
    figure = read(payload)["panels"][0]["views"][0]["figure"]
    assert figure["layout"] == {"xaxis": {"range": [0, 1]}}
    assert figure["annotations"] == [note]


def test_the_figure_is_left_as_it_was():
    figure = go.Figure(go.Scatter(y=np.arange(3.0)), {"template": "plotly_white", "annotations": [{"text": "a"}], "title": "t"})
    before = figure.to_json()
    encode(scene(panel(figure)))
    assert figure.to_json() == before


def test_equal_arrays_are_sent_once():
    steps = np.arange(10_000.0)
    once = encode(scene(panel(go.Figure(go.Scatter(y=steps)))))
    twice = encode(scene(panel(go.Figure([go.Scatter(x=steps, y=steps), go.Scatter(x=steps.copy(), y=steps)]))))
    assert len(twice) < 1.1 * len(once)


# --- scene ------------------------------------------------------------------------------------------------------------------------


def test_panels():
    shown = panel(
        go.Figure(go.Scatter(y=[1, 2])),
        go.Figure(),
        span=4,
        tone="with",
        tag="generalises – schön",
        note="dashed: test",
        stats=(Stat("test loss", "0.24", "± 0.02"), Stat("gap", "0.1")),
        toggle="log counts",
        height=240,
        offer=Offer("Open", {"tested": "1"}),
    )
    (found,) = sent(shown)["panels"]
    views = found.pop("views")
    assert found == {
        "name": "one",
        "title": "One",
        "span": 4,
        "tone": "with",
        "tag": "generalises – schön",
        "note": "dashed: test",
        "stats": [["test loss", "0.24", "± 0.02"], ["gap", "0.1", ""]],
        "toggle": "log counts",
        "height": 240,
        "offer": {"label": "Open", "put": {"tested": "1"}, "on": None, "title": ""},
    }
    assert [(each["label"], each["summary"]) for each in views] == [("view 0", "Picture of view 0."), ("view 1", "Picture of view 1.")]


def test_a_heat_map_of_another_kind_stays_with_its_figure():
    z = np.arange(6.0).reshape(2, 3)
    found = drawn(go.Figure(go.Heatmap(z=z), layout={"meta": {"put": {"x": {"name": "decay", "values": ["0", "1", "2"]}}}}))
    assert found["map"] is None
    np.testing.assert_array_equal(found["figure"]["data"][0]["z"], z)
    assert found["figure"]["layout"]["meta"]["put"]["x"]["values"] == ["0", "1", "2"]


def test_a_scene_without_points_a_film_or_a_sweep_says_so():
    found = sent()
    assert (found["points"], found["progress"], found["offers"]) == (None, None, [])


def test_panel_names_must_differ():
    with pytest.raises(ValueError, match=r"must differ: \['one', 'one'\]"):
        encode(scene(panel(go.Figure()), panel(go.Figure())))


def test_what_stands_beside_the_panels():
    slider = Slider("decay", "Weight decay", "How strongly.", ("0", "0.1"), ("decay 0", "decay 0.1"), 1)
    found = sent(
        answer="A decay of **2** cuts.",
        status="1 seed of 5",
        more=True,
        sliders=(slider,),
        readout=("shrinks", "decoupled"),
        notes=("One.", "Two."),
        switch="decay 0 from step 300",
        switch_to="0",
        notice=("The page as it opens", "Too much"),
        step=1,
        shown={"present": True, "contrast": False},
        embedded=True,
        points=Points(),
        progress=Progress(3, 7, "3 of 7 trainings", stopped=True),
        offers=(Offer("Test points", {"test_points": "1"}, on=False, title="T"),),
    )
    assert found.pop("progress") == {"done": 3, "total": 7, "words": "3 of 7 trainings", "stopped": True}
    assert found.pop("offers") == [{"label": "Test points", "put": {"test_points": "1"}, "on": False, "title": "T"}]
    assert found.pop("sliders") == [
        {
            "name": "decay",
            "at": 1,
            "fixed": {"label": "Weight decay", "help": "How strongly.", "values": ["0", "0.1"]},
            "spoken": ["decay 0", "decay 0.1"],
        }
    ]
    points = found.pop("points")
    assert (points["text"], points["classes"], points["xy"].shape) == ("", [], (0, 2))
    assert found == {
        "ask": 0,
        "result": "r",
        "scene": "f",
        "steps": 600,
        "answer": "A decay of **2** cuts.",
        "status": "1 seed of 5",
        "more": True,
        "again": 0.0,
        "panels": [],
        "readout": ["shrinks", "decoupled"],
        "notes": ["One.", "Two."],
        "switch": {"words": "decay 0 from step 300", "to": "0", "every": 10},
        "notice": ["The page as it opens", "Too much"],
        "step": 1,
        "shown": {"present": True, "contrast": False},
        "embedded": True,
    }


def test_while_the_hand_moves_only_the_picked_view_is_made():
    made: list[str] = []

    def counting(label: str) -> View:
        return View(label, lambda: made.append(label) or draft(go.Figure(go.Scatter(y=[1]))), lambda: "Words.")

    a = Panel("a", "A", (counting("loss"), counting("accuracy")))
    b = Panel("b", "B", (counting("layer 1"), counting("layer 2")))
    found = sent(a, b, only={"a": "accuracy", "b": "gone", "c": "loss"})["panels"]
    assert made == ["accuracy", "layer 1"]  # of a panel whose picked view is not there, the first
    assert found[0]["views"][0] == {"label": "loss"}
    assert [each["label"] for each in found[0]["views"]] == ["loss", "accuracy"]
    assert found[0]["views"][1]["figure"]["data"] == [{"type": "scatter", "y": [1]}]
    sent(a, b, only=None)
    assert made == ["accuracy", "layer 1", "loss", "layer 2"]  # none is made twice


def test_points_or_why_there_are_none_to_move():
    xy = np.array([[0.5, 1.0], [-1.0, 2.0]], "f4")
    moved = Points("", xy, np.array([3, -1], "i4"), np.array([1, 0], "i4"), ("a", "b"), ("#111", "#222"), "r0~a-1_2_0", 500, 4)
    found = sent(points=moved)["points"]
    np.testing.assert_array_equal(found["xy"], xy)
    assert (found["refs"].tolist(), found["labels"].tolist()) == ([3, -1], [1, 0])
    assert (found["classes"], found["colours"], found["text"], found["most"], found["least"]) == (
        ["a", "b"],
        ["#111", "#222"],
        "r0~a-1_2_0",
        500,
        4,
    )
    assert sent(points=Points(why_not="A projection."))["points"] == {"whyNot": "A projection."}


def test_a_reel():
    steps, answers, bars = np.arange(3, dtype="i4"), np.arange(6, dtype="u1").reshape(3, 2), np.arange(9, dtype="u2").reshape(3, 3)
    arms = ("without", "with")
    reel = Reel(
        dict.fromkeys(arms, steps), dict.fromkeys(arms, answers), {"layer 1": dict.fromkeys(arms, bars)}, {"with": [["0.1"], ["0.2"]]}
    )
    payload = encode(scene(reel=reel))
    found = read(payload)["reel"]
    for arm in arms:
        np.testing.assert_array_equal(found["steps"][arm], steps)
        np.testing.assert_array_equal(found["answers"][arm], answers)
        np.testing.assert_array_equal(found["bars"]["layer 1"][arm], bars)
    assert found["captions"] == {"with": [["0.1"], ["0.2"]]}
    assert "reel" not in sent()


def test_trouble_takes_the_place_of_a_picture_and_its_number_is_acknowledged_like_any_other():
    seat, browser = Seat(), Reader()
    browser.open(encode(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), seat.wire))
    seat.take({"id": 7, "have": browser.acknowledge()})
    found = browser.open(encode_hold(Hold("Nothing was trained: <b>.", again=2.0), seat.wire, seat.asked))
    assert found == {"ask": 7, "hold": {"trouble": "Nothing was trained: <b>.", "status": "", "again": 2.0}}
    assert browser.number == 2
    seat.take({"id": 8, "have": browser.acknowledge()})
    again = encode(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), seat.wire)
    assert len(again) < 1500
    assert browser.open(again)["panels"][0]["views"][0]["figure"]["data"][0]["y"].size == 500


def test_show_answers_the_ask_that_came_last(monkeypatch: pytest.MonkeyPatch):
    state: dict[str, Any] = {}
    mounted: list[dict[str, Any]] = []
    asks: list[Ask] = []
    monkeypatch.setattr(stage.st, "session_state", state)
    monkeypatch.setattr(stage, "_mount", lambda **given: mounted.append(given))
    stage.show(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), key="s", on_ask=asks.append)
    browser = Reader()
    assert browser.open(mounted[0]["data"])["ask"] == 0
    mounted[0]["on_ask_change"]()  # the page was left meanwhile
    assert asks == []
    state["s"] = {"ask": {"id": 3, "have": browser.acknowledge(), "put": {"decay": "5"}, "live": True}}
    mounted[0]["on_ask_change"]()
    assert asks == [Ask(put={"decay": "5"}, live=True)]
    stage.show(Hold("Too busy."), key="s", on_ask=asks.append)
    assert browser.open(mounted[1]["data"]) == {"ask": 3, "hold": {"trouble": "Too busy.", "status": "", "again": None}}
    stage.show(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), key="s", on_ask=asks.append)
    assert lengths(mounted[2]["data"]) == []
    assert 500 in lengths(mounted[0]["data"])


# --- what the browser says --------------------------------------------------------------------------------------------------------


def test_an_ask_is_taken_as_it_is():
    seat = Seat()
    message = {
        "id": 4,
        "have": 1,
        "put": {"decay": "5"},
        "picked": {"curves": "loss"},
        "live": True,
        "film": "abc",
        "notice": 2,
        "more": True,
        "stop": False,
    }
    assert seat.take(message) == Ask({"decay": "5"}, {"curves": "loss"}, True, "abc", 2, True, False)
    assert seat.asked == 4


HOSTILE = [
    *(None, "", "x" * 10_000, b"put", 0, -1, 1.5, math.nan, math.inf, 10**400, True, False, [], [[]], {}, {"": ""}, {1: 2}, {None: None}),
    *({"$": 1}, {"put": {"put": {}}}, [{"id": 1}], ("id", 1), {"__class__": "x"}, "\ud800", "\0", "__import__('os')"),
]
WHOLE = st.integers(-(2**70), 2**70) | st.sampled_from([10**400, True, False])
JUNK = st.recursive(
    st.sampled_from(HOSTILE) | st.text(max_size=5) | st.floats() | WHOLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | WHOLE, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("message", HOSTILE)
def test_a_message_that_is_none_gives_an_empty_ask(message: Any):
    seat = Seat()
    assert seat.take(message) == Ask()
    assert seat.asked == 0


@pytest.mark.parametrize("junk", HOSTILE)
def test_each_field_that_is_not_as_it_should_be_counts_as_not_said(junk: Any):
    seat = Seat()
    encode(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), seat.wire)
    message = dict.fromkeys(("id", "have", "put", "picked", "live", "film", "notice", "more", "stop"), junk)
    found = seat.take(message)
    text = junk if isinstance(junk, str) else ""
    whole = junk if isinstance(junk, int) and not isinstance(junk, bool) else None
    texts = junk if junk in ({"": ""}, {"__class__": "x"}) else {}
    stop = junk if isinstance(junk, bool) else None
    assert found == Ask(put=texts, picked=texts, live=junk is True, film=text, notice=whole, more=junk is True, stop=stop)
    assert seat.asked == 0
    assert 500 in lengths(encode(scene(panel(go.Figure(go.Scatter(y=np.arange(500.0))))), seat.wire))  # it is taken to have nothing


@settings(max_examples=200, deadline=None)
@given(JUNK | st.dictionaries(st.sampled_from(["id", "have", "put", "picked", "live", "film", "notice", "more", "stop"]), JUNK))
def test_no_message_breaks_the_seat_and_what_is_kept_is_small_and_typed(message: Any):
    seat = Seat()
    found = seat.take(message)
    assert 0 <= seat.asked < 2**53
    for texts in (found.put, found.picked):
        assert len(texts) <= MOST_TEXTS
        assert all(isinstance(name, str) and isinstance(text, str) for name, text in texts.items())
    assert (type(found.live), type(found.film), type(found.more)) == (bool, str, bool)
    assert found.notice is None or type(found.notice) is int
    json.loads(json.dumps(read(encode_hold(Hold(), seat.wire, seat.asked))))


def test_of_many_texts_only_some_are_looked_at():
    assert len(Seat().take({"put": {str(k): "1" for k in range(10_000)}}).put) == MOST_TEXTS
