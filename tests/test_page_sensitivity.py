"""The Sensitivity page as Streamlit runs it, and what its scene says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import open_page, put, scene, settled
from tests.helpers import count_compilations
from tests.test_sensitivity import measured
from wdviz import datasets, runs
from wdviz.experiments.sensitivity import Sensitivity
from wdviz.measured import Probes, Rescaled
from wdviz.plans import Probe
from wdviz.settings import Settings
from wdviz.ui import address, prose
from wdviz.ui.live import Following
from wdviz.ui.scenes import sensitivity as scenes

SMALL = {"seeds": 1, "steps": 60}
DIGITS = {"dataset": "digits", "n_train": 100, "noise": 0.0, "steps": 20}
CHARTS = ["noise", "decay", "distance", "calibration", "rescaling"]


@pytest.fixture(scope="module", autouse=True)
def _warm():
    runs.warm_up([Settings()])


def names(shown: dict[str, Any]) -> list[str]:
    return [panel["name"] for panel in shown["panels"]]


def made(
    without: float = 8.0, with_decay: float = 2.0, *, scores: tuple[float, float] = (0.7, 0.8), settings: Settings | None = None
) -> Sensitivity:
    """Made-up results of two seeds."""
    chosen = settings or Settings(seeds=2)
    split = datasets.split_for(chosen, 0)
    arms = [
        Probes(name, decay, (replace(measured(size, score), map=np.full(6400, size)),) * 2)
        for name, decay, size, score in (("without", 0.0, without, scores[0]), ("with", chosen.decay, with_decay, scores[1]))
    ]
    rescaled = [Rescaled(np.array([0.5, 1.0]), np.array([change, 0.0]), np.array([0.7, 0.8])) for change in (1e-5, 0.4)]
    plane, (without_, with_) = datasets.plane(split), arms
    return Sensitivity(chosen, Probe(), split, plane, without_, with_, (), (rescaled[0],), (rescaled[1],), None)


def opened(**values: Any) -> AppTest:
    return open_page("sensitivity", **(SMALL | values))


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_it_opens_with_both_arms_and_fills_in():
    app = opened(seeds=2, seed=77)
    first = scene(app)
    assert names(first) == ["without", "with", *CHARTS]
    assert first["more"]
    assert first["progress"]["total"] > first["progress"]["done"]
    shown = settled(app)
    assert names(shown) == ["without", "with", *CHARTS]  # nothing jumps while the rest comes in
    assert shown["progress"] is None
    assert shown["answer"].startswith("With a decay of **2** the answer reacts **")
    assert "2 seeds" in shown["answer"]
    assert all(view["figure"] for panel in shown["panels"] for view in panel["views"])


@pytest.mark.parametrize(
    ("values", "charts"),
    [
        ({"dataset": "sine", "n_train": 20}, ["noise", "decay", "rescaling"]),
        ({"model": "linear"}, CHARTS[:-1]),
        ({"regularisers": ("batch norm",)}, CHARTS),
        ({"decay": 100.0, "learning_rate": 10.0}, CHARTS),
        ({"optimiser": "sgd", "learning_rate": 10.0}, CHARTS),
    ],
)
def test_every_kind_of_network_has_its_panels(values, charts):
    shown = settled(opened(**values))
    assert names(shown) == ["without", "with", *charts]
    assert sum(panel["span"] for panel in shown["panels"]) % 12 == 0  # whole rows
    assert ("diverges" in shown["answer"]) == (values.get("learning_rate") == 10.0)


def test_digits_are_looked_at_one_by_one():
    app = opened(**DIGITS)
    shown = scene(app)
    assert names(shown)[:3] == ["without", "with", "probabilities"]
    assert [slider["name"] for slider in shown["sliders"]] == ["decay", "image", "jitter"]
    before = shown["panels"][0]["views"][0]["summary"]
    put(app, image=3, jitter=0.0)
    assert scene(app)["panels"][0]["views"][0]["summary"] != before
    assert "**" not in before


def test_moving_decay_compiles_nothing():
    app = opened()
    settled(app)
    with count_compilations() as compiled:
        put(app, decay=5.0)
        settled(app)
    assert not compiled


def test_what_cannot_be_trained_is_said(monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(scenes, "summarise", refuse)
    assert scene(opened())["hold"]["trouble"] == "Nothing was trained: no such thing."


def test_each_notice_sets_allowed_settings():
    links = prose.notice("sensitivity")
    assert 4 <= len(links) <= 6
    for _, query in links:
        given = address.parse(query)
        Settings(**given)
        assert given


# --- words ------------------------------------------------------------------------------------------------------------------------


def test_the_answer_says_how_many_times_less():
    assert scenes.answer(made()) == (
        "With a decay of **2** the answer reacts **4.0 times** less to a small change of the input (2 seeds; "
        "mean Jacobian norm 8.00 → 2.00), and with noise of 0.3 on new inputs it is right in **80 %** instead of 70 %, "
        "better in all 2 seeds."
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (made(2.0, 8.0), "**4.0 times more**"),
        (made(8.0, 7.9), "reacts **about as much** to a small change"),
        (made(scores=(0.7, 0.71)), "hardly different from 70 % without decay"),
        (made(scores=(0.7, 0.6)), "**60 %** instead of 70 %, worse in all 2 seeds"),
        (made(8.0, 0.0), "**reacts to nothing any more**"),
        (made(8.0, np.nan), "**diverges**: nothing to measure"),
        (made(np.nan, np.nan), "**diverges**"),
        (made(np.nan, 2.0), "Without decay the training **diverges**, with decay it does not"),
        (made(settings=Settings(decay=0.0)), "both networks are the same"),
        (made(settings=Settings(dataset="sine", n_train=20), scores=(0.5, 0.8)), "its loss is **0.20** instead of 0.50"),
    ],
)
def test_the_answer_is_true_in_every_case(found, said):
    assert said in scenes.answer(found)


def mixed(reactions: tuple[float, float], scores: tuple[float, float]) -> Sensitivity:
    """The same arm without decay twice, reaction 4 and score 0.7, and with decay two seeds that differ."""
    pair = (replace(measured(size, score), map=np.full(6400, size)) for size, score in zip(reactions, scores, strict=True))
    return replace(made(4.0), with_decay=Probes("with", 2.0, tuple(pair)))


def test_where_seeds_disagree_the_answer_says_so():
    said = scenes.answer(mixed((2.0, 8.0), (0.7, 0.8)))
    assert "reacts less to a small change of the input with some seeds and more with others (0.5 to 2.0 times less over 2 seeds" in said
    assert "instead of 70 %, better in 1 of 2 seeds." in said
    assert "in all" not in said
    assert "the training **diverges** in 1 of 2 seeds: nothing to measure" in scenes.answer(mixed((2.0, np.nan), (0.7, 0.7)))


def test_the_gain_under_noise_is_formed_seed_by_seed():
    def arm(name: str, decay: float, scores: tuple[float, ...]) -> Probes:
        return Probes(name, decay, tuple(replace(measured(4.0, score), map=np.full(6400, 4.0)) for score in scores))

    # The medians are 70 and 71 %, the gains +11, +10 and -15 points.
    found = replace(made(), without=arm("without", 0.0, (0.6, 0.7, 0.8)), with_decay=arm("with", 2.0, (0.71, 0.8, 0.65)))
    assert "**71 %** instead of 70 %, better in 2 of 3 seeds." in scenes.answer(found)


def test_summaries_carry_the_numbers():
    shown = scenes.scene(made(), Following({}, 0, None))
    said = {panel.name: panel.views[0].say() for panel in shown.panels}
    assert said["rescaling"] == "Halving all hidden weights changes the answers by 0.40 on average; before batch norm, by less than 0.001."
    assert said["decay"] == "Mean Jacobian norm 8.00 without decay, at most 6.00 by its layers' norms; 2.00 with decay, at most 6.00."
    assert said["distance"] == "Half of the answers flip with a change of 1.00 without and 1.00 with decay."
    assert said["calibration"] == "Expected calibration error 10 % (not sure enough) without decay, 10 % (not sure enough) with decay."
    assert said["noise"].startswith(
        "From no noise to noise of 0.3, accuracy goes from 70 % to 70 % without and from 80 % to 80 % with decay"
    )


def test_answers_that_never_flip_are_counted():
    far = replace(measured(), distances=np.array([0.5, np.inf, np.inf, np.inf]))
    found = replace(made(), with_decay=Probes("with", 2.0, (far, far)))
    (panel,) = [panel for panel in scenes.scene(found, Following({}, 0, None)).panels if panel.name == "distance"]
    assert panel.views[0].say().endswith("1.00 without and more than 2 with decay. Not flipped by any of up to 2: 0 % and 75 %.")
