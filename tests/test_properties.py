"""What holds for any settings: links are read back as they were written, a run knows what bears on it, repetitions start at the seed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.test_address import ANY_SETTINGS, choices
from wdviz.experiments import architectures, combinations, learning_rate, overfitting, price, searching, sensitivity, speed, tuning, widths
from wdviz.plans import ALL_SPECS, Combine, Families, Landscape, Probe, Search
from wdviz.runs import Run
from wdviz.settings import OWN, SPECS, Settings
from wdviz.specs import Several
from wdviz.ui import address

ANY_VALUES = st.fixed_dictionaries({}, optional={name: choices(spec) for name, spec in ALL_SPECS.items()})
SEEDS = st.integers(0, 9999)


# Links


@given(ANY_VALUES)
@example({name: tuple(sorted(spec.options)) for name, spec in ALL_SPECS.items() if isinstance(spec, Several)})
def test_a_link_with_any_values_of_any_page_is_read_back_as_it_was_written(values: dict[str, Any]):
    # Of a choice of several, none is written as nothing at all; a link says so by an empty value.
    query = urlencode({name: address.written(name, given) or "" for name, given in values.items()}, doseq=True)
    found = address.parse(query)
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in values.items()}


@given(st.text(min_size=1, max_size=30).filter(lambda name: name not in address.DEFAULTS), st.text(max_size=10))
@example("decay\x00", "1")
@example("x" * 20_000, "y" * 20_000)
def test_a_query_of_the_projects_own_with_an_unknown_name_is_refused(name: str, text: str):
    with pytest.raises(ValueError, match="is not a setting; the settings are dataset, "):
        address.parse(urlencode({name: text}, errors="replace"))


# Runs


@given(ANY_SETTINGS, SEEDS, st.booleans())
def test_a_run_of_the_settings_of_a_run_is_that_run(chosen: Settings, seed: int, film: bool):
    run = Run.of(chosen, seed, film=film)
    assert Run.of(run.settings, run.seed, film=film) == run
    assert all(getattr(run.settings, name) == getattr(chosen, name) for name in OWN.get(chosen.model, ()))
    assert run.settings.seed == (chosen.seed if chosen.edits else 0)


@given(ANY_SETTINGS, SEEDS, st.data())
def test_a_run_is_the_same_whatever_is_said_of_what_does_not_bear_on_it(chosen: Settings, seed: int, data: st.DataObject):
    idle = ["seeds", *(name for model, names in OWN.items() if model != chosen.model for name in names)]
    idle += [] if chosen.edits else ["seed"]
    other = replace(chosen, **{name: data.draw(choices(SPECS[name]), label=name) for name in idle})
    if not 0 < other.switch_at < other.steps:
        other = replace(other, decay_after=data.draw(choices(SPECS["decay_after"]), label="decay_after"))
    one, two = Run.of(chosen, seed), Run.of(other, seed)
    assert one == two
    assert hash(one) == hash(two)


# Settings that any run keeps: what is left out above, and a switch of decay, apart.
KEPT = sorted(
    {f.name for f in fields(Settings)} - {"seed", "seeds", "switch_at", "decay_after", *(n for names in OWN.values() for n in names)}
)


@given(ANY_SETTINGS, SEEDS, st.sampled_from(KEPT), st.data())
def test_a_run_is_another_one_with_another_value_of_what_bears_on_it(chosen: Settings, seed: int, name: str, data: st.DataObject):
    value = data.draw(choices(SPECS[name]).filter(lambda value: value != getattr(chosen, name)), label="value")
    run = Run.of(chosen, seed)
    assert run != Run.of(replace(chosen, **{name: value}), seed)
    assert run != Run.of(chosen, seed + 1)
    assert all(getattr(run.settings, kept) == getattr(chosen, kept) for kept in KEPT)


# Experiments

PLANNED: list[tuple[Any, Any]] = [
    (overfitting, None),
    (sensitivity, Probe()),
    *[(experiment, Search()) for experiment in (tuning, price, searching, widths)],
    *[(experiment, Landscape()) for experiment in (learning_rate, speed)],
    (combinations, Combine()),
    (architectures, Families()),
]


@pytest.mark.parametrize(("experiment", "plan"), PLANNED, ids=[experiment.__name__ for experiment, _ in PLANNED])
def test_each_experiment_repeats_from_the_visitors_seed_upward(experiment: Any, plan: Any):
    def seeds(first: int) -> list[int]:
        chosen = Settings(seed=first)
        groups = experiment.groups(chosen, plan) if plan else experiment.pairs(chosen)
        return [getattr(job, "run", job).seed for group in groups for job in group]

    assert min(seeds(70)) == 70
    assert max(seeds(70)) > 70
    assert seeds(70) == [seed + 70 for seed in seeds(0)]
