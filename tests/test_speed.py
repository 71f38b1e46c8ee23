"""Steps to reach a loss, the equilibrium before batch norm, schedules: closed forms on made-up histories, and real runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_experiments import made
from wdviz import runs
from wdviz.experiments import learning_rate, speed
from wdviz.experiments.speed import Equilibrium, Speed, steps_to_reach, unmet
from wdviz.plans import Landscape
from wdviz.results import Arm, History
from wdviz.settings import Settings

PLAN = Landscape(side=4, map_seeds=2)
SHORT = Settings(steps=60)


def falling(losses: list[float], steps: list[int] | None = None) -> History:
    at = np.array(steps if steps is not None else range(0, 10 * len(losses), 10))
    return replace(made(), steps=at, losses={"train": np.array(losses)})


# Steps to reach a loss


@given(st.floats(0.001, 0.5), st.floats(0.02, 0.9))
def test_exact_where_the_loss_falls_by_a_constant_factor(rate, level):
    steps = [0, 7, 50, 300, 2000, 20_000]
    found = steps_to_reach(falling([math.exp(-rate * t) for t in steps], steps), "train", level)
    assert found == pytest.approx(-math.log(level) / rate, rel=1e-6) if rate * 20_000 < 30 else found >= 0


@pytest.mark.parametrize(
    ("losses", "level", "steps"),
    [
        ([0.7, 0.5, 0.3], 0.8, 0.0),
        ([0.7, 0.5, 0.3], 0.7, 0.0),
        ([0.7, 0.5, 0.3], 0.5, 10.0),
        ([0.7, 0.5], 0.5, 10.0),
        ([0.7, 0.5, 0.3], 0.29, math.inf),
        ([0.8, 0.2, 0.8], 0.4, 5.0),  # the first time counts
        ([0.8, math.nan, 0.2], 0.4, 20.0),  # no number before it: the checkpoint itself
        ([0.8, math.inf, math.nan], 0.4, math.inf),
    ],
)
def test_steps_to_reach(losses, level, steps):
    assert steps_to_reach(falling(losses), "train", level) == pytest.approx(steps)


@given(st.lists(st.floats(0.01, 2.0), min_size=1, max_size=8), st.floats(0.05, 1.5), st.floats(0.05, 1.5))
def test_a_lower_loss_takes_no_fewer_steps(losses, a, b):
    low, high = sorted((a, b))
    assert steps_to_reach(falling(losses), "train", low) >= steps_to_reach(falling(losses), "train", high)


# Assumptions


MET = Settings(regularisers=("batch norm",), optimiser="sgd", schedule="constant", learning_rate=0.03, decay=2.0, steps=600)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"regularisers": ()}, "without batch norm"),
        ({"model": "linear"}, "without batch norm"),
        ({"optimiser": "adam"}, "Adam"),
        ({"optimiser": "momentum"}, "momentum 0.9"),
        ({"schedule": "cosine"}, "learning rate changes"),
        ({"decay": 0.0}, "without decay"),
        ({"decay": 20.0}, "learning rate x decay is 0.6"),
        ({"steps": 90}, "90 steps are too few: about 100 are needed"),
        ({"decay_kind": "independent", "decay": 0.001}, "about 6,000 are needed"),
    ],
)
def test_each_assumption_that_fails_is_named_alone(changes, said):
    assert unmet(MET) == ()
    (found,) = unmet(replace(MET, **changes))
    assert said in found


def test_the_normalised_network_meets_those_that_settings_decide():
    default = speed.normalised(Settings(model="linear", regularisers=("dropout", "early stopping"), decay_kind="coupled", switch_at=50))
    assert unmet(default) == ()
    assert speed.normalised(Settings(decay_kind="independent", decay=0.06)).decay_kind == "independent"


@given(st.floats(1e-3, 0.5), st.floats(1e-3, 10), st.floats(0.01, 100))
def test_a_weight_that_turns_by_the_predicted_angle_has_the_predicted_norm(rate, decay, norm):
    settings = replace(MET, learning_rate=rate, decay=decay)
    angle = math.sqrt(2 * rate * decay)
    history = replace(made(), steps=np.arange(5), angles=np.full((5, 1), angle), norms=np.full((5, 1), norm))
    found = Equilibrium(settings, Arm("without", 0.0, (history,)), Arm("with", decay, (history,)), ())
    assert found.angle == pytest.approx(angle)
    assert found.measured_angle(found.with_decay).median == pytest.approx(angle)
    assert found.norm == pytest.approx(norm)


def test_the_equilibrium_is_that_of_the_first_layer_over_the_second_half_of_training():
    angles, norms = np.full((6, 2), 9.0), np.full((6, 2), 7.0)  # of 6 checkpoints and 2 layers, most of no account
    angles[3:, 0], norms[3:, 0] = (0.3, 0.4, 0.5), 2.0
    history = replace(made(), steps=np.array([0, 10, 19, 20, 30, 40]), angles=angles, norms=norms)
    settings = replace(MET, learning_rate=0.1, decay=2.0)
    found = Equilibrium(settings, Arm("without", 0.0, (history,)), Arm("with", 2.0, (history,)), ())
    mean_square = (0.09 + 0.16 + 0.25) / 3
    assert found.measured_angle(found.without).median == pytest.approx(math.sqrt(mean_square))
    assert found.norm == pytest.approx((mean_square * 2.0**4 / (2 * 0.1 * 2.0)) ** 0.25)


# Plans


def test_the_first_group_is_small_and_the_example_is_shared_by_all_settings():
    found = speed.groups(Settings(), PLAN)
    assert len(found[0]) <= 5
    assert {run.seed for run in found[0]} == {0}
    others = speed.groups(Settings(learning_rate=0.1, n_train=77, decay=7.0), PLAN)
    example = {run for group in found for run in group if run.settings.dataset == "digits"}
    assert len(example) == 4 * 2
    assert example == {run for group in others for run in group if run.settings.dataset == "digits"}


def test_the_chosen_networks_runs_are_cells_of_the_maps():
    cells = {run for group in learning_rate.groups(Settings(learning_rate=0.3), PLAN) for run in group}
    series = [run for group in speed.groups(Settings(learning_rate=0.3), PLAN)[2::2] for run in group]
    assert len(series) == 4 * 2
    assert set(series) <= cells


def test_one_seed_is_no_error():
    assert [len(group) for group in speed.groups(Settings(), replace(PLAN, map_seeds=1))] == [5, 4, 4]


def test_nothing_before_the_first_group_and_then_ever_more():
    short = replace(SHORT, decay=50.0)
    planned = speed.groups(short, PLAN)
    results = {}
    assert speed.summarise(short, PLAN, results) is None
    results |= {run: made() for run in planned[0]}
    first = speed.summarise(short, PLAN, results)
    assert first is not None
    assert [(arm.decay, len(arm.histories)) for arm in first.equilibrium.arms] == [(0.0, 1), (50.0, 1)]
    assert (first.yours.finished, first.example.finished) == (1, 0)  # the chosen decay is one of them
    assert first.example.reach("train", 0.2) == (None,) * 4
    results |= {run: made() for group in planned for run in group}
    whole = speed.summarise(short, PLAN, results)
    assert whole is not None
    assert (whole.yours.finished, whole.example.finished) == (8, 8)


# Real runs


@pytest.fixture(scope="module")
def default() -> Speed:
    """Six decays and two seeds of the page as it opens."""
    return speed.run(Settings(), Landscape(side=6, map_seeds=2))


def test_decay_slows_the_plain_network_and_speeds_the_example_up(default):
    yours = [s.median for s in default.yours.reach("train", Landscape().reach) if s]
    assert math.isfinite(yours[0])
    assert yours[-1] == math.inf
    assert min(yours) > 0.8 * yours[0]  # no decay is much faster than none
    example = [s.median for s in default.example.reach("train", Landscape().reach) if s]
    assert min(example) < 0.8 * example[0]
    assert example[-1] == math.inf  # too much is too much


def test_the_equilibrium_is_reached_at_the_default(default):
    found = default.equilibrium
    assert found.unmet == ()
    assert found.measured_angle(found.with_decay).median == pytest.approx(found.angle, rel=0.12)
    for history in found.with_decay.histories:
        assert history.norms[-1, 0] == pytest.approx(found.norm, rel=0.3)
    for history in found.without.histories:  # without decay the weights only grow
        assert history.norms[-1, 0] >= history.norms[0, 0] > 20 * found.norm


def test_schedules_are_those_of_the_training(default):
    rates = {s.name: s.rates for s in default.schedules}
    assert np.all(rates["constant"] == np.float32(0.03))
    steps = default.schedules[0].steps
    np.testing.assert_allclose(rates["cosine"], 0.015 * (1 + np.cos(np.pi * steps / 600)), atol=1e-8)
    rise = steps < 60
    np.testing.assert_allclose(rates["warm-up"][rise], 0.03 * (steps[rise] + 1) / 60, rtol=1e-6)
    # A cosine halves what decay takes off in all.
    logs = {s.name: -math.log(s.arm.histories[0].shrink[-1]) for s in default.schedules}
    assert logs["cosine"] / logs["constant"] == pytest.approx(0.5, abs=0.01)


def test_schedules_are_paired_by_seed(default):
    starts = [[h.start["output"]["weight"].tobytes() for h in s.arm.histories] for s in default.schedules]
    assert starts[0] == starts[1] == starts[2]
    assert len(set(starts[0])) == 2


def test_few_steps_are_no_error():
    found = speed.run(replace(SHORT, steps=10), replace(PLAN, map_seeds=1))
    assert "10 steps are too few" in found.equilibrium.unmet[0]
    assert len(found.schedules[0].rates) == len(found.schedules[0].steps) == 11


def test_summarise_works_on_what_is_cached(default):
    planned = [run for group in speed.groups(default.settings, default.plan) for run in group]
    again = speed.summarise(default.settings, default.plan, runs.finished(planned))
    assert again is not None
    assert again.yours.reach("train", 0.2) == default.yours.reach("train", 0.2)
