"""The Learning rate page as Streamlit runs it, and what its scene says: maps, trends, speed, progress, messages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import open_page, put, scene, settled
from tests.helpers import count_compilations
from tests.test_experiments import made
from tests.test_learning_rate import map_of
from wdviz import runs
from wdviz.experiments import learning_rate
from wdviz.experiments.learning_rate import Trend
from wdviz.plans import Landscape
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.ui import address, prose
from wdviz.ui.live import Following
from wdviz.ui.scenes import learning_rate as scenes
from wdviz.ui.stage import Panel, Scene

SMALL = {"side": 3, "map_seeds": 1, "steps": 60}
CHOSEN, PLAN = Settings(steps=60), Landscape(side=4, map_seeds=2)


def opened(**values: Any) -> AppTest:
    return open_page("learning_rate", **(SMALL | values))


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_it_fills_in_until_all_is_there_and_names_each_step():
    app = opened(side=5, map_seeds=2)
    seen = [scene(app)]
    assert seen[0]["progress"]["done"] >= 8
    while seen[-1]["more"]:
        seen.append(scene(app.run()))
    assert len(seen) >= 3
    assert len({each["result"] for each in seen}) == len(seen)
    assert seen[-1]["progress"] is None
    names = ["map-decoupled", "map-coupled", "curves", "weights", "reaching", "equilibrium", "schedules"]
    assert [p["name"] for p in seen[-1]["panels"]] == names
    assert re.search(r"\*\*(Hardly|A little|Yes)\*\* with decoupled decay, ", seen[-1]["answer"])
    assert [t.value for t in app.title] == ["Does decay fight with the learning rate?"]


def test_a_click_on_a_cell_is_a_change_of_settings_that_trains_only_what_follows_it():
    app = opened()
    settled(app)
    before = scene(app)["result"]
    with count_compilations() as compiled:
        put(app, learning_rate=0.3, decay=50.0, decay_kind="decoupled")
        assert "learning rate 0.3, decay 50, decoupled" in next(p for p in scene(app)["panels"] if p["name"] == "curves")["note"]
        settled(app)
    assert scene(app)["result"] != before
    assert len(compiled) == 0
    assert dict(app.query_params) | {"learning_rate": "0.3", "decay": "50"} == dict(app.query_params)


def test_a_range_without_a_choice_is_a_message_and_the_page_lives():
    app = opened(decay_from=5.0, decay_to=0.5)
    assert "Nothing was trained: the range is reversed: the lowest decay is 5" in scene(app)["hold"]["trouble"]
    put(app, decay_to=5.0)
    assert "no decay to choose between" in scene(app)["hold"]["trouble"]
    put(app, decay_to=50.0)
    assert "Does" not in settled(app)["answer"]


def test_the_optimiser_is_printed_when_its_expander_is_opened():
    app = opened()
    assert not app.code
    app.session_state["code"] = True
    app.run()
    assert not app.exception
    texts = [block.value for block in app.code]
    assert [t.value for t in app.main.caption][-3:] == ["optax", "PyTorch", "the paper"]
    assert "optax.adamw(rate, weight_decay=2" in texts[0]
    put(app, decay=5.0)
    assert "optax.adamw(rate, weight_decay=5" in app.code[0].value


def test_every_notice_is_valid_and_differs_from_the_default():
    found = prose.notice("learning-rate")
    assert 4 <= len(found) <= 6
    for words, settings in found:
        assert words
        assert address.SETTINGS | address.parse(settings) != address.SETTINGS


def test_values_instead_of_classes():
    assert settled(opened(dataset="sine", n_train=20, steps=30))["panels"]


# --- scenes -----------------------------------------------------------------------------------------------------------------------


def results(settings: Settings, plan: Landscape) -> dict[Run, Any]:
    return runs.sweep([run for group in scenes.groups(settings, plan) for run in group]).wait_all()


@pytest.fixture(scope="module")
def everything() -> dict[Run, Any]:
    return results(CHOSEN, PLAN)


def following(found: dict[Run, Any], total: int | None = None) -> Following:
    return Following(found, len(found) if total is None else total, None)


def panel(found: Scene, name: str) -> Panel:
    return next(p for p in found.panels if p.name == name)


def test_every_figure_is_valid_and_has_its_sentence(everything):
    found = scenes.scene(CHOSEN, PLAN, following(everything))
    for each in found.panels:
        for view in each.views:
            go.Figure(view.draw().figure())
            assert view.say().endswith(".")
            assert "nan" not in view.say()


def test_what_is_left_of_stop_is_a_whole_scene(everything):
    first = {run: everything[run] for run in scenes.groups(CHOSEN, PLAN)[0]}
    found = scenes.scene(CHOSEN, PLAN, following(first, 99))
    assert len(found.panels) == 7
    for each in found.panels:
        for view in each.views:
            go.Figure(view.draw().figure())
            assert view.say()
    assert found.more


def test_the_first_group_is_small():
    groups = scenes.groups(Settings(), Landscape())
    assert len(groups[0]) <= 26
    assert all(len(group) <= 40 for group in groups)


def test_a_kind_on_neither_map_is_said(everything):
    chosen = replace(CHOSEN, decay_kind="independent")
    found = scenes.scene(chosen, PLAN, following(results(chosen, PLAN)))
    assert "on neither map" in found.notes[-1]
    assert not scenes.scene(CHOSEN, PLAN, following(everything)).notes


def test_only_the_map_of_the_chosen_kind_carries_the_frame(everything):
    found = scenes.scene(CHOSEN, PLAN, following(everything))
    shapes = [len(go.Figure(panel(found, f"map-{kind}").views[0].draw().figure()).layout.shapes) for kind in ("decoupled", "coupled")]  # type: ignore[attr-defined]
    assert shapes[0] > 0
    assert shapes[1] == 0


def test_the_equilibrium_says_whether_it_holds():
    plan = replace(PLAN, side=3, map_seeds=1)
    long, short = Settings(steps=600), CHOSEN
    holds, fails = (panel(scenes.scene(s, plan, following(results(s, plan))), "equilibrium") for s in (long, short))
    assert "assumptions hold" in holds.views[0].say()
    assert holds.stats[1].value == "0.346"
    assert "does not apply: 60 steps are too few" in fails.views[0].say()
    assert fails.stats[1].value == "does not apply"


# --- answers ----------------------------------------------------------------------------------------------------------------------


def trend(power: float) -> Trend:
    rates = (0.001, 0.01, 0.1)
    return Trend(rates, tuple(0.1 * rate**power for rate in rates), power)


def test_trends_are_said_with_their_numbers():
    assert "stays near **0.1**" in scenes._trend(Trend((0.001, 0.01, 0.1), (0.05, 0.1, 0.1), 0.15))
    assert "stays at **0.1**" in scenes._trend(trend(0.0))
    assert "takes the best value to **0.1** times what it was (1 to 100), so that their product stays near 0.1" in scenes._trend(
        trend(-1.0)
    )
    assert "to **10** times" in scenes._trend(trend(1.0))
    assert "product" not in scenes._trend(trend(1.0))
    assert "to **0.4** times" in scenes._trend(trend(-0.4))


def test_the_answer_where_no_decay_pays():
    planned = [run for group in learning_rate.groups(CHOSEN, PLAN) for run in group]
    flat = {run: made(0.1, 0.2 + run.settings.decay) for run in planned}
    found = learning_rate.summarise(CHOSEN, PLAN, flat)
    assert found is not None
    assert "**none** is best" in scenes.answer(found)
    begun = {run: flat[run] for run in learning_rate.groups(CHOSEN, PLAN)[0]}
    found = learning_rate.summarise(CHOSEN, PLAN, begun)
    assert found is not None
    assert "fill in" in scenes.answer(found)


def test_a_map_all_diverged_is_said():
    lost = map_of(np.full((3, 3), np.nan), (1.0, 2.0, 3.0), (0.0, 1.0, 2.0))
    assert scenes._say_map(lost, "validation").endswith("None is best: all diverged.")
    assert scenes._best(lost) == ()
