"""What all pages do alike, by a page made for the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.apps import scene
from wdviz.plans import Search
from wdviz.settings import Settings
from wdviz.ui import address, controls, live
from wdviz.ui.stage import Ask


def script() -> None:
    """A page of one panel with two views, of which the last run finishes with the third visit."""
    import plotly.graph_objects as go
    import streamlit as st

    from wdviz.plans import Search
    from wdviz.ui import controls, live, page
    from wdviz.ui.stage import Panel, Scene, View

    live.open_address("tuning")

    def compose(chosen, plan):
        if plan.folds == 13:
            raise ValueError("13 folds are too many")
        count = st.session_state["visits"] = st.session_state.get("visits", 0) + 1
        views = tuple(View(name, go.Figure, lambda: "Says so.") for name in ("loss", "accuracy"))
        opened = controls.opened(plan)
        return Scene((Panel("one", "One", views),), f"{count} {opened}", answer=f"{chosen.decay:g}", more=count < 3, notes=("Of its own.",))

    def beneath(chosen):
        st.caption(f"beneath {chosen.decay:g}")

    page.show("tuning", "A question?", compose, Search, beneath=beneath)


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def ask(app: AppTest, **asked: Any) -> AppTest:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live.st, "session_state", app.session_state)
        patched.setattr(live.st, "rerun", lambda: None)
        live.answer(Ask(**asked), [])
    return app.run()


def test_a_page_is_its_title_its_stage_its_controls_and_its_words():
    app = opened(decay="5", folds="1")
    assert app.title[0].value == "A question?"
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
    assert [e.label for e in app.expander] == ["Why", "Small print", "Keys and links"]


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
    assert scene(app) == {"ask": 0, "trouble": "Nothing was trained: 13 folds are too many."}
    app.slider(key="folds").set_value(5).run()
    assert scene(app)["answer"] == f"{Settings().decay:g}"


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
