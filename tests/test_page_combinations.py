"""The Combinations page as Streamlit runs it, and what its scene says: verdicts in words, offers, notes, progress, messages."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import open_page, put, scene, settled
from tests.apps import panel as panel_of
from tests.helpers import count_compilations
from tests.test_experiments import made
from tests.test_factorial import of_means, only, random_table, table
from wdviz import factorial
from wdviz.experiments import combinations, combining
from wdviz.figures.interactions import Scale
from wdviz.plans import Combine
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import Settings
from wdviz.ui import address, prose
from wdviz.ui.live import Following
from wdviz.ui.scenes import combinations as scenes
from wdviz.ui.scenes import combined
from wdviz.ui.stage import Scene

SMALL = {"factors": ("decay", "dropout"), "strengths": 3, "strength_seeds": 1, "seeds": 2, "steps": 60}
CHOSEN, PLAN = Settings(seeds=3), Combine(factors=("augmentation", "decay", "dropout"), strengths=3, strength_seeds=1)
LOSS, ACCURACY = Scale("loss", "nats"), Scale("accuracy", "points")


def opened(**values: Any) -> AppTest:
    return open_page("combinations", **(SMALL | values))


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_it_fills_in_run_by_run_and_names_each_step():
    app = opened(factors=("augmentation", "decay", "dropout"), seeds=3, strength_seeds=2, steps=300)
    seen = [scene(app)]
    assert seen[0]["progress"]["done"] >= 7
    while seen[-1]["more"]:
        seen.append(scene(app.run()))
    assert len({each["result"] for each in seen}) == len(seen)
    assert seen[-1]["progress"] is None
    assert [p["name"] for p in seen[-1]["panels"]] == ["interactions", "effects", "together", "strengths", "ranking"]
    assert seen[-1]["answer"].startswith("Decay alone takes the test loss from **")
    assert seen[-1]["answer"].endswith("(95 % intervals, 3 seeds).")
    assert [t.value for t in app.title] == ["Does decay get along with dropout, batch norm, augmentation?"]


def test_moving_a_slider_of_the_stage_compiles_nothing():
    app = opened()
    settled(app)
    with count_compilations() as compiled:
        put(app, decay=7.0)
        settled(app)
        put(app, dropout=0.6)
        settled(app)
    assert compiled == []
    assert [slider["name"] for slider in scene(app)["sliders"]] == ["decay", "dropout"]


def test_averaging_and_the_judge_are_other_views_of_the_same_runs():
    app = opened(factors=("augmentation", "decay", "dropout"))
    before = settled(app)
    put(app, others="averaged")
    after = scene(app)
    assert after["progress"] is None
    assert after["answer"].startswith("Averaged over the others, decay ")
    assert panel_of(app, "interactions")["offer"]["put"] == {"others": "off"}
    assert after["result"] != before["result"]
    put(app, judged_by="accuracy")
    assert "the test accuracy" in scene(app)["answer"]
    assert [v["label"] for v in panel_of(app, "effects")["views"]] == ["test accuracy", "test loss"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"factors": ("decay",)}, "decay alone cannot be combined; pick two regularisers at least"),
        ({"factors": ()}, "nothing alone cannot be combined"),
        ({"least_decay": 5.0, "most_decay": 0.5}, "the range is reversed: the lowest decay is 5"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_page_lives(values: dict[str, Any], said: str):
    app = opened(**values)
    assert scene(app)["hold"]["trouble"].startswith("Nothing was trained: ")
    assert said in scene(app)["hold"]["trouble"]
    put(app, **{name: SMALL.get(name, getattr(Combine(), name)) for name in values})
    assert "hold" not in scene(app)


@pytest.mark.parametrize(
    "values",
    [
        {"dataset": "sine", "n_train": 20},
        {"dataset": "sine", "n_train": 20, "optimiser": "sgd", "learning_rate": 10.0},
        {"model": "linear"},
        {"decay": 0.0},
        {"seeds": 1},
        {"factors": ("decay", "early stopping", "label smoothing"), "judged_by": "accuracy"},
        {"rival": "shift"},
    ],
)
def test_other_settings_run_through(values: dict[str, Any]):
    app = opened(**values)
    last = settled(app)
    assert "hold" not in last
    if values.get("learning_rate") == 10:
        assert "**diverges**" in last["answer"]
    elif values.get("decay") == 0:
        assert "**no difference**: dropout".lower() in last["answer"].lower()
    else:
        assert "Decay alone takes the test" in last["answer"]
    if "dataset" in values:
        assert [v["label"] for v in panel_of(app, "effects")["views"]] == ["test loss", "test R2"]
    if "rival" in values:
        assert any("allow no shift" in note for note in last["notes"])


def test_every_notice_can_be_trained_and_differs_from_the_default():
    found = prose.notice("combinations")
    assert 4 <= len(found) <= 6
    for words, query in found:
        chosen = address.parse(query)
        settings = Settings(**{k: v for k, v in chosen.items() if k in Settings.__dataclass_fields__})
        plan = Combine(**{k: v for k, v in chosen.items() if k in Combine.__dataclass_fields__})
        assert words
        assert (settings, plan) != (Settings(), Combine())
        for group in combinations.groups(settings, plan):
            group[0].check()


def test_offers_lead_to_other_data_and_back():
    app = opened()
    (offer,) = scene(app)["offers"]
    assert offer["label"] == "On handwritten digits"
    assert address.allowed("n_train", address.value("n_train", [offer["put"]["n_train"]]), notes := []) == 200
    assert notes == []
    there = scenes._offers(Settings(dataset="digits"))
    assert {o.label for o in there} == {"On two moons"}
    back = {name: address.value(name, [text]) for name, text in there[0].put.items()}
    assert back == {name: getattr(Settings(), name) for name in back}


# --- the scene --------------------------------------------------------------------------------------------------------------------


def results(settings: Settings = CHOSEN, plan: Combine = PLAN) -> dict[Run, History]:
    """Decay and augmentation are substitutes, dropout adds noise that differs between the seeds."""
    found = {}
    for group in combinations.groups(settings, plan):
        for run in group:
            on = {*run.settings.regularisers, *(["decay"] if run.settings.decay else [])}
            loss = (0.5 if on & {"decay", "augmentation"} else 1.0) + 0.01 * run.seed * len(on)
            loss += (0.1 * (-1) ** run.seed if on == {"dropout"} else 0) + 0.001 * (run.seed == 1 and len(on) == 2)
            found[run] = made(0.1, loss, scores=(1.0, 1 - loss / 2))
    return found


def told(done: dict[Run, History], plan: Combine = PLAN, settings: Settings = CHOSEN) -> Scene:
    total = len({run for group in combinations.groups(settings, plan) for run in group})
    return scenes.scene(settings, plan, Following(done, total, None))


def say(shown: Scene, name: str, view: int = 0) -> str:
    return next(p for p in shown.panels if p.name == name).views[view].say()


def test_the_answer_groups_the_others_by_verdict_what_can_be_told_first():
    assert told(results()).answer == (
        "Decay alone takes the test loss from **1.00** to **0.51**. **Substitutes**: augmentation (alone 0.51, both 0.52); "
        "**cannot tell**: dropout (alone 1.04, both 0.52) (95 % intervals, 3 seeds)."
    )


def test_with_one_seed_it_says_so_and_has_no_interval():
    first = set(combinations.groups(CHOSEN, PLAN)[0])
    shown = told({run: h for run, h in results().items() if run in first})
    assert "**One seed**: augmentation" in shown.answer
    assert "interval" not in shown.answer
    assert "One seed has no interval" in say(shown, "together")
    assert shown.more
    assert "trained" in say(shown, "strengths")


@pytest.mark.parametrize("others", ["off", "averaged"])
@pytest.mark.parametrize("done", [0, 1])
def test_every_panel_has_a_picture_however_little_is_finished(others: str, done: int):
    plan = Combine(factors=tuple(sorted(combinations.combining.COMBINED)), others=others)
    given = [run for group in combinations.groups(CHOSEN, plan)[:done] for run in group] or [combinations.groups(CHOSEN, plan)[0][0]]
    shown = told({run: made() for run in given}, plan)
    assert shown.answer
    for panel in shown.panels:
        assert panel.views
        for view in panel.views:
            assert view.say()
            assert view.draw().layout["title"]["text"]
    assert len(next(p for p in shown.panels if p.name == "together").views) == 15


def test_numbers_leave_the_answer_where_there_are_many():
    plan = Combine(factors=tuple(sorted(combinations.combining.COMBINED)))
    shown = told({run: made(0.1, 0.5 + 0.1 * run.seed) for g in combinations.groups(CHOSEN, plan) for run in g}, plan)
    assert "alone 0." not in shown.answer
    assert "label smoothing" in shown.answer


def test_each_panel_says_its_numbers():
    shown = told(results())
    assert say(shown, "interactions").startswith("decay and augmentation: substitutes (+0.50); decay and dropout: cannot tell (")
    assert say(shown, "interactions").endswith("Each interval has 95 % of its own: of 3, chance alone would keep 0.15 off zero.")
    # Dropout's own effect cannot be told from none, so it is no share of anything.
    assert say(shown, "effects").startswith(
        "Of what decay gains alone, augmentation alone gains 100 %; of dropout alone one cannot tell a gain. Change in"
    )
    assert "decay −0.49 alone, −0.25 on average" in say(shown, "effects")
    assert "dropout +0.04 (cannot tell) alone" in say(shown, "effects")
    assert "Decay without augmentation lowers the test loss by 0.49, augmentation without decay lowers" in say(shown, "together")
    assert "+0.50 nats beyond the sum (3 seeds, 95 % interval +0.50 to +0.50). Substitutes:" in say(shown, "together")
    assert say(shown, "ranking").startswith("Lowest test loss: augmentation, 0.51; at the other end dropout, 1.04.")
    assert "the validation loss chooses augmentation, which is number 1 of 8 here" in say(shown, "ranking")
    assert "Beside dropout 0 the best decay is" in say(shown, "strengths")


@pytest.mark.parametrize(
    ("means", "spread", "said"),
    [
        ((2.0, 1.0, 1.5, 0.1), 0.01, "both lower the test loss by 1.90: −0.40 nats beyond the sum"),
        ((2.0, 1.0, 1.5, 0.1), 0.01, "Complements: together they are better than the sum."),
        ((2.0, 1.0, 1.5, 1.0), 0.01, "Substitutes: together they are not as good as the sum"),
        ((2.0, 1.0, 0.9, 1.4), 0.01, "Conflict: together they are worse than augmentation alone, by 0.50."),
        ((1.0, 1.5, 1.5, 1.6), 0.01, "Yet they are no better than"),
        ((2.0, 1.0, 1.5, 0.5), 0.05, "Cannot tell: the interval holds zero. If there is as little as it seems, more than 1,000 seeds"),
        ((2.0, 1.0, 1.5, 0.52), 0.05, "Cannot tell: the interval holds zero. If it is as large as it seems, about"),
        ((2.0, 2.0, 1.5, 1.5), 0.0, "decay without augmentation changes nothing"),
        ((2.0, 2.0, 1.5, 1.5), 0.0, "No difference: the runs are the same"),
        ((1.0, 1.5, 1.0, 3.0), 0.01, "raises the test loss by 0.50"),
    ],
)
def test_a_pair_in_words(means: tuple[float, float, float, float], spread: float, said: str):
    text = combined.say_pair(only(of_means(*means, spread=spread)), LOSS, averaged=False)
    assert said.lower() in text.lower()


def test_a_pair_that_diverged_or_is_averaged_or_of_accuracies():
    found = random_table(2)
    found.values[0, 1, 1] = math.nan
    assert combined.say_pair(only(found), LOSS, averaged=False).startswith("In 1 of 5 seeds a training of these diverged")
    assert combined.say_pair(only(random_table(2)), LOSS, averaged=True).startswith("Averaged over the others, decay without")
    (pair,) = factorial.pairs(table(-random_table(2).values, lower_is_better=False), averaged=False)
    assert "points beyond the sum" in combined.say_pair(pair, ACCURACY, averaged=False)


@pytest.mark.parametrize(
    ("factor", "changes", "said"),
    [
        ("decay", {}, "decay 2"),
        ("dropout", {}, "dropout 0.3"),
        ("augmentation", {}, "augmentation<br>(noise 0.2)"),
        ("augmentation", {"dataset": "digits", "rotation": 10.0}, "augmentation<br>(shift 1, rotation 10)"),
        ("augmentation", {"dataset": "digits", "shift": 0}, "augmentation<br>(none)"),
        ("augmentation", {"dataset": "power demand", "rotation": 10.0}, "augmentation<br>(shift 1)"),
        ("batch norm", {}, "batch norm"),
        ("batch norm", {"dataset": "digits", "model": "recurrent"}, "layer norm"),
        ("label smoothing", {}, "label<br>smoothing 0.1"),
        ("early stopping", {}, "early stopping<br>(patience 200)"),
    ],
)
def test_a_regulariser_is_named_with_its_amount(factor: str, changes: dict[str, Any], said: str):
    assert combined.label(factor, combining.at_work(replace(Settings(), **changes))) == said
