"""What all pages do alike, by a page made for the test."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.apps import ask, open_at, scene
from wdviz.plans import Search
from wdviz.settings import Settings
from wdviz.ui import address, controls, faults, live, prose


def script() -> None:
    """A page of one panel with two views, of which the last run finishes with the third visit."""
    import streamlit as st

    from wdviz.figures.draft import Draft
    from wdviz.ui import controls, live, page
    from wdviz.ui.stage import Panel, Scene, View

    live.open_address("tuning")

    def compose(chosen, plan):
        if plan.folds == 13:
            raise ValueError("13 folds are too many")
        count = st.session_state["visits"] = st.session_state.get("visits", 0) + 1
        views = tuple(View(name, Draft, lambda: "Says so.") for name in ("loss", "accuracy"))
        opened = controls.opened(plan)
        return Scene((Panel("one", "One", views),), f"{count} {opened}", answer=f"{chosen.decay:g}", more=count < 3, notes=("Of its own.",))

    def beneath(chosen):
        st.caption(f"beneath {chosen.decay:g}")

    page.show("tuning", compose, beneath=beneath)


def opened(**query: str) -> AppTest:
    return open_at(AppTest.from_function(script, default_timeout=60), **query)


def test_a_page_is_its_title_its_stage_its_controls_and_its_words():
    app = opened(decay="5", folds="1")
    assert app.title[0].value == "How do I find the factor?"
    found = scene(app)
    assert found["answer"] == "5"
    assert found["notice"][0] == "The page as it opens"
    assert len(found["notice"]) > 2
    (note, own) = found["notes"]
    assert "folds is 1" in note
    assert own == "Of its own."
    assert found["shown"] == dict.fromkeys(address.SHOWN, False)
    assert found["embedded"] is False
    assert {"folds", "repeats", "lowest", "n_train"} <= {w.key for w in (*app.slider, *app.select_slider)}
    assert [c.value for c in app.main.caption] == ["beneath 5"]
    assert [e.label for e in app.expander] == ["Why", "Small print", "Words", "Keys and links"]


def test_each_step_of_the_presentation_is_known_by_its_settings():
    steps = ["", *(query for _, query in prose.notice("tuning"))]
    app = opened()
    assert scene(app)["step"] == 0
    for k in range(len(steps)):
        assert scene(ask(app, steps, notice=k))["step"] == k
    assert scene(opened(decay="5", present="1"))["step"] is None
    query = {name: texts[-1] for name, texts in parse_qs(steps[2]).items()}
    assert scene(opened(**query, contrast="1"))["step"] == 2


def test_while_there_is_more_only_the_view_on_the_screen_is_made():
    app = opened()
    drawn = lambda: [view["label"] for view in scene(app)["panels"][0]["views"] if "figure" in view]  # noqa: E731
    assert (scene(app)["more"], drawn()) == (True, ["loss"])
    ask(app, more=True, picked={"one": "accuracy"})
    assert (scene(app)["more"], drawn()) == (True, ["accuracy"])
    ask(app, more=True, picked={"one": "accuracy"})
    assert (scene(app)["more"], drawn()) == (False, ["loss", "accuracy"])
    ask(app, live=True, put={"decay": "7"}, picked={"one": "accuracy"})
    assert (scene(app)["answer"], scene(app)["more"], drawn()) == ("7", False, ["accuracy"])
    assert dict(app.query_params) == {}  # the hand is still moving
    ask(app, put={"decay": "7"})
    assert dict(app.query_params) == {"decay": "7"}


def test_what_cannot_be_done_is_said_and_the_page_lives():
    app = opened(folds="13")
    assert scene(app) == {"ask": 0, "hold": {"trouble": "Nothing was trained: 13 folds are too many.", "status": "", "again": None}}
    app.slider(key="folds").set_value(5).run()
    assert scene(app)["answer"] == f"{Settings().decay:g}"


@pytest.mark.parametrize("error", [FloatingPointError("/secret/path"), KeyError("token"), RuntimeError("the pool is shut down")])
def test_of_an_error_that_nobody_foresaw_the_visitor_learns_its_id_alone(error: Exception, monkeypatch, caplog):
    app = opened()
    monkeypatch.setattr(faults, "_TRACE_S", 0.0)

    def fails(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(controls, "opened", fails)
        app.run()
    hold = scene(app)["hold"]
    (name,) = re.findall(r"\(error (\w{8})\)", hold["trouble"])
    assert str(error) not in hold["trouble"]
    assert not app.exception
    (logged,) = [record for record in caplog.records if record.name == "wdviz"]
    assert name in logged.getMessage()
    assert logged.exc_info is not None
    assert logged.exc_info[1] is error
    assert "answer" in scene(app.run())  # and the page lives


@pytest.mark.parametrize("fails", [False, True])
def test_whatever_comes_of_it_others_may_draw_afterwards(fails: bool, monkeypatch):
    def opened_then(*_: Any) -> bool:
        live._turns.take(urgent=True)
        if fails:
            raise RuntimeError("no picture")
        return False

    monkeypatch.setattr(controls, "opened", opened_then)
    opened()
    assert live._turns._taken is False


def test_a_picture_that_does_not_come_yet_is_waited_for_in_words(monkeypatch):
    app = opened()
    for said, again in (("The server is busy: your picture comes next.", 0.3), ("", None)):

        def fails(*_: Any, said: str = said) -> None:
            raise live.NotYet(said)

        with monkeypatch.context() as patched:
            patched.setattr(controls, "opened", fails)
            app.run()
        assert scene(app)["hold"] == {"trouble": "", "status": said, "again": again}


def test_what_a_crowd_leaves_out_is_said_and_asked_for_again(monkeypatch):
    app = opened()
    ask(app, more=True)
    assert scene(ask(app, more=True))["more"] is False
    with monkeypatch.context() as patched:
        patched.setattr(live, "as_far_as_crowded", lambda chosen: replace(chosen, seeds=2))
        app.run()
        found = scene(app)
        assert found["notes"][-1] == "Many people are training now, so this shows 2 of 5 seeds. The others follow by themselves."
        assert found["more"] is True
        assert found["again"] > 1
        assert "seeds" not in app.query_params
    assert scene(app.run())["notes"] == ["Of its own."]


def test_before_a_class_nothing_stands_beneath():
    assert not opened(present="1").main.caption


# --- the sealed test set ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    session: dict[str, Any] = dict(address.DEFAULTS)
    monkeypatch.setattr(st, "session_state", session)
    return session


OPEN: tuple[Callable[[], Any], ...] = (lambda: controls.put({"tested": True}), lambda: controls.put_texts({"tested": "1"}))


@pytest.mark.parametrize("open_it", OPEN)
def test_the_test_set_is_open_for_what_it_was_opened_for(open_it: Callable[[], Any], state: dict[str, Any]):
    first, second = Search(), Search(folds=3)
    assert not controls.opened(first)
    open_it()
    assert controls.opened(first)
    assert controls.opened(first)
    assert not controls.opened(second)  # another search: sealed again
    assert state["tested"] is False
    assert not controls.opened(first)
    open_it()
    assert controls.opened(second)
    open_it()  # a link that sets everything anew
    assert controls.opened(first)
