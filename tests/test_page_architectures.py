"""The Architectures page as Streamlit runs it, and what its scene says: filling in, stand-ins, families left out, true words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.apps import open_page, put, scene, settled
from tests.apps import panel as panel_of
from tests.helpers import count_compilations
from wdviz import runs
from wdviz.experiments import architectures
from wdviz.experiments.architectures import Architectures, Ladder
from wdviz.experiments.parts import Parts
from wdviz.plans import FAMILIES, Families
from wdviz.settings import Settings
from wdviz.ui import address, prose
from wdviz.ui.live import Following
from wdviz.ui.scenes import architectures as scenes
from wdviz.ui.scenes import parts as part_scenes

SMALL = {"dataset": "digits", "n_train": 30, "steps": 30, "learning_rate": 0.01, "noise": 0.0, "seeds": 1}
PANELS = ["families", "picks", "parts", "inside", "sizes", "weights"]
CHOSEN, PLAN = Settings(**{**SMALL, "seeds": 2}), Families()


def opened(**values: Any) -> AppTest:
    return open_page("architectures", **(SMALL | values))


def names(shown: dict[str, Any]) -> list[str]:
    return [panel["name"] for panel in shown["panels"]]


@pytest.fixture(scope="module")
def begun() -> Architectures:
    """With the first group alone."""
    jobs = architectures.groups(CHOSEN, PLAN)[0]
    found = architectures.summarise(CHOSEN, PLAN, runs.sweep(jobs).wait_all())
    assert found is not None
    return found


def made(begun: Architectures, picks: dict[str, list[int]], *, gain: float = 0.2) -> Architectures:
    """Results in which each seed of a family picks what is said, and gains a share of the loss by it."""
    decays = architectures.LADDERS["decoupled"]
    ladders = []
    for family, places in picks.items():
        table = np.full((len(places), len(decays)), 2.0)
        table[np.arange(len(places)), places] = 2.0 * (1 - gain)
        ladders.append(Ladder(family, 2000, decays, {"validation": table, "test": table, "train": table}, {"test": table / 4}))
    return replace(begun, ladders=tuple(ladders))


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_it_fills_in_family_by_family_and_nothing_jumps():
    app = opened(seed=77)  # whose runs no other test has trained
    seen = [scene(app)]
    assert seen[0]["answer"].startswith("The curves fill in")
    while seen[-1]["more"]:
        seen.append(scene(app.run()))
    assert all(names(each) == PANELS for each in seen)
    assert len({each["result"] for each in seen}) == len(seen)
    assert seen[-1]["progress"] is None
    assert "one seed cannot tell" in seen[-1]["answer"]
    assert all(view["figure"] for panel in seen[-1]["panels"] for view in panel["views"])
    assert [sum(panel["span"] for panel in seen[-1]["panels"]) % 12] == [0]


def test_points_are_replaced_by_digits_and_the_page_says_so():
    app = opened(dataset="moons", decay=0.0)
    shown = scene(app)
    assert any("Moons are no images or series" in note for note in shown["notes"])
    assert any("100 digits" in note for note in shown["notes"])
    assert [slider["name"] for slider in shown["sliders"]] == ["decay", "moment"]  # the learning rate is the stand-in's
    offers = {offer["label"]: offer for offer in shown["offers"]}
    assert [offers[label]["on"] for label in ("Digits", "Power demand", "Open: recurrent")] == [False, False, True]
    given = {name: text for name, text in offers["Power demand"]["put"].items() if text}
    parsed = address.parse("&".join(f"{name}={text.replace(' ', '+')}" for name, text in given.items()))
    assert parsed["dataset"] == "power demand"
    Settings(**parsed)


def test_only_the_families_that_fit_are_shown_and_the_others_are_explained():
    app = opened(dataset="moons", stand_in="none")
    shown = settled(app)
    left_out = [note for note in shown["notes"] if note.startswith("Left out")]
    assert len(left_out) == 3
    assert all("images and series, and moons is neither" in note for note in left_out)
    assert [offer["label"] for offer in shown["offers"]] == ["Open: feedforward", "Digits", "Power demand"]
    assert "One family alone fits" in shown["answer"]


def test_the_family_that_is_opened_has_its_own_pictures():
    app = opened(decay=0.0)
    assert [view["label"] for view in panel_of(app, "inside")["views"]] == ["eigenvalues", "memory", "spectral radius"]
    assert [slider["name"] for slider in scene(app)["sliders"]] == ["decay", "learning_rate", "moment"]
    put(app, inside="attention")
    assert [view["label"] for view in panel_of(app, "inside")["views"]] == ["mean map", "one input", "entropy"]
    assert [slider["name"] for slider in scene(app)["sliders"]] == ["decay", "learning_rate", "moment", "example"]
    put(app, inside="convolutional")
    assert [view["label"] for view in panel_of(app, "inside")["views"]] == ["as pictures", "their norms"]


def test_moving_numbers_compiles_nothing_and_the_moment_trains_nothing():
    app = opened()
    settled(app)
    with count_compilations() as compiled:
        before = panel_of(app, "inside")["views"][0]["summary"], panel_of(app, "weights")["views"][0]["summary"]
        put(app, moment=0)
        assert scene(app)["progress"] is None
        assert panel_of(app, "weights")["views"][0]["summary"] != before[1]
        assert "step 0 of 30" in panel_of(app, "inside")["note"]
        put(app, decay=5.0, learning_rate=0.02, n_train=31, steps=20, flip=0.2, seed=3)
        settled(app)
    assert not compiled


def test_a_part_that_no_network_has_is_said(monkeypatch):
    shown = scene(opened(dataset="moons", stand_in="none", decaying="queries and keys"))
    assert shown["hold"]["trouble"].startswith("Nothing was trained: decay_on is 'queries and keys'")


def test_each_notice_sets_allowed_settings():
    links = prose.notice("architectures")
    assert 4 <= len(links) <= 6
    for _, query in links:
        given = address.parse(query)
        assert given
        Families(**{name: value for name, value in given.items() if name not in address.asdict(Settings())})


# --- words ------------------------------------------------------------------------------------------------------------------------


def test_the_answer_says_which_differ_and_how_likely_chance_is(begun):
    found = made(begun, {"feedforward": [2] * 5, "convolutional": [2] * 5, "recurrent": [4] * 5, "attention": [5] * 5})
    assert scenes.answer(found) == (
        "**No**: the best decay is **0.5** (feedforward), **0.5** (convolutional), **2** (recurrent) and **5** (attention). "
        "Attention asks for more than feedforward, beyond the spread of 5 seeds (by chance alone: less than 1 %). "
        "Every family gains: **20 %** less test loss."
    )


@pytest.mark.parametrize(
    ("picks", "gain", "said"),
    [
        ([[2, 3, 1], [3, 2, 2], [2, 2, 3], [3, 1, 2]], 0.2, "**Cannot tell** from 3 seeds"),
        ([[2], [3], [4], [5]], 0.2, "**one seed cannot tell** whether families differ"),
        ([[0, 0], [0, 0], [0, 0], [0, 0]], 0.0, "Of no family do all seeds gain by it."),
        ([[2, 0], [2, 2], [2, 2], [2, 2]], 0.2, "of the feedforward network not all seeds do"),
        ([[2], [3], [4], [5]], 0.2, "Every family gains in this seed"),
    ],
)
def test_the_answer_is_true_in_every_case(begun, picks, gain, said):
    found = made(begun, dict(zip(FAMILIES, picks, strict=True)), gain=gain)
    if picks[0] == [2, 0]:  # the second seed picks no decay: nothing gained
        found.ladders[0].losses["test"][1] = 2.0
    assert said in scenes.answer(found)


def test_a_part_that_hardly_matters_is_not_named_though_all_seeds_agree(begun):
    everything = np.array([1.0, 1.2])
    losses = {("all", ""): everything, ("none", ""): everything, ("weights", ""): everything}
    losses |= {("biases", "only"): everything, ("biases", "spared"): everything + np.array([0.001, 0.002])}
    panel = part_scenes.parts_panel(replace(begun, parts=Parts(("biases",), losses, losses)))
    assert panel.stats == ()
    assert "Of no single part do all seeds agree" in panel.views[0].say()


def test_words_name_the_part_that_all_seeds_miss(begun):
    everything = np.array([1.0, 1.2])
    losses = {
        ("all", ""): everything,
        ("none", ""): everything + 0.5,
        ("weights", ""): everything,
        ("recurrent matrix", "only"): everything,
        ("recurrent matrix", "spared"): everything + np.array([0.3, 0.4]),
        ("output layer", "only"): everything,
        ("output layer", "spared"): everything - np.array([0.1, 0.2]),
        ("biases", "only"): everything + 0.5,
        ("biases", "spared"): everything + np.array([0.2, -0.2]),
    }
    found = replace(begun, parts=Parts(("recurrent matrix", "output layer", "biases"), losses, losses))
    panel = part_scenes.parts_panel(found)
    assert [(stat.label, stat.value, stat.spread) for stat in panel.stats] == [
        ("needs it most", "recurrent matrix", "spared: +0.30 to +0.40"),
        ("better without", "output layer", "spared: -0.20 to -0.10"),
    ]
    assert panel.views[0].say() == (
        "No decay at all instead of decay on everything changes the test loss by +0.50, +0.50 to +0.50. "
        "Worse in every seed where spared: recurrent matrix (+0.35, +0.30 to +0.40). "
        "Better in every seed where spared: output layer (-0.15, -0.20 to -0.10)."
    )


def test_without_decay_the_parts_wait(begun):
    still = replace(begun, settings=replace(begun.settings, decay=0.0), parts=None)
    assert part_scenes.parts_panel(still).views[0].say() == "Each part is measured at your decay, which is 0: move it."
    assert part_scenes.parts_panel(replace(begun, parts=None)).views[0].say().startswith("To come")


def test_the_inside_is_put_into_numbers(begun):
    shown = scenes.scene(CHOSEN, PLAN, Following(runs.finished(architectures.groups(CHOSEN, PLAN)[0]), 100, None))
    said = {f"{panel.name}, {view.label}": view.say() for panel in shown.panels for view in panel.views}
    radius = [f"{look.radius[-1, 0]:.2f}" for look in begun.look]
    assert said["inside, eigenvalues"].startswith(f"Spectral radius at the end: {radius[0]} without decay, where a linear recurrence")
    assert f"{radius[1]} with decay" in said["inside, eigenvalues"]
    assert said["inside, memory"].startswith("The first input moves the last state, compared with the last input: ")
    assert said["sizes, all components"].startswith("Norm with decay over norm without: layer 1 input ")
    assert said["picks, gain in loss"].startswith("Against no decay, test loss: feedforward ")
