"""Combinations: which networks are trained in which order, what is made of them, and what holds on digits (E7)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers import count_compilations
from tests.test_experiments import made
from wdviz import factorial, runs
from wdviz.experiments import combinations, combining
from wdviz.plans import RIVALS, Combine
from wdviz.results import History
from wdviz.runs import Run
from wdviz.settings import AMOUNTS, SPECS, Settings

SMALL = Combine(factors=("decay", "dropout"), strengths=3, strength_seeds=1)
CHOSEN = Settings(seeds=2, steps=60)
DIGITS = Settings(dataset="digits", n_train=200, flip=0.3, noise=0.0, learning_rate=0.02, steps=500, decay=0.7, dropout=0.3)


def every(settings: Settings, plan: Combine) -> list[Run]:
    return [run for group in combinations.groups(settings, plan) for run in group]


# Plans


def test_every_combination_is_trained_with_every_seed():
    asked = combining.design(Settings(seed=4), Combine())
    seen = set()
    for seed in (4, 5, 6, 7, 8):
        for levels, run in combining.table(asked)[seed - 4].items():
            on = {name for name, level in zip(asked.factors, levels, strict=True) if level}
            assert run.seed == seed
            assert run.settings.decay == (2.0 if "decay" in on else 0.0)
            assert set(run.settings.regularisers) == on - {"decay"}
            seen.add(run)
    assert len(seen) == 5 * 2**4
    assert seen <= set(every(Settings(seed=4), Combine()))


def test_the_first_seed_comes_first_from_single_ones_and_pairs_to_all():
    groups = combinations.groups(Settings(), Combine())
    assert len(groups[0]) == 1 + 4 + 6
    assert [run.seed for run in groups[0] + groups[1]] == [0] * 16
    assert {run.seed for run in groups[2]} == {1}
    assert len(groups[2]) == 16
    assert {run.seed for run in groups[3]} == {0}
    assert len(groups[3]) == 49  # the map
    assert max(map(len, groups)) <= 64


def test_all_share_two_programs_with_batch_norm_and_without():
    programs = {runs.program_for(run) for run in every(Settings(), Combine())}
    assert sorted("batch norm" in program.regularisers for program in programs) == [False, True]
    assert all({"augmentation", "dropout"} <= set(program.regularisers) for program in programs)
    six = Combine(factors=tuple(sorted(("augmentation", "batch norm", "decay", "dropout", "early stopping", "label smoothing"))))
    assert len({runs.program_for(run) for run in every(Settings(), six)}) == 2
    assert len(every(replace(Settings(), seeds=1), replace(six, strength_seeds=1, strengths=3))) == 64 + 9


def test_moving_any_number_compiles_nothing():
    small = replace(CHOSEN, seeds=1, regularisers=("l1",))
    plan = Combine(factors=("augmentation", "decay", "dropout", "label smoothing"), strengths=3, strength_seeds=1, rival="mixup")
    combinations.run(small, plan)
    changes: dict[str, Any] = {"decay": 7.0, "dropout": 0.5, "augmentation_noise": 0.4, "label_smoothing": 0.2, "l1": 0.01, "seed": 5}
    changes |= {"n_train": 30, "noise": 0.3, "flip": 0.1, "learning_rate": 0.01, "steps": 40, "mixup": 1.0, "patience": 50, "seeds": 2}
    with count_compilations() as compiled:
        combinations.run(replace(small, **changes), replace(plan, strengths=4, strength_seeds=2, least_decay=0.5, most_decay=5.0))
    assert compiled == []


def test_a_slider_trains_only_what_it_bears_on():
    def table(settings: Settings) -> set[Run]:
        return {run for seed in combining.table(combining.design(settings, Combine())) for run in seed.values()}

    def cells(settings: Settings) -> set[Run]:
        return {run for seed in combining.cells(combining.design(settings, Combine())) for row in seed for run in row}

    now, others = Settings(), Settings(dropout=0.5)
    assert all("dropout" in run.settings.regularisers for run in table(others) - table(now))
    assert cells(others) == cells(now)
    assert cells(replace(now, decay=7.0, patience=100, label_smoothing=0.3)) == cells(now)
    assert all(run.settings.decay == 7 for run in table(replace(now, decay=7.0)) - table(now))


def test_what_is_only_shown_otherwise_trains_nothing():
    known = every(Settings(), Combine())
    assert every(Settings(), Combine(others="averaged", judged_by="accuracy")) == known
    assert all(a is b for a, b in zip(known, every(Settings(), Combine(others="averaged")), strict=True))


def test_regularisers_that_are_not_combined_stay_on_and_so_does_decay():
    asked = combining.design(Settings(regularisers=("dropout", "l1")), Combine(factors=("augmentation", "dropout")))
    levels = combining.table(asked)[0]
    assert levels[0, 0].settings.regularisers == ("l1",)
    assert levels[1, 1].settings.regularisers == ("augmentation", "dropout", "l1")
    assert {run.settings.decay for run in levels.values()} == {2.0}
    assert {run.settings.l1 for run in levels.values()} == {Settings().l1}


def test_in_the_map_too_they_stay_on_and_each_repetition_has_a_seed_of_its_own():
    plan = replace(SMALL, strength_seeds=3)
    for chosen, often in (
        (Settings(seed=5, regularisers=("l1",)), combining.CHECKPOINTS),
        (Settings(seed=5, regularisers=("early stopping",)), combining.CHECKPOINTS_STOPPING),
    ):
        seeds = combining.cells(combining.design(chosen, plan))
        assert [{run.seed for row in seed for run in row} for seed in seeds] == [{5}, {6}, {7}]
        every_run = [run for seed in seeds for row in seed for run in row]
        assert all(set(chosen.regularisers) <= set(run.settings.regularisers) for run in every_run)
        assert {run.checkpoints for run in every_run} == {often}


def test_a_switch_of_decay_is_left_out():
    assert all(run.settings.switch_at == 0 for run in every(Settings(switch_at=100, decay_after=0.3), Combine()))


@pytest.mark.parametrize("rival", RIVALS)
def test_the_map_varies_one_strength_from_none(rival: str):
    asked = combining.design(DIGITS, Combine(rival=rival))
    assert asked.strengths[0] == 0
    assert list(asked.strengths) == sorted(set(asked.strengths))
    assert len(asked.strengths) == min(7, len(asked.strengths))
    assert asked.strengths[-1] == RIVALS[rival][1]
    (seed, *_) = combining.cells(asked)
    for row, decay in zip(seed, asked.decays, strict=True):
        for run, strength in zip(row, asked.strengths, strict=True):
            run.check()
            assert run.settings.decay == decay
            assert (asked.needs in run.settings.regularisers) == (strength > 0)
            if strength:
                assert getattr(run.settings, asked.amount) == strength
                assert all(getattr(run.settings, other) == 0 for other in AMOUNTS[asked.needs] if other != asked.amount)
                SPECS[asked.amount].check(asked.amount, getattr(run.settings, asked.amount))


def test_values_take_every_rival_but_label_smoothing_and_the_map_has_as_many_decays_as_strengths():
    values = Settings(dataset="sine", n_train=20)
    for rival in ("input noise", "mixup"):
        assert combining.design(values, Combine(rival=rival)).notes == combining.design(values, Combine()).notes
    for side in (3, 4, 7, 8):
        assert len(combining.design(Settings(), Combine(strengths=side)).decays) == side


def test_augmentation_of_points_is_noise_and_never_none():
    on = combining.table(combining.design(Settings(), Combine()))[0][0, 1, 0, 0]
    assert on.settings.regularisers == ("augmentation",)
    assert on.settings.augmentation_noise == combining.STAND_IN
    assert combining.at_work(DIGITS).augmentation_noise == 0
    assert combining.at_work(Settings(augmentation_noise=0.5)).augmentation_noise == 0.5


@pytest.mark.parametrize(
    ("changes", "plan", "note", "left"),
    [
        ({"dataset": "sine", "n_train": 20}, {"factors": ("decay", "dropout", "label smoothing")}, "Label smoothing is left out", 2),
        ({"dataset": "digits", "model": "attention"}, {}, "Batch norm is left out", 3),
        ({}, {"rival": "shift"}, "allow no shift", 4),
        ({"dataset": "power demand"}, {"rival": "rotation"}, "allow no rotation", 4),
        ({"dataset": "sine", "n_train": 20}, {"rival": "label smoothing"}, "against dropout", 4),
        ({"dataset": "power demand"}, {"rival": "shift"}, "", 4),
    ],
)
def test_what_cannot_be_is_left_out_and_said(changes: dict[str, Any], plan: dict[str, Any], note: str, left: int):
    asked = combining.design(Settings(**changes), Combine(**plan))
    assert len(asked.factors) == left
    assert (note in " ".join(asked.notes)) if note else not asked.notes


@pytest.mark.parametrize(
    ("settings", "plan", "said"),
    [
        (Settings(), Combine(factors=("decay",)), "decay alone cannot be combined; pick two"),
        (Settings(), Combine(factors=()), "nothing alone cannot be combined"),
        (Settings(dataset="sine", n_train=20), Combine(factors=("decay", "label smoothing")), "decay alone"),
        (Settings(), Combine(least_decay=5.0, most_decay=1.0), "reversed: the lowest decay is 5"),
        (Settings(), Combine(least_decay=5.0, most_decay=5.0), "no decay to choose between"),
    ],
)
def test_without_two_or_with_a_range_without_a_choice_it_says_so(settings: Settings, plan: Combine, said: str):
    with pytest.raises(ValueError, match=said):
        combinations.groups(settings, plan)


# Summaries of made-up results


def results(settings: Settings, plan: Combine) -> dict[Run, History]:
    """For each run a history whose test loss falls with decay and the number of regularisers."""
    return {
        run: made(
            0.1, 1.0 - 0.1 * len(run.settings.regularisers) - 0.01 * min(run.settings.decay, 10) + 0.001 * run.seed, scores=(1.0, 0.8)
        )
        for run in every(settings, plan)
    }


def test_tables_hold_each_run_in_its_place():
    found = combinations.summarise(CHOSEN, SMALL, results(CHOSEN, SMALL))
    assert found.losses.values.shape == (2, 2, 2)
    expected = np.array([[1.0, 0.9], [0.98, 0.88]])
    assert found.losses.values == pytest.approx(np.stack([expected, expected + 0.001]))
    assert found.scores.values == pytest.approx(np.full((2, 2, 2), 0.8))
    assert not found.scores.lower_is_better
    assert list(found.shown) == ["loss", "accuracy"]
    assert list(combinations.summarise(CHOSEN, replace(SMALL, judged_by="accuracy"), {}).shown) == ["accuracy", "loss"]


def test_before_and_between_runs_it_knows_what_is_finished():
    nothing = combinations.summarise(CHOSEN, SMALL, {})
    assert nothing.pairs["loss"] == []
    assert nothing.chosen is None
    assert nothing.map.best == (None, None, None)
    given = results(CHOSEN, SMALL)
    first = {run: given[run] for run in combinations.groups(CHOSEN, SMALL)[0]}
    found = combinations.summarise(CHOSEN, SMALL, first)
    assert [p.verdict for p in found.pairs["loss"]] == ["one seed"]
    assert found.chosen == (1, 1)


def test_the_combination_is_chosen_when_all_are_trained():
    plan = replace(SMALL, factors=("augmentation", "decay", "dropout"))
    given, (most, rest, *_) = results(CHOSEN, plan), combinations.groups(CHOSEN, plan)
    assert (len(most), len(rest)) == (7, 1)
    assert combinations.summarise(CHOSEN, plan, {run: given[run] for run in most}).chosen is None
    assert combinations.summarise(CHOSEN, plan, {run: given[run] for run in most + rest}).chosen == (1, 1, 1)
    without = combinations.summarise(CHOSEN, plan, {run: h for run, h in given.items() if run != most[0]})
    assert without.losses.trained.sum() == 15  # the first run is missing, and it alone


def test_where_all_diverged_nothing_is_chosen_and_where_all_but_one_did_that_one():
    given = results(CHOSEN, SMALL)
    lost = {run: made(math.nan, math.nan) for run in given}
    assert combinations.summarise(CHOSEN, SMALL, lost).chosen is None
    tables = combining.table(combining.design(CHOSEN, SMALL))
    kept = {seed[1, 0]: given[seed[1, 0]] for seed in tables}
    assert combinations.summarise(CHOSEN, SMALL, lost | kept).chosen == (1, 0)


def test_a_column_of_the_map_has_a_best_decay_when_it_is_trained_unless_all_diverged():
    given, cells = results(CHOSEN, SMALL), combining.cells(combining.design(CHOSEN, SMALL))[0]
    first = {row[0]: given[row[0]] for row in cells}
    assert combinations.summarise(CHOSEN, SMALL, first).map.best == (2, None, None)
    partly = {cells[0][1]: given[cells[0][1]]}
    assert combinations.summarise(CHOSEN, SMALL, first | partly).map.best == (2, None, None)
    lost = {row[1]: made(math.nan, math.nan) for row in cells}
    assert combinations.summarise(CHOSEN, SMALL, given | lost).map.best == (2, None, 2)


def test_two_are_looked_at_with_the_others_off_or_averaged_as_the_plan_says():
    plan = replace(SMALL, factors=("augmentation", "decay", "dropout"))
    tables = combining.table(combining.design(CHOSEN, plan))
    given = results(CHOSEN, plan) | {seed[1, 1, 1]: made(test=0.2) for seed in tables}  # so that a pair depends on the third
    for others, averaged in (("off", False), ("averaged", True)):
        found = combinations.summarise(CHOSEN, replace(plan, others=others), given)
        values = [pair.interaction.value for pair in found.pairs["loss"]]
        assert values == [pair.interaction.value for pair in factorial.pairs(found.losses, averaged=averaged)]
        assert values != [pair.interaction.value for pair in factorial.pairs(found.losses, averaged=not averaged)]


def test_no_group_comes_twice():
    groups = combinations.groups(Settings(), Combine())
    assert len({tuple(group) for group in groups}) == len(groups) == 2 + 4 + 2  # the first seed in two, four others, two of the map


def test_divergence_is_data():
    given = results(CHOSEN, SMALL)
    worst = combining.table(combining.design(CHOSEN, SMALL))[0][1, 1]
    found = combinations.summarise(CHOSEN, SMALL, given | {worst: made(math.nan, math.nan)})
    assert [p.verdict for p in found.pairs["loss"]] == ["diverged"]
    assert found.ranking["loss"][-1][0] == (1, 1)
    assert found.chosen == (0, 1)


def test_the_best_of_map_and_table_are_chosen_without_test_data():
    given = results(CHOSEN, SMALL)
    clean = combinations.summarise(CHOSEN, SMALL, given)

    def poisoned(h: History) -> History:
        return replace(h, losses=h.losses | {"test": -h.losses["test"]}, scores=h.scores | {"test": 1 - h.scores["test"]})

    other = combinations.summarise(CHOSEN, SMALL, {run: poisoned(h) for run, h in given.items()})
    assert clean.chosen == other.chosen == (1, 1)
    assert clean.map.best == other.map.best == (2, 2, 2)
    assert clean.ranking["loss"][0][0] != other.ranking["loss"][0][0]


def test_cells_of_the_map_are_medians_over_their_seeds():
    plan = replace(SMALL, strength_seeds=2)
    given = results(CHOSEN, plan)
    found = combinations.summarise(CHOSEN, plan, given).map
    single = found.losses["test"]
    assert found.cells(single) == pytest.approx(np.median(single, 0))
    only_first = {run: h for run, h in given.items() if run.seed == 0}
    found = combinations.summarise(CHOSEN, plan, only_first).map
    assert found.cells(found.losses["test"]) == pytest.approx(single[0])
    assert found.counts.tolist() == [[1] * 3] * 3


def test_alone_is_with_the_others_off_and_average_over_them():
    given = results(CHOSEN, SMALL)
    tables = combining.table(combining.design(CHOSEN, SMALL))
    found = combinations.summarise(CHOSEN, SMALL, given | {seed[1, 1]: made(test=0.5) for seed in tables})
    # Decay takes 0.02 off the loss of the bare network and 0.4 off that with dropout, but for the seed's 0.001.
    assert found.effects["loss"]["alone"]["decay"].value == pytest.approx(-0.02)
    assert found.effects["loss"]["average"]["decay"].value == pytest.approx((-0.02 - 0.4005) / 2)


@pytest.mark.parametrize(("dataset", "regression"), [("moons", False), ("sine", True)])
def test_values_are_told_from_classes(dataset: str, regression: bool):
    chosen = replace(CHOSEN, dataset=dataset, n_train=20)
    assert combinations.summarise(chosen, SMALL, {}).regression is regression


# What holds


@pytest.fixture(scope="module")
def digits() -> combinations.Combinations:
    """Decay, augmentation and dropout on digits with wrong labels, without the map."""
    chosen, plan = replace(DIGITS, seeds=4), Combine(factors=("augmentation", "decay", "dropout"))
    jobs = [run for seed in combining.table(combining.design(chosen, plan)) for run in seed.values()]
    return combinations.summarise(chosen, plan, runs.sweep(jobs).wait_all())


def test_e7_dropout_alone_and_augmentation_alone_each_do_most_of_what_decay_does(digits):
    alone = {name: estimate.value for name, estimate in digits.effects["loss"]["alone"].items()}
    assert alone["decay"] < -0.4
    for other in ("augmentation", "dropout"):
        assert alone[other] < 0.6 * alone["decay"]
        assert digits.effects["loss"]["alone"][other].tells


def test_e7_together_they_gain_clearly_less_than_the_sum(digits):
    for pair in digits.pairs["loss"]:
        assert pair.interaction.tells
        assert pair.verdict in ("substitutes", "conflict")
        assert pair.interaction.value > 0.6 * abs(pair.second.value)  # the second has little left to do


def test_e7_the_best_decay_falls_as_dropout_grows():
    chosen, plan = DIGITS, Combine(factors=("decay", "dropout"), strengths=4, strength_seeds=1, least_decay=0.1, most_decay=2.0)
    jobs = [run for row in combining.cells(combining.design(chosen, plan))[0] for run in row]
    found = combinations.summarise(chosen, plan, runs.sweep(jobs).wait_all()).map
    without, _, much, _ = found.best  # with the most nothing is learnt
    assert without is not None
    assert much is not None
    assert without > much
