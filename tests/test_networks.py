"""Tests of what a network can take: models offered for data, parts offered for models, and the nearest valid settings with a note."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wdviz import datasets, networks, runs
from wdviz.runs import Run
from wdviz.settings import BUDGETS, DECAY_ON, MODELS, PARTS, Settings

DIGITS = Settings(dataset="digits", n_train=100)
SHAPED = [name for name, entry in datasets.REGISTRY.items() if entry.shape]


def test_only_images_and_series_have_a_shape():
    assert set(SHAPED) == {"digits", "power demand"}


@pytest.mark.parametrize("dataset", datasets.REGISTRY)
def test_models_are_offered_for_data_that_they_take(dataset):
    s = Settings(dataset=dataset, n_train=10)
    expected = MODELS if dataset in SHAPED else ("feedforward", "linear")
    assert networks.offered(s, "model") == expected
    for model in set(MODELS) - set(expected):
        with pytest.raises(ValueError, match=f"model is '{model}'; it takes images and series, and {dataset} is neither"):
            runs.sweep([Run.of(replace(s, model=model), 0)])


def test_settings_that_fit_are_left_alone():
    for s in (Settings(), DIGITS, replace(DIGITS, model="attention", decay_on="queries and keys", spare="biases")):
        assert networks.fitted(s) == (s, [])


def test_a_model_that_does_not_take_the_data_gives_way_to_the_nearest_one_with_a_note():
    s, (note,) = networks.fitted(Settings(dataset="moons", model="attention", budget=4000))
    assert (s.model, s.budget) == ("feedforward", 0)
    assert "'attention'" in note
    assert "moons is neither" in note


def test_attention_goes_without_batch_norm():
    s, (note,) = networks.fitted(replace(DIGITS, model="attention", regularisers=("batch norm", "dropout")))
    assert s.regularisers == ("dropout",)
    assert "layer norm" in note
    assert "batch norm" not in networks.offered(s, "regularisers")
    assert "batch norm" in networks.offered(DIGITS, "regularisers")


@pytest.mark.parametrize(("name", "instead"), [("decay_on", "weights"), ("spare", "none")])
def test_a_part_that_the_network_does_not_have_gives_way_with_a_note(name, instead):
    s, (note,) = networks.fitted(replace(DIGITS, **{name: "recurrent matrix"}))
    assert getattr(s, name) == instead
    assert f"{name} is 'recurrent matrix'" in note


def test_parts_of_each_family():
    def parts(**changes):
        return set(networks.parts(replace(DIGITS, **changes)))

    layers = {"first layer", "middle layers", "output layer", "biases"}
    assert parts() == layers
    assert parts(depth=1) == layers - {"middle layers"}
    assert parts(model="linear") == {"first layer", "output layer", "biases"}
    assert parts(regularisers=("batch norm",)) == layers | {"norm scales"}
    assert parts(model="convolutional") == layers
    assert parts(model="recurrent", cell="gru") == layers | {"recurrent matrix"}
    attention = {"norm scales", "embedding and positions", "queries and keys", "values and projection", "feedforward block"}
    assert parts(model="attention") == layers | attention


def test_what_can_decay_is_what_the_network_has():
    offered = networks.offered(DIGITS, "decay_on")
    assert set(offered) & set(PARTS) == set(networks.parts(DIGITS))
    assert set(offered) | set(PARTS) == set(DECAY_ON)
    assert networks.offered(DIGITS, "spare") == ("none", *(part for part in PARTS if part in offered))


@pytest.mark.parametrize("model", ["feedforward", "convolutional", "recurrent", "attention"])
def test_a_budget_decides_the_width(model):
    s = replace(DIGITS, model=model, depth=1)
    sizes = [networks.size(replace(s, budget=budget)) for budget in BUDGETS[2:]]
    for (count, width), budget in zip(sizes, BUDGETS[2:], strict=True):
        assert abs(count - budget) < (0.25 if model == "attention" else 0.05) * budget
        assert runs.program_for(Run.of(replace(s, budget=budget), 0)).hidden == (width,)
    assert [width for _, width in sizes] == sorted({width for _, width in sizes})


def test_without_a_budget_the_width_is_as_set():
    assert networks.size(replace(DIGITS, width=16, depth=1))[1] == 16
    assert networks.size(replace(DIGITS, model="linear", budget=4000)) == (650, 0)


def test_which_components_decay():
    assert networks.decaying(DIGITS) == {"layer1", "layer2", "output"}
    assert networks.decaying(replace(DIGITS, decay_on="weights", spare="first layer")) == {"layer2", "output"}
    assert networks.decaying(replace(DIGITS, decay_on="biases")) == frozenset()
    recurrent = replace(DIGITS, model="recurrent", depth=1)
    assert networks.decaying(replace(recurrent, decay_on="everything", spare="recurrent matrix")) == {"layer1 input", "output"}
