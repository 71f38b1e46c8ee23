"""Each page runs as Streamlit runs it: at its defaults, and with controls changed."""

import json
import math
import struct
from dataclasses import fields
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers import count_compilations
from wdviz import datasets, runs, training
from wdviz.settings import SPECS, Number, Settings
from wdviz.ui import controls, server

TIMEOUT = 120


@pytest.fixture(scope="module", autouse=True)
def _warm():
    runs.warm_up([Settings()])


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(server.ROUTER), default_timeout=TIMEOUT)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def stage(app: AppTest) -> dict:
    """The header of what the stage was given."""
    (component,) = app.get("bidi_component")
    raw = component.proto.bytes
    (length,) = struct.unpack("<I", raw[:4])
    return json.loads(raw[4 : 4 + length])


def panel(app: AppTest, name: str) -> dict:
    return next(p for p in stage(app)["panels"] if p["name"] == name)


def answer(app: AppTest) -> str:
    return next(m.value for m in app.markdown if "decay" in m.value and "loss on new data" in m.value)


def test_opens_on_a_striking_trained_default():
    app = opened()
    assert not app.exception
    assert not app.warning
    assert panel(app, "without")["tag"] == "memorises"
    assert panel(app, "with")["tag"] == "generalises"
    assert "cuts the loss on new data" in answer(app)
    assert {p["name"] for p in stage(app)["panels"]} == {"without", "with", "curves", "weights", "norms"}


def test_each_run_of_the_fragment_adds_seeds_until_all_are_there():
    app = opened()
    seen = [stage(app)]
    while seen[-1]["more"]:
        seen.append(stage(app.run()))
        assert len(seen) <= Settings().seeds
    # Each run shows more: an unchanged stage is not painted, and would never ask for the next.
    assert len({header["result"] for header in seen}) == len(seen)
    assert seen[-1]["status"] == ""
    assert f"{Settings().seeds} seeds" in answer(app)


def test_the_decay_slider_changes_the_picture_and_the_readout():
    app = opened()
    before = stage(app)["result"]
    app.select_slider(key="decay").set_value(0.1).run()
    assert not app.exception
    assert stage(app)["result"] != before
    assert panel(app, "with")["title"] == "With decay 0.1"
    assert any("0.3 %" in m.value and "per step" in m.value for m in app.markdown)  # 0.03 x 0.1


def test_divergence_is_labelled_and_the_page_lives():
    app = opened()
    app.select_slider(key="decay").set_value(100.0).run()
    assert not app.exception
    assert panel(app, "with")["tag"] == "diverged"
    assert any("diverges" in m.value for m in app.markdown)
    app.select_slider(key="decay").set_value(3.0).run()
    assert panel(app, "with")["tag"] == "generalises"


@pytest.mark.parametrize("dataset", ["sine", "digits", "penguins", "diabetes"])
def test_other_data_sets(dataset: str):
    app = opened()
    app.selectbox(key="dataset").set_value(dataset).run()
    assert not app.exception
    assert not app.error
    assert stage(app)["panels"][0]["stats"][0]["label"] == ("train R2" if dataset in ("sine", "diabetes") else "train accuracy")


def test_more_points_than_a_set_has_are_said_and_clamped():
    app = opened()
    app.selectbox(key="dataset").set_value("wine").run()
    app.slider(key="n_train").set_value(400).run()
    assert not app.exception
    assert any("400" in w.value and "88" in w.value for w in app.warning)


def test_labels_of_one_class_are_said():
    values = {"n_train": 4, "flip": 0.5}
    seed = next(k for k in range(1000) if datasets.load("moons", 4, 0.2, 0.5, k).one_class)
    app = opened(**{name: str(value) for name, value in values.items()}, seed=str(seed))
    assert not app.exception
    assert any("of one class" in w.value for w in app.warning)


def test_values_from_outside_never_break_the_page():
    app = opened(decay="1e999", n_train="-5", dataset="'; drop table", learning_rate="nan", seeds="1000000", width="7")
    assert not app.exception
    assert stage(app)["panels"]


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", math.nan), ("dropout", 7.0), ("decay", -1.0), ("steps", True), ("seeds", 10**9), ("width", 7)]
)
def test_a_forged_widget_value_gives_the_default_and_a_note(name: str, value: object, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(controls, "_value", lambda asked: value if asked == name else controls.DEFAULTS[asked])
    chosen, notes = controls.settings()
    assert chosen == Settings()
    assert len(notes) == 1
    assert name in notes[0]
    assert str(value) in notes[0]


@pytest.mark.parametrize(("value", "step"), [(0.00011, 0.0001), (1e-9, 0.0), (2.4, 2.0), (99.0, 100.0)])
def test_values_off_the_grid_move_to_its_nearest_step(value: float, step: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(controls, "_value", lambda asked: value if asked == "decay" else controls.DEFAULTS[asked])
    assert controls.settings() == (Settings(decay=step), [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "not part of the loss"),
        ({"optimiser": "sgd"}, "The sum is what is minimised."),
        ({"decay_kind": "coupled"}, "The sum is what is minimised."),
        ({"decay_kind": "coupled", "regularisers": "dropout"}, "but for what dropout adds."),
    ],
)
def test_what_is_minimised_is_said_truly(query: dict[str, str], said: str):
    assert said in panel(opened(**query), "curves")["views"][2]["summary"]


def test_notice_buttons_set_controls():
    app = opened()
    next(b for b in app.button if "learns nothing" in b.label).click().run()
    assert app.select_slider(key="decay").value == 30
    assert panel(app, "with")["tag"] == "learns nothing"


def test_reset_and_new_seed():
    app = opened()
    app.select_slider(key="decay").set_value(0.1).run()
    next(b for b in app.button if b.label == "New seed").click().run()
    assert app.slider(key="seed").value == Settings().seeds
    next(b for b in app.button if b.label == "Reset").click().run()
    assert (app.slider(key="seed").value, app.select_slider(key="decay").value) == (0, Settings().decay)


def test_every_setting_has_one_control_under_its_own_name():
    app = opened()
    keys = [w.key for w in (*app.slider, *app.select_slider, *app.selectbox, *app.get("button_group")) if w.key]
    assert sorted(keys) == sorted(f.name for f in fields(Settings))


def test_moving_any_numeric_control_compiles_nothing():
    app = opened()
    pills: Any = app.get("button_group")[0]
    pills.set_value(["dropout", "early stopping", "input noise", "l1", "label smoothing"]).run()
    app.selectbox(key="optimiser").set_value("momentum").run()
    with count_compilations() as compiled:
        for name, spec in SPECS.items():
            if isinstance(spec, Number):
                widget = app.select_slider(key=name) if spec.grid else app.slider(key=name)
                steps = (spec.high - spec.low) // (spec.step or 1) // 3
                other = spec.grid[len(spec.grid) // 3] if spec.grid else round(spec.low + steps * spec.step, 6)
                assert other != widget.value, name
                widget.set_value(other).run()
                assert not app.exception, name
        while stage(app)["more"]:
            app.run()
    assert compiled == []
    assert len(training._programs) <= training.MAX_PROGRAMS
