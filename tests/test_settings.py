"""Tests of the settings: each field has its control, and a bad value is named together with what is allowed."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_edits import EDITS
from wdviz.edits import write
from wdviz.program import Hyperparameters, Program
from wdviz.settings import AMOUNTS, MODELS, REGULARISERS, SPECS, Settings, half_life, shrink_per_step
from wdviz.specs import Choice, Number, Several, Text

NUMBERS = {name: spec for name, spec in SPECS.items() if isinstance(spec, Number)}
CHOICES = {name: spec for name, spec in SPECS.items() if isinstance(spec, Choice)}
PICK_ONE = sorted(name for name, spec in CHOICES.items() if not isinstance(spec, Several))
WHOLE = sorted(name for name, spec in NUMBERS.items() if isinstance(spec.step, int) and not spec.grid)
quick = settings(max_examples=60, deadline=None)


def allowed(name: str) -> st.SearchStrategy:
    spec = SPECS[name]
    if isinstance(spec, Text):
        return EDITS.map(write)
    if isinstance(spec, Several):
        return st.sets(st.sampled_from(spec.options)).map(lambda names: tuple(sorted(names)))
    if isinstance(spec, Choice):
        return st.sampled_from(spec.options)
    if spec.grid:
        return st.sampled_from(spec.grid)
    return st.integers(int(spec.low), int(spec.high)) if isinstance(spec.step, int) else st.floats(spec.low, spec.high)


def refused(name: str, value: Any) -> None:
    """The error names the field, the value and something that is allowed."""
    spec = SPECS[name]
    assert not isinstance(spec, Text)
    some = f"{spec.high:g}" if isinstance(spec, Number) else str(spec.options[-1])
    with pytest.raises(ValueError, match=r"must be") as error:
        Settings(**{name: value})
    assert str(error.value).startswith(f"{name} is {value!r}")
    assert some in str(error.value).split("must be")[1]


def test_the_defaults_are_valid_and_each_field_has_a_control():
    assert Settings() == replace(Settings())
    assert set(SPECS) == {f.name for f in fields(Settings)}
    assert all(spec.label and spec.help and spec.group for spec in SPECS.values())
    assert {*NUMBERS, *CHOICES, "edits"} == set(SPECS)


def test_amounts_and_programs_take_their_names_from_the_settings():
    assert {f.name for f in fields(Hyperparameters)} <= {*SPECS, "first_rate", "early"}
    shared = {"activation", "optimiser", "decay_kind", "schedule", "batch_size", "regularisers"}
    assert shared <= {f.name for f in fields(Program)} & set(SPECS)


def test_grids_run_upward_within_their_limits_and_hold_the_default():
    for name, spec in NUMBERS.items():
        assert spec.low < spec.high
        if spec.grid:
            assert list(spec.grid) == sorted(set(spec.grid))
            assert (spec.grid[0], spec.grid[-1]) == (spec.low, spec.high)
            assert getattr(Settings(), name) in spec.grid


def test_what_a_setting_needs_is_a_regulariser_or_a_model():
    needed = {spec.needs for spec in SPECS.values()} - {""}
    assert needed <= {*REGULARISERS, *MODELS}
    assert {name for name, spec in SPECS.items() if spec.needs in MODELS} == {"pooling", "cell", "tokens", "heads", "summary"}
    assert SPECS["dropout"].needs == "dropout"


@quick
@given(st.data())
def test_any_allowed_value_is_taken_as_it_is(data):
    name = data.draw(st.sampled_from(sorted(SPECS)))
    value = data.draw(allowed(name))
    assert getattr(Settings(**{name: value}), name) == value


@quick
@given(st.sampled_from(sorted(NUMBERS)), st.sampled_from([math.nan, math.inf, -math.inf, True, False, "1", "", None, (1,), [2], 1j, b"1"]))
def test_what_is_no_finite_number_is_refused(name, value):
    refused(name, value)


@quick
@given(st.data())
def test_a_number_out_of_range_is_refused(data):
    name = data.draw(st.sampled_from(sorted(NUMBERS)))
    spec = NUMBERS[name]
    gap = data.draw(st.floats(1e-3, 1e12))
    refused(name, data.draw(st.sampled_from([spec.low - gap, spec.high + gap, math.floor(spec.low - gap), math.ceil(spec.high + gap)])))


def test_a_whole_number_too_large_for_a_float_is_refused():
    refused("seed", 10**400)


@quick
@given(st.sampled_from(WHOLE), st.floats(0.01, 0.99))
def test_a_fraction_is_refused_where_a_whole_number_is_due(name, fraction):
    with pytest.raises(ValueError, match=f"{name} is .* whole number from"):
        Settings(**{name: NUMBERS[name].low + fraction})


@quick
@given(st.sampled_from(PICK_ONE), st.sampled_from(["nonsense", "", math.nan, True, None, -1, 10**6, (), ["relu"]]))
def test_an_unknown_choice_is_refused(name, value):
    refused(name, value)


@quick
@given(st.sampled_from(["width", "depth", "batch_size"]), st.data())
def test_a_choice_of_whole_numbers_refuses_their_floats(name, data):
    # 2.0 == 2, but a float cannot be a number of layers.
    refused(name, float(data.draw(st.sampled_from(CHOICES[name].options))))


@pytest.mark.parametrize("value", [("l1", "dropout"), ("l1", "l1"), ["l1"], "l1", ("nonsense",), ("dropout", 1), (["l1"],), None])
def test_several_choices_must_be_a_sorted_tuple_of_known_names(value):
    refused("regularisers", value)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("r3~r2", "'r2~r3'"), ("a1.250_0_1", "'a1.25_0_1'"), ("r2~r2", "'r2'"), ("r500", "r<index>"), ("nonsense", "r<index>")]
    + [(bad, "text of edits") for bad in (None, 3, b"r3", ("r3",))],
)
def test_edits_must_be_written_in_their_one_way(value, allowed):
    with pytest.raises(ValueError, match=r"must be") as error:
        Settings(edits=value)
    assert str(error.value).startswith("edits is ")
    assert repr(value) in str(error.value)
    assert allowed in str(error.value).split("must be")[1]


def test_settings_give_the_amounts_and_the_layers():
    chosen = Settings(decay=0.1, decay_on="everything", steps=40, regularisers=("dropout",), dropout=0.5, width=8, depth=3)
    hyper = Hyperparameters.of(chosen, seed=7)
    assert (hyper.decay, hyper.decay_on, hyper.steps, hyper.dropout, hyper.seed) == (0.1, "everything", 40, 0.5, 7)
    assert chosen.hidden == (8, 8, 8)
    assert replace(chosen, model="linear").hidden == ()


def test_shrink_per_step_of_each_kind_of_decay():
    chosen = Settings(learning_rate=0.1, decay=0.5, momentum=0.9, optimiser="sgd", decay_kind="coupled")
    assert shrink_per_step(chosen) == pytest.approx(0.05)
    assert shrink_per_step(replace(chosen, optimiser="momentum")) == pytest.approx(1 - 0.9**0.5)  # it swings
    assert shrink_per_step(replace(chosen, optimiser="adam")) is None
    for name in ("sgd", "momentum", "adam"):
        assert shrink_per_step(replace(chosen, optimiser=name, decay_kind="decoupled")) == pytest.approx(0.05)


@pytest.mark.parametrize("rate", [0.001, 0.03, 0.5])
def test_decay_independent_of_the_learning_rate_shrinks_by_itself_alone(rate):
    chosen = Settings(decay=0.05, decay_kind="independent", learning_rate=rate, switch_at=30, decay_after=0.2)
    amounts = Hyperparameters.of(chosen, 0)
    assert rate * amounts.decay == pytest.approx(0.05)  # what the kernel shrinks by in a step
    assert rate * amounts.decay_after == pytest.approx(0.2)
    assert shrink_per_step(chosen) == 0.05
    assert Hyperparameters.of(replace(chosen, decay_kind="decoupled"), 0).decay == 0.05


@quick
@given(st.floats(1e-6, 0.9))
def test_after_its_half_life_a_weight_is_halved(shrink):
    assert (1 - shrink) ** half_life(shrink) == pytest.approx(0.5, rel=1e-9)


def test_half_life_at_its_ends():
    assert half_life(0) == math.inf
    assert half_life(1) == half_life(2.5) == 0
    assert half_life(0.5) == pytest.approx(1)
    assert half_life(1e-4) == pytest.approx(math.log(2) / 1e-4, rel=1e-3)
    for bad in (-0.1, math.nan):
        with pytest.raises(ValueError, match=r"shrink is .* 0 or more"):
            half_life(bad)


def test_there_is_nothing_of_a_regulariser_that_is_not_chosen():
    everything = Hyperparameters.of(Settings(regularisers=REGULARISERS, shift=2, rotation=5.0, augmentation_noise=0.1), seed=0)
    nothing = Hyperparameters.of(Settings(shift=2, rotation=5.0, augmentation_noise=0.1), seed=0)
    assert all(AMOUNTS.values()), "name the regulariser in the `needs` of its amounts"
    for names in AMOUNTS.values():
        for name in names:
            assert getattr(everything, name) > 0
            assert getattr(nothing, name) == 0
    assert (everything.early, nothing.early) == (True, False)
