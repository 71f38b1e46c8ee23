"""The Tuning page as Streamlit runs it, and what its scene says: choices, price, seal, progress, messages."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import open_page, put, scene, settled
from tests.apps import panel as panel_of
from tests.helpers import count_compilations
from tests.test_experiments import made
from wdviz import runs
from wdviz.experiments import price, searching, tuning, widths
from wdviz.plans import Search
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.ui import address, prose
from wdviz.ui.live import Following
from wdviz.ui.scenes import tuning as scenes
from wdviz.ui.stage import Panel, Scene

SMALL = {"seeds": 1, "folds": 2, "candidates": 3, "lowest": 0.5, "highest": 50.0, "steps": 60}
CHOSEN, PLAN = Settings(seeds=2), Search(candidates=4, folds=3)
DECAYS = tuning.candidates(PLAN)


@pytest.fixture(scope="module", autouse=True)
def _warm():
    runs.warm_up([Settings()])


def opened(**values: Any) -> AppTest:
    return open_page("tuning", **(SMALL | values))


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_it_fills_in_until_all_is_there_and_names_each_step():
    app = opened(seeds=2)
    seen = [scene(app)]
    assert seen[0]["progress"]["done"] >= 4
    while seen[-1]["more"]:
        seen.append(scene(app.run()))
    assert len({each["result"] for each in seen}) == len(seen)
    done = [each["progress"]["done"] for each in seen[:-1]]
    assert done == sorted(done)
    assert seen[-1]["progress"] is None
    number = r"\*\*[\d.]+\*\*"
    said = (
        rf"2-fold cross-validation picks a decay of {number} by loss \(.*2 seeds\), the one-standard-error rule {number}, accuracy would .*"
    )
    assert re.fullmatch(said, seen[-1]["answer"])
    assert [p["name"] for p in seen[-1]["panels"]] == ["validation", "choices", "price", "searches", "widths"]
    assert [t.value for t in app.title] == ["How do I find the factor?"]


def test_the_slider_moves_a_mark_and_trains_nothing():
    app = opened()
    before = settled(app)
    with count_compilations() as compiled:
        put(app, decay=7.0)
    after = scene(app)
    assert after["progress"] is None
    assert compiled == []
    assert after["answer"] != before["answer"]
    assert after["answer"].split(". ")[0] == before["answer"].split(". ")[0]
    assert "7" in after["answer"].split(". ")[1]
    assert after["sliders"][0]["fixed"]["label"] == "Your guess"


def test_the_test_set_is_opened_on_demand_and_sealed_again():
    app = opened()
    settled(app)
    sealed = panel_of(app, "price")
    assert [v["label"] for v in sealed["views"]] == ["sealed"]
    assert sealed["offer"]["put"] == {"tested": "1"}
    assert [v["label"] for v in panel_of(app, "searches")["views"]] == ["validation loss"]
    put(app, tested=True)
    settled(app)
    assert [v["label"] for v in panel_of(app, "price")["views"]] == ["loss", "accuracy"]
    assert panel_of(app, "price")["offer"]["put"] == {"tested": "0"}
    assert "nobody knows" in panel_of(app, "price")["views"][0]["summary"]
    assert [v["label"] for v in panel_of(app, "searches")["views"]] == ["validation loss", "test loss"]
    put(app, tested=False)
    assert [v["label"] for v in panel_of(app, "price")["views"]] == ["sealed"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lowest": 10.0, "highest": 1.0}, "the range is reversed: the lowest decay is 10 and the highest 1; swap them"),
        ({"candidates": 1}, "a grid of 1 value leaves no decay to choose between"),
        ({"lowest": 1.0, "highest": 1.0}, "a grid from 1 to 1 leaves no decay to choose between"),
        ({"dataset": "wine", "n_train": 40, "flip": 0.0, "folds": 20}, "use 11 folds at most, or more training points"),
        ({"n_train": 4, "folds": 5}, "with 4 training points it must be from 2 to 4"),
        ({"folds": 20, "repeats": 10, "candidates": 12, "seeds": 20}, "4,000 at most"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_page_lives(values: dict[str, Any], said: str):
    app = opened(**values)
    assert scene(app)["hold"]["trouble"].startswith("Nothing was trained: ")
    assert said in scene(app)["hold"]["trouble"]
    put(app, **{name: SMALL.get(name, getattr(Settings(), name, 1)) for name in values})
    assert "hold" not in scene(app)


@pytest.mark.parametrize(
    "values",
    [
        {"dataset": "sine", "n_train": 20},
        {"dataset": "diabetes", "n_train": 20, "model": "linear", "optimiser": "sgd", "learning_rate": 0.1, "highest": 10.0},
        {"regularisers": ("early stopping",)},
        {"n_train": 4, "flip": 0.0},
        {"dataset": "sine", "n_train": 20, "optimiser": "sgd", "learning_rate": 10.0},
    ],
)
def test_other_settings_run_through_with_the_test_set_open(values: dict[str, Any]):
    app = opened(tested=True, **values)
    last = settled(app)
    assert "hold" not in last
    if values.get("learning_rate") == 10:
        assert "**diverges**" in last["answer"]
    else:
        assert "cross-validation picks" in last["answer"]
    if "dataset" in values:
        assert "accuracy" not in last["answer"]
        assert [v["label"] for v in panel_of(app, "validation")["views"]] == ["loss"]


def test_each_notice_has_a_grid_and_folds_that_can_be():
    for words, query in prose.notice("tuning"):
        chosen = address.parse(query)
        settings = Settings(**{k: v for k, v in chosen.items() if k in Settings.__dataclass_fields__})
        plan = Search(**{k: v for k, v in chosen.items() if k in Search.__dataclass_fields__})
        for group in scenes.groups(settings, plan, tested=True):
            for run in group:
                run.check()
        assert words


# --- the scene --------------------------------------------------------------------------------------------------------------------


def results(best: int = 2, *, loss: float = 1.0, settings: Settings = CHOSEN) -> dict[Run, History]:
    """Made-up runs of everything; cross-validation finds the candidate `best`, the test set the one before it."""
    found: dict[Run, History] = {}
    for group in scenes.groups(settings, PLAN, tested=True):
        for run in group:
            d = run.settings.decay
            at = DECAYS.index(d) if d in DECAYS else 0
            fold = run.fold[0] / 100 if run.fold else 0
            distance = abs(at - (best if run.fold else best - 1))
            found[run] = made(0.1 * loss, loss * (1 + distance) + fold, scores=(1.0, 0.9 - 0.1 * abs(at - 4)))
    return found


def told(done: dict[Run, History], *, tested: bool = False, settings: Settings = CHOSEN) -> Scene:
    total = len({run for group in scenes.groups(settings, PLAN, tested=tested) for run in group})
    return scenes.scene(settings, PLAN, Following(done, total, None), tested=tested)


def panel(shown: Scene, name: str) -> Panel:
    return next(p for p in shown.panels if p.name == name)


def test_the_answer_names_the_three_choices_and_what_the_guess_costs():
    assert told(results(), settings=replace(CHOSEN, decay=DECAYS[3])).answer == (
        f"3-fold cross-validation picks a decay of **{DECAYS[2]:g}** by loss (in all 2 seeds), "
        f"the one-standard-error rule **{DECAYS[2]:g}**, "
        f"accuracy would pick **{DECAYS[4]:g}**. Your **{DECAYS[3]:g}** costs **99 %** more on held-out points."
    )
    assert "costs nothing more" in told(results(), settings=replace(CHOSEN, decay=DECAYS[2])).answer
    assert "lies outside the grid" in told(results(), settings=replace(CHOSEN, decay=100.0)).answer
    assert "**diverges**" in told(results(loss=math.nan)).answer


def test_half_done_it_says_how_many_folds():
    some = {run for group in tuning.groups(CHOSEN, PLAN)[:2] for run in group}
    shown = told({run: h for run, h in results().items() if run in some})
    assert "by loss after 2 of 3 folds, the" in shown.answer
    assert shown.progress is not None
    assert shown.more
    assert "Comes after the cross-validation." in panel(shown, "searches").views[0].say()


def test_summaries_say_the_numbers():
    shown = told(results(), tested=True)
    said = panel(shown, "validation").views[0].say()
    assert f"Lowest at decay {DECAYS[2]:g}: 1.01 ± 0.01." in said
    assert "No exact leave-one-out curve: the model is not linear." in said
    assert f"Highest at decay {DECAYS[4]:g}: 90 %; the loss is lowest at {DECAYS[2]:g}, with 70 % right: the two differ." in (
        panel(shown, "validation").views[1].say()
    )
    assert f"lowest loss {DECAYS[2]:g}" in panel(shown, "choices").views[0].say()
    price_said = panel(shown, "price").views[0].say()
    assert "lowest loss 1.00 (in every seed)" in price_said  # one candidate beside the best there is
    assert "no decay 1.00" in price_said
    assert [stat.value for stat in panel(shown, "validation").stats] == [f"{DECAYS[i]:g}" for i in (2, 2, 4)]


def test_sealed_nothing_of_the_test_set_is_in_any_words_or_picture():
    clean = results()
    whole = {run for group in (*price.groups(CHOSEN, PLAN), *searching.groups(CHOSEN, PLAN), *widths.groups(CHOSEN, PLAN)) for run in group}

    def poisoned(h: History) -> History:
        return replace(h, losses=h.losses | {"test": np.full(2, 77.0)}, scores=h.scores | {"test": np.full(2, 0.77)})

    other = {run: poisoned(h) if run in whole else h for run, h in clean.items()}

    def drawn(done: dict[Run, History]) -> list[Any]:
        return [(v.label, v.say(), str(v.draw().figure().to_plotly_json())) for p in told(done).panels for v in p.views]

    assert drawn(clean) == drawn(other)
    assert [v.say() for v in panel(told(clean, tested=True), "price").views] != [
        v.say() for v in panel(told(other, tested=True), "price").views
    ]


def test_runs_that_open_the_test_set_are_planned_only_where_it_was_asked_for():
    opened_runs = {run for group in price.groups(CHOSEN, PLAN) for run in group if run.settings.decay == 0}
    planned = [{run for group in scenes.groups(CHOSEN, PLAN, tested=tested) for run in group} for tested in (False, True)]
    assert not planned[0] & opened_runs
    assert opened_runs <= planned[1]


def test_all_groups_are_small_and_the_first_is_smallest():
    sizes = [len(group) for group in scenes.groups(Settings(), Search(), tested=True)]
    assert sizes[0] <= 20
    assert max(sizes) <= 40
