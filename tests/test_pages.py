"""Each page runs as Streamlit runs it: at its defaults, and with controls changed."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import TIMEOUT, ask, open_at, panel, put, scene, settled
from tests.helpers import count_compilations
from wdviz import compiling, datasets, runs, training
from wdviz.pool import PoolFull
from wdviz.serving import assembly
from wdviz.settings import REGULARISERS, SPECS, Settings
from wdviz.specs import Number
from wdviz.ui import address, controls, prose, stage

ON_STAGE = {"decay", "learning_rate", "switch_at", "decay_after", "edits"}


@pytest.fixture(scope="module", autouse=True)
def _warm():
    runs.warm_up([Settings()])


def opened(**query: Any) -> AppTest:
    return open_at(AppTest.from_file(str(assembly.ROUTER), default_timeout=TIMEOUT), **query)


def controls_of(app: AppTest) -> Settings:
    """What the controls say."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(controls, "_value", lambda name: app.session_state[name])
        return controls.settings()[0]


# --- opening ----------------------------------------------------------------------------------------------------------------------


def test_opens_on_a_striking_trained_default():
    app = opened()
    found = scene(app)
    assert panel(app, "without")["tag"] == "memorises"
    assert panel(app, "with")["tag"] == "generalises"
    assert "cuts the loss on new data" in found["answer"]
    assert [p["name"] for p in found["panels"]] == ["without", "with", "curves", "weights", "norms"]
    assert found["notes"] == []
    assert not app.warning
    assert dict(app.query_params) == {}


def test_each_run_of_the_fragment_adds_seeds_until_all_are_there():
    app = opened()
    seen = [scene(app)]
    while seen[-1]["more"]:
        seen.append(scene(app.run()))
        assert len(seen) <= Settings().seeds
    # Each run shows more: an unchanged stage is not painted, and would never ask for the next.
    assert len({each["result"] for each in seen}) == len(seen)
    assert seen[-1]["status"] == ""
    assert f"{Settings().seeds} seeds" in seen[-1]["answer"]


def test_the_same_seed_gives_the_same_results_by_the_same_names():
    first, second, other = (settled(opened(seed=seed, seeds="2")) for seed in ("5", "5", "6"))
    assert (first["result"], first["scene"]) == (second["result"], second["scene"])
    assert first["answer"] == second["answer"]
    assert [p["stats"] for p in first["panels"]] == [p["stats"] for p in second["panels"]]
    assert other["result"] != first["result"]
    assert other["scene"] != first["scene"]


# --- controls ---------------------------------------------------------------------------------------------------------------------


def test_decay_changes_the_picture_the_readout_and_the_address():
    app = opened()
    before = scene(app)["result"]
    put(app, decay=0.1)
    found = scene(app)
    assert found["result"] != before
    assert panel(app, "with")["title"] == "With decay 0.1"
    assert "shrinks weights by **0.3 %** per step" in found["readout"][0]  # 0.03 x 0.1
    assert found["sliders"][0]["fixed"]["values"][found["sliders"][0]["at"]] == "0.1"
    assert dict(app.query_params) == {"decay": "0.1"}


def test_divergence_is_labelled_and_the_page_lives():
    app = opened()
    put(app, decay=100.0)
    assert panel(app, "with")["tag"] == "diverged"
    assert "**diverges**" in scene(app)["answer"]
    assert "makes weights **grow**" in scene(app)["readout"][0]
    put(app, decay=3.0)
    assert panel(app, "with")["tag"] == "generalises"


@pytest.mark.parametrize("dataset", ["sine", "digits", "penguins", "diabetes"])
def test_other_data_sets(dataset: str):
    app = opened()
    app.selectbox(key="dataset").set_value(dataset).run()
    assert not app.exception
    assert "hold" not in scene(app)
    assert panel(app, "without")["stats"][0][0] == ("train R2" if dataset in ("sine", "diabetes") else "train accuracy")


def test_another_data_set_comes_without_the_edits_of_the_last():
    app = opened(edits="r3")
    app.selectbox(key="dataset").set_value("circles").run()
    assert scene(app)["points"]["text"] == ""
    assert scene(app)["notes"] == []


def test_more_points_than_a_set_has_are_said_and_clamped():
    app = opened()
    app.selectbox(key="dataset").set_value("wine").run()
    put(app, n_train=400)
    (note,) = scene(app)["notes"]
    assert "400" in note
    assert "88" in note


def test_labels_of_one_class_are_said():
    seed = next(k for k in range(1000) if datasets.load("moons", 4, 0.2, 0.5, k).one_class)
    (note,) = scene(opened(n_train="4", flip="0.5", seed=str(seed)))["notes"]
    assert "of one class" in note


def test_a_page_says_in_short_what_it_is_and_leads_to_the_next():
    app = opened()
    said = [part.value for part in app.main.markdown]
    assert said[0].startswith("A neural network learns")
    (link,) = app.get("page_link")
    assert (link.proto.label, link.proto.page) == ("Next: Why it helps", "sensitivity")
    app = opened(present="1")
    assert len(app.get("page_link")) == 1  # hidden by the browser, which may leave presenter mode by itself


def test_notice_buttons_and_steps_set_every_control():
    app = opened()
    next(b for b in app.button if "learns nothing" in b.label).click().run()
    assert app.session_state["decay"] == 30
    assert panel(app, "with")["tag"] == "learns nothing"
    steps = scene(app)["notice"]
    assert steps == ["The page as it opens", *(words for words, _ in prose.notice("overfitting"))]
    queries = ["", *(query for _, query in prose.notice("overfitting"))]
    for k, query in enumerate(queries):
        ask(app, queries, notice=k)
        assert controls_of(app) == Settings(**address.parse(query))
        assert scene(app)["notes"] == []


def test_reset_and_new_seed():
    app = opened(edits="r3")
    put(app, decay=0.1)
    next(b for b in app.button if b.label == "New seed").click().run()
    assert app.slider(key="seed").value == Settings().seeds
    next(b for b in app.button if b.label == "Reset").click().run()
    assert controls_of(app) == Settings()
    assert dict(app.query_params) == {}


def test_every_setting_has_one_control_in_the_sidebar_or_on_the_stage():
    app = opened(switch_at="300")
    keys = [w.key for w in (*app.slider, *app.select_slider, *app.selectbox, *app.get("button_group")) if w.key]
    found = scene(app)
    on_stage = [slider["name"] for slider in found["sliders"]]
    on_stage += ["switch_at"] if found["switch"]["words"] else []
    on_stage += ["edits"] if found["points"]["refs"].size else []
    assert set(on_stage) == ON_STAGE
    assert sorted(keys + on_stage) == sorted(f.name for f in fields(Settings))


def test_moving_any_numeric_control_compiles_nothing():
    app = opened()
    pills: Any = app.get("button_group")[0]
    pills.set_value([name for name in REGULARISERS if name != "batch norm"]).run()
    app.selectbox(key="optimiser").set_value("momentum").run()
    put(app, switch_at=300)  # so that the decay after the switch counts
    settled(app)
    with count_compilations() as compiled:
        for name, spec in SPECS.items():
            if isinstance(spec, Number):
                steps = (spec.high - spec.low) // (spec.step or 1) // 3
                other = spec.grid[len(spec.grid) // 3] if spec.grid else round(spec.low + steps * spec.step, 6)
                other = spec.low if other == app.session_state[name] else other
                before = scene(app)["result"]
                assert other != app.session_state[name], name
                if name in ON_STAGE:
                    put(app, **{name: other})
                else:
                    (app.select_slider(key=name) if spec.grid else app.slider(key=name)).set_value(other).run()
                assert not app.exception, name
                assert scene(app)["result"] != before, name
        settled(app)
    assert compiled == []
    assert len(training.programs) <= compiling.MOST


# --- the address ------------------------------------------------------------------------------------------------------------------


def test_values_from_outside_never_break_the_page():
    app = opened(decay="1e999", n_train="-5", dataset="'; drop table", learning_rate="nan", seeds="1000000", width="7", edits="__import__")
    notes = " ".join(scene(app)["notes"])
    for said in ("decay is inf", "n_train is -5", "drop table", "learning_rate is nan", "seeds is 1000000", "width is '7'", "__import__"):
        assert said in notes
    assert scene(app)["panels"]
    assert controls_of(app) == Settings(n_train=4, seeds=20)


def test_notes_stay_while_seeds_fill_in_and_go_with_the_next_change():
    app = opened(decay="-1", seeds="2")
    (note,) = scene(app)["notes"]
    assert "decay is -1" in note
    assert settled(app)["notes"] == [note]
    assert scene(put(app, decay=5.0))["notes"] == []


def test_a_switch_in_the_middle_of_training_comes_by_the_address():
    app = opened(switch_at="300", decay_after="0")
    found = scene(app)
    assert found["switch"]["words"] == "decay 0 from step 300"
    assert panel(app, "with")["title"] == "With decay 2, then 0 from step 300"
    assert [slider["name"] for slider in found["sliders"]] == ["decay", "decay_after", "learning_rate"]
    losses = panel(app, "curves")["views"][0]["figure"]
    assert any(shape["x0"] == 300 for shape in losses["layout"]["shapes"])
    switched, plain = ([p["stats"] for p in settled(a)["panels"][:2]] for a in (app, opened()))
    assert switched[0] == plain[0]
    assert switched[1] != plain[1]


def test_edits_come_by_the_address_and_all_seeds_train_on_them():
    app = opened(edits="r0~r1~a1.25_-0.4_1")
    found = settled(app)
    assert found["points"]["refs"].tolist() == [*range(2, 40), -1]
    assert found["points"]["text"] == "r0~r1~a1.25_-0.4_1"
    assert found["notes"] == []
    assert "All seeds train on these edited points." in panel(app, "with")["views"][0]["summary"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"dataset": "digits", "edits": "r0"}, "digits is not"),
        ({"n_train": "5", "edits": "r0~r1"}, "edits leave 3 training points; there must be from 4 to 500"),
        ({"edits": "a0_0_7"}, "label 7"),
    ],
)
def test_edits_that_do_not_suit_are_left_out_and_said(query: dict[str, str], said: str):
    app = opened(**query)
    (note,) = scene(app)["notes"]
    assert note.startswith("The edits of the data are left out")
    assert said in note
    assert panel(app, "with")["tag"]
    assert scene(app)["points"].get("text", "") == ""


def test_how_it_is_shown_comes_by_the_address():
    app = opened(present="1", contrast="1", test_points="1")
    assert scene(app)["shown"] == {"present": True, "contrast": True, "test_points": True, "tested": False}
    assert scene(opened())["shown"] == dict.fromkeys(address.SHOWN, False)
    drawn = [len(panel(a, "with")["views"][0]["figure"]["data"]) for a in (app, opened())]
    assert drawn[0] > drawn[1]


@pytest.mark.parametrize(
    ("name", "value", "note"),
    [
        ("learning_rate", math.nan, "must be a finite number"),
        ("steps", True, "must be a finite number"),
        ("width", 7, "must be one of"),
        ("dataset", None, "must be one of"),
        ("edits", "nonsense", "is no edit"),
    ],
)
def test_a_forged_value_gives_the_default_and_a_note(name: str, value: object, note: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(controls, "_value", lambda asked: value if asked == name else address.DEFAULTS[asked])
    chosen, notes = controls.settings()
    assert chosen == Settings()
    assert len(notes) == 1
    assert note in notes[0]
    assert repr(value) in notes[0]


@pytest.mark.parametrize(
    ("name", "value", "end"), [("dropout", 7.0, 0.9), ("decay", -1.0, 0.0), ("seeds", 10**9, 20), ("seed", 10**400, 9999)]
)
def test_a_forged_number_goes_to_the_end_of_its_range_with_a_note(name: str, value: float, end: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(controls, "_value", lambda asked: value if asked == name else address.DEFAULTS[asked])
    assert getattr(controls.settings()[0], name) == end
    (note,) = controls.settings()[1]
    assert note.startswith(f"{name} is {value!r}"[:100])


# --- asks -------------------------------------------------------------------------------------------------------------------------


def test_while_the_hand_moves_one_seed_and_the_picked_views_are_shown_and_the_address_waits():
    app = opened()
    ask(app, put={"decay": "0.7"}, live=True, picked={"curves": "accuracy", "weights": "output"})
    found = scene(app)
    assert panel(app, "with")["title"] == "With decay 0.7"
    assert (found["more"], dict(app.query_params)) == (False, {})
    assert [view["label"] for view in panel(app, "curves")["views"] if "figure" in view] == ["accuracy"]
    ask(app, put={"decay": "0.7"}, picked={"curves": "accuracy"})
    assert "over 5 seeds" in settled(app)["answer"]
    assert dict(app.query_params) == {"decay": "0.7"}
    assert all("figure" in view for view in panel(app, "curves")["views"])


def test_a_film_is_sent_when_it_is_asked_for_by_the_scene_s_name_and_once():
    app = opened()
    name = scene(app)["scene"]
    reel = scene(ask(app, film=name))["reel"]
    assert reel["answers"]["with"].shape[0] == reel["steps"]["with"].size == len(reel["captions"]["with"])
    assert "reel" not in scene(ask(app, film="of another scene"))
    assert "reel" not in scene(ask(app, more=True))


def test_a_full_pool_is_said_in_words(monkeypatch: pytest.MonkeyPatch):
    app = opened()

    def full(*args: Any, **kwargs: Any) -> Any:
        raise PoolFull(2000, 7)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "sweep", full)
        put(app, decay=0.002)
        hold = scene(app)["hold"]
        assert hold["status"] == "The server is full. Your place in the line is 7; the page goes on by itself."
        assert hold["again"] > 0
    assert scene(app.run())["panels"]


def test_on_a_page_within_a_page_the_stage_alone_is_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(stage.st.context), "is_embedded", property(lambda self: True))
    app = opened()
    assert scene(app)["embedded"] is True
    assert not app.title
    assert not app.selectbox
    assert not app.button


# --- families of networks ---------------------------------------------------------------------------------------------------------

SMALL = {"dataset": "digits", "n_train": "40", "steps": "20", "seeds": "1", "depth": "1"}


def test_a_network_that_cannot_take_the_data_is_not_offered_and_a_link_to_it_gets_the_nearest():
    app = opened(model="attention", budget="4000", decay_on="queries and keys", seeds="1")
    notes = " ".join(scene(app)["notes"])
    assert "model is 'attention'" in notes
    assert "decay_on is 'queries and keys'" in notes
    assert controls_of(app) == Settings(seeds=1)
    assert app.selectbox(key="model").options == ["feedforward", "linear"]
    assert app.selectbox(key="model").value == "feedforward"
    assert set(app.selectbox(key="decay_on").options) >= {"weights", "first layer", "biases"}
    assert "recurrent matrix" not in app.selectbox(key="decay_on").options
    assert "2,594 parameters, 48 units a layer" in [c.value for c in app.caption]


def test_picking_a_network_gives_it_a_width_and_its_parts():
    app = opened(**SMALL)
    assert len(app.selectbox(key="model").options) == 5
    app.selectbox(key="model").set_value("recurrent").run()
    assert not app.exception
    assert controls_of(app).budget == controls.SMALL
    assert app.selectbox(key="width").disabled
    assert not app.selectbox(key="cell").disabled
    assert app.selectbox(key="heads").disabled
    assert "recurrent matrix" in app.selectbox(key="spare").options
    assert {view["label"] for view in panel(app, "norms")["views"]} == {"layer 1 input", "layer 1 recurrent", "output"}
    app.selectbox(key="spare").set_value("recurrent matrix").run()
    app.selectbox(key="model").set_value("feedforward").run()  # which has no such part
    (note,) = scene(app)["notes"]
    assert "spare is 'recurrent matrix'" in note
    assert (controls_of(app).budget, controls_of(app).spare) == (0, "none")


def test_attention_is_not_offered_batch_norm():
    app = opened(**SMALL, model="attention", budget="500", regularisers="batch norm")
    assert "layer norm" in scene(app)["notes"][0]
    pills: Any = app.get("button_group")[0]
    assert "batch norm" not in pills.options
