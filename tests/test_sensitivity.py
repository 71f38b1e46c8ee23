"""The sensitivity experiment: which jobs there are and in which order, and what follows from those that are finished."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wdviz.experiments import overfitting, sensitivity
from wdviz.experiments.sensitivity import LADDERS, NOISE, RESCALED, Flipping, Probing, Rescaling
from wdviz.measured import Calibration, Probed, Rescaled
from wdviz.plans import Probe
from wdviz.runs import Run
from wdviz.settings import DECAYS, Settings

CHOSEN, PLAN = Settings(seeds=2), Probe()


def measured(reaction: float = 1.0, score: float = 0.8) -> Probed:
    """Made-up measurements."""
    strengths = np.array([0.0, NOISE])
    calibration = Calibration.of(np.full(4, 0.9), np.ones(4))
    layers, distances = np.array([2.0, 3.0]), np.ones(4)
    return Probed(strengths, np.full(2, score), np.full(2, 1 - score), np.full(4, reaction), layers, distances, 2.0, calibration)


def results(settings: Settings, reaction: float = 1.0) -> dict[Any, Any]:
    """Made-up results of all jobs: the reaction is that of decay 0, divided by 1 + decay."""
    rescaled = Rescaled(np.array([0.5, 1.0]), np.array([0.3, 0.0]), np.array([0.7, 0.8]))
    jobs = [job for group in sensitivity.groups(settings, PLAN) for job in group]
    return {j: measured(reaction / (1 + j.run.settings.decay)) if isinstance(j, Probing) else rescaled for j in jobs}


def test_the_first_group_is_both_arms_and_small():
    first = sensitivity.groups(CHOSEN, PLAN)[0]
    assert first == [Probing(run) for run in overfitting.pair(CHOSEN, 0)]
    digits = sensitivity.groups(Settings(dataset="digits"), replace(PLAN, image=7, jitter=0.1))[0]
    assert [(j.image, j.jitter) for j in digits if isinstance(j, Flipping)] == [(7, 0.1)] * 2
    assert len(digits) == 4
    assert [j.run for j in digits if isinstance(j, Flipping)] == list(overfitting.pair(Settings(dataset="digits"), 0))


def test_training_runs_are_those_of_the_overfitting_page():
    jobs: list[Any] = [job for group in sensitivity.groups(CHOSEN, PLAN) for job in group]
    planned = {job.run for job in jobs}
    assert planned >= {run for pair in overfitting.pairs(CHOSEN) for run in pair}
    # The arm without decay, the ladder's first rung and the network that is rescaled without batch norm are one run.
    for repetition in (0, 1):
        without = overfitting.pair(CHOSEN, repetition)[0]
        assert [type(job) for job in dict.fromkeys(jobs) if job.run == without] == [Probing, Rescaling]


def test_a_move_of_decay_leaves_all_but_one_arm_as_it_is():
    before, after = ({job for group in sensitivity.groups(replace(CHOSEN, decay=d), PLAN) for job in group} for d in (2.0, 5.0))
    assert len(after - before) == CHOSEN.seeds
    on_the_ladder = {job for group in sensitivity.groups(replace(CHOSEN, decay=3.0), PLAN) for job in group}
    assert on_the_ladder < before


@pytest.mark.parametrize("kind", LADDERS)
def test_the_ladder_can_be_set_as_decay_and_rises_from_zero(kind):
    ladder = LADDERS[kind]
    assert ladder[0] == 0
    assert list(ladder) == sorted(set(ladder))
    assert set(ladder) <= set(DECAYS)
    switched = replace(CHOSEN, decay_kind=kind, switch_at=100, decay_after=3.0, seed=1)
    runs = [job.run for job in sensitivity.rungs(switched, 1)]
    assert [(r.settings.decay, r.settings.switch_at, r.settings.decay_after, r.seed) for r in runs] == [(d, 0, 0.0, 2) for d in ladder]


def test_rescaling_is_with_and_without_batch_norm_and_never_with_decay():
    chosen = replace(CHOSEN, regularisers=("batch norm", "dropout"), seeds=9, seed=1, switch_at=100, decay_after=3.0)
    normalised, plain = sensitivity.rescalings(chosen, 1)
    assert normalised.run.settings.regularisers == ("batch norm", "dropout")
    assert plain.run.settings.regularisers == ("dropout",)
    assert normalised.run.settings.decay == plain.run.settings.decay == 0
    for run in (normalised.run, plain.run):
        assert (run.settings.switch_at, run.settings.decay_after, run.seed) == (0, 0.0, 2)
    assert sensitivity.rescalings(chosen, RESCALED) == sensitivity.rescalings(chosen, RESCALED + 1) == ()
    assert sensitivity.rescalings(chosen, RESCALED - 1)
    assert sensitivity.rescalings(replace(chosen, model="linear"), 0) == ()


def test_nothing_before_the_first_group_then_more_and_more():
    whole = results(CHOSEN, 6.0)
    first, rest, _ = sensitivity.groups(CHOSEN, PLAN)
    assert sensitivity.summarise(CHOSEN, PLAN, {first[0]: whole[first[0]]}) is None
    some = sensitivity.summarise(CHOSEN, PLAN, {j: whole[j] for j in first})
    assert some is not None
    assert (len(some.without.probed), some.ladder, some.plain) == (1, (), ())
    more = sensitivity.summarise(CHOSEN, PLAN, {j: whole[j] for j in [*first, *rest]})
    assert more is not None
    assert [len(rung.probed) for rung in more.ladder] == [1] * 7
    found = sensitivity.summarise(CHOSEN, PLAN, whole)
    assert found is not None
    assert [arm.decay for arm in found.arms] == [0.0, CHOSEN.decay]
    assert [rung.decay for rung in found.ladder] == list(LADDERS["decoupled"])
    assert [rung.spread(lambda p: p.reaction).median for rung in found.ladder] == pytest.approx([6 / (1 + d) for d in LADDERS["decoupled"]])
    assert (found.ratio().median, found.ratio().seeds) == (pytest.approx(3), 2)
    assert [len(x) for x in (found.normalised, found.plain)] == [2, 2]


def test_under_noise_classes_have_an_accuracy_and_values_a_loss():
    for chosen, expected in ((CHOSEN, 0.8), (replace(CHOSEN, dataset="sine", n_train=20), 0.2)):
        found = sensitivity.summarise(chosen, PLAN, results(chosen))
        assert found is not None
        assert found.noisy(found.with_decay).median == pytest.approx(expected)


def test_images_come_with_what_flips_their_answer():
    chosen = replace(CHOSEN, dataset="digits")
    made = results(chosen)
    found = sensitivity.summarise(chosen, PLAN, made)
    assert found is not None
    assert found.flipped == tuple(made[job] for job in sensitivity.flippings(chosen, PLAN))
    assert len(found.flipped or ()) == 2


def test_the_ratio_is_how_many_times_less_it_reacts():
    one, other = sensitivity.pair(CHOSEN, 0)
    found = sensitivity.summarise(CHOSEN, PLAN, {one: measured(4.0), other: measured(1.6)})
    assert found is not None
    assert found.ratio().median == pytest.approx(2.5)


def test_a_network_that_no_longer_reacts_reacts_infinitely_less():
    one, other = sensitivity.pair(CHOSEN, 0)
    found = sensitivity.summarise(CHOSEN, PLAN, {one: measured(4.0), other: measured(0.0)})
    assert found is not None
    assert found.ratio().median == np.inf


def test_numbers_of_a_measurement():
    one = measured(4.0)
    assert (one.reaction, one.product, one.never, one.typical_distance) == (4, 6, 0, 1)
    far = replace(one, distances=np.array([0.1, np.inf, np.inf]))
    assert (far.never, far.typical_distance) == (2, np.inf)
    assert not one.diverged
    assert replace(one, reactions=np.array([np.nan])).diverged


def test_only_digits_have_images():
    assert sensitivity.IMAGES == ("digits",)
    with pytest.raises(ValueError, match="digits"):
        Flipping(Run.of(CHOSEN, 0), 0, 0.1).check()


def test_the_default_is_striking():
    found = sensitivity.run(Settings(seeds=3))
    assert found.ratio().low > 5  # times less reaction in every seed
    before, after = (found.noisy(arm).median for arm in found.arms)
    assert after > before + 0.03
    sizes = [rung.spread(lambda p: p.reaction).median for rung in found.ladder]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 40
    errors = [arm.spread(lambda p: p.calibration.error).median for arm in found.arms]
    assert errors[1] < errors[0] - 0.05
    assert found.ladder[-2].spread(lambda p: p.calibration.excess).median < 0 < found.without.spread(lambda p: p.calibration.excess).median
    distances = [arm.spread(lambda p: p.typical_distance).median for arm in found.arms]
    assert distances[1] > 1.3 * distances[0]
    half = int(np.argmin(np.abs(found.plain[0].factors - 0.5)))
    assert np.median([r.change[half] for r in found.plain]) > 0.2
    assert max(r.change[half] for r in found.normalised) < 1e-3
    first = found.without.probed[0]
    assert first.map.shape == (6400,)
    assert first.answers.shape == (6400, 2)
    assert found.without.probed[1].map.size == 0  # drawn of the first repetition alone
